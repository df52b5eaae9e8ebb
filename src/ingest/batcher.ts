/**
 * Gathers blocks into batches: closes one on rows, bytes or time, never inside a source
 * transaction.
 */

import type { Clock, CommitSettings, CopyProgress, SourceBlock } from '../contracts/index.ts'
import type { LandedSegment } from '../decode/index.ts'
import type { Failpoints } from './failpoints.ts'
import { type BatchSpool, createBatchSpool, type LandingScratch } from './lander.ts'
import type { BatchHeader } from './unit.ts'

/** A closed batch: landed, not yet decoded. */
export interface SealedBatch {
  readonly header: BatchHeader
  readonly segments: ReadonlyMap<string, readonly LandedSegment[]>
  readonly recordCount: number
  readonly byteCount: number
  readonly spool: BatchSpool
}

interface OpenBatch {
  readonly spool: BatchSpool
  readonly openedAtMs: number
  readonly first: SourceBlock
  last: SourceBlock
  recordCount: number
  byteCount: number
  sourceTimeMicros: bigint | null
}

/** The batch being filled. */
export interface Batcher {
  /** True when the block must not join the open batch: it must be sealed first. */
  separates(block: SourceBlock): boolean
  add(block: SourceBlock): Promise<void>
  /** Milliseconds until the open batch must be sealed; null when it has no deadline now. */
  dueInMs(): number | null
  /** True when the open batch is full or due, and may end here. */
  isReady(): boolean
  /** True when there is something to seal and the last block ended a transaction. */
  readonly canSeal: boolean
  seal(): Promise<SealedBatch>
  discard(): Promise<void>
}

/** Makes a batcher that spools into `folder`. */
export function createBatcher(
  folder: string,
  limits: CommitSettings,
  clock: Clock,
  failpoints: Failpoints,
): Batcher {
  const scratch: LandingScratch = { bytes: Buffer.alloc(0) }
  let number = 0n
  let open: OpenBatch | null = null
  return {
    separates: (block) => open !== null && !sameKind(open.last.copy, block.copy),
    add: async (block) => {
      open ??= {
        spool: createBatchSpool(folder, number, scratch),
        openedAtMs: clock.monotonicMs(),
        first: block,
        last: block,
        recordCount: 0,
        byteCount: 0,
        sourceTimeMicros: null,
      }
      for (const part of block.parts) {
        await open.spool.append(part)
        open.recordCount += part.recordCount
        open.byteCount += part.bytes.byteLength
      }
      open.last = block
      open.sourceTimeMicros = block.sourceTimeMicros ?? open.sourceTimeMicros
      failpoints.hit('block-landed')
    },
    dueInMs: () => {
      if (open === null || !open.last.endsTransaction) return null
      return Math.max(0, open.openedAtMs + limits.intervalMs - clock.monotonicMs())
    },
    isReady: () => {
      if (open === null || !open.last.endsTransaction) return false
      const isFull = open.recordCount >= limits.rowsMax || open.byteCount >= limits.bytesMax
      const isDue = clock.monotonicMs() - open.openedAtMs >= limits.intervalMs
      // The end of a copy is worth a commit of its own: the table is complete from then on.
      return isFull || isDue || open.last.copy?.complete === true
    },
    get canSeal() {
      return open?.last.endsTransaction === true
    },
    seal: async () => {
      const batch = open as OpenBatch
      open = null
      const segments = await batch.spool.seal()
      failpoints.hit('batch-sealed')
      return {
        header: headerOf(number++, batch),
        segments,
        recordCount: batch.recordCount,
        byteCount: batch.byteCount,
        spool: batch.spool,
      }
    },
    discard: async () => {
      const batch = open
      open = null
      await batch?.spool.discard()
    },
  }
}

/** Blocks of a copy share a batch only with blocks of the same attempt of the same stream. */
function sameKind(open: CopyProgress | null, next: CopyProgress | null): boolean {
  return open?.stream === next?.stream && open?.attempt === next?.attempt
}

function headerOf(number: bigint, batch: OpenBatch): BatchHeader {
  const { first, last } = batch
  return {
    number,
    split: last.split,
    splitNumber: last.splitNumber,
    nextPosition: last.nextPosition,
    identity: last.identity,
    sourceTimeMicros: batch.sourceTimeMicros,
    copy: last.copy === null ? null : { ...last.copy, first: first.copy?.first === true },
  }
}
