/**
 * Gathers blocks into batches: closes one on rows, bytes or time where a source transaction ends. A
 * transaction that does not fit a batch is closed in parts, the last of which ends the commit.
 */

import type { Clock, CommitSettings, CopyProgress, SourceBlock } from '../contracts/index.ts'
import type { LandedSegment } from '../decode/index.ts'
import type { Failpoints } from './failpoints.ts'
import { type BatchSpool, byteLengthOf, createBatchSpool } from './lander.ts'
import type { BatchHeader } from './unit.ts'

/** A closed batch or part of one: landed, not yet decoded. */
export interface SealedBatch {
  readonly header: BatchHeader
  /**
   * Per stream; the part that ends a commit names every stream of the earlier parts too, if only
   * with no segments.
   */
  readonly segments: ReadonlyMap<string, readonly LandedSegment[]>
  /** Records of the commit so far, earlier parts included. */
  readonly recordCount: number
  readonly spool: BatchSpool
}

/** What has been read for the next commit. */
interface OpenCommit {
  readonly openedAtMs: number
  readonly first: SourceBlock
  last: SourceBlock
  recordCount: number
  byteCount: number
  sourceTimeMicros: bigint | null
  /** Streams of the parts that are closed already. */
  readonly streams: Set<string>
  /** Stream → schema of its newest records. */
  readonly schemaIds: Map<string, number>
  /** The part being filled; null when the last block ended one. */
  part: OpenPart | null
}

interface OpenPart {
  readonly number: bigint
  readonly spool: BatchSpool
  recordCount: number
  byteCount: number
}

/** The batch being filled. */
export interface Batcher {
  /** True when the block must not join the open batch: it must be sealed first. */
  separates(block: SourceBlock): boolean
  add(block: SourceBlock): Promise<void>
  /** Milliseconds until the open batch must be sealed; null when it has no deadline now. */
  dueInMs(): number | null
  /** True when the open batch is full or due and may end here, or a part of it is full. */
  isReady(): boolean
  /** True when there is something to seal and the last block ended a transaction. */
  readonly canSeal: boolean
  seal(): Promise<SealedBatch>
  discard(): Promise<void>
}

/** What a batcher works with. */
export interface BatcherRequest {
  /** Where it spools. */
  readonly folder: string
  readonly limits: CommitSettings
  readonly clock: Clock
  readonly failpoints: Failpoints
  /** Numbers batches: no two of one folder alike. */
  readonly nextNumber: () => bigint
}

/** Makes a batcher. */
export function createBatcher(request: BatcherRequest): Batcher {
  const { folder, limits, clock, failpoints } = request
  let open: OpenCommit | null = null
  const openPart = (): OpenPart => {
    const number = request.nextNumber()
    const spool = createBatchSpool(folder, number)
    return { number, spool, recordCount: 0, byteCount: 0 }
  }
  return {
    separates: (block) => open !== null && isOfAnotherKind(open, block),
    add: async (block) => {
      open ??= openCommit(block, clock.monotonicMs())
      open.part ??= openPart()
      await addBlock(open, open.part, block)
      failpoints.hit('block-landed')
    },
    dueInMs: () => {
      if (open === null || !open.last.endsTransaction) return null
      return Math.max(0, open.openedAtMs + limits.intervalMs - clock.monotonicMs())
    },
    isReady: () => {
      if (open === null) return false
      if (!open.last.endsTransaction) return isFullPart(open.part, limits)
      const isFull = open.recordCount >= limits.rowsMax || open.byteCount >= limits.bytesMax
      const isDue = clock.monotonicMs() - open.openedAtMs >= limits.intervalMs
      return isFull || isDue || endsAlone(open.last.copy)
    },
    get canSeal() {
      return open?.last.endsTransaction === true
    },
    seal: async () => {
      const commit = open as OpenCommit
      const part = commit.part as OpenPart
      const endsCommit = commit.last.endsTransaction
      commit.part = null
      if (endsCommit) open = null
      const segments = new Map(await part.spool.seal())
      for (const stream of commit.streams) {
        if (endsCommit && !segments.has(stream)) segments.set(stream, [])
      }
      for (const stream of segments.keys()) commit.streams.add(stream)
      failpoints.hit('batch-sealed')
      const { recordCount } = commit
      return { header: headerOf(commit, part.number), segments, recordCount, spool: part.spool }
    },
    discard: async () => {
      const part = open?.part
      open = null
      await part?.spool.discard()
    },
  }
}

function openCommit(block: SourceBlock, openedAtMs: number): OpenCommit {
  return {
    openedAtMs,
    first: block,
    last: block,
    recordCount: 0,
    byteCount: 0,
    sourceTimeMicros: null,
    streams: new Set(),
    schemaIds: new Map(),
    part: null,
  }
}

async function addBlock(commit: OpenCommit, part: OpenPart, block: SourceBlock): Promise<void> {
  for (const piece of block.parts) {
    const { recordCount } = piece
    const byteLength = byteLengthOf(piece)
    await part.spool.append(piece)
    commit.schemaIds.set(piece.schema.stream, piece.schema.schemaId)
    part.recordCount += recordCount
    part.byteCount += byteLength
    commit.recordCount += recordCount
    commit.byteCount += byteLength
  }
  commit.last = block
  commit.sourceTimeMicros = block.sourceTimeMicros ?? commit.sourceTimeMicros
}

function isFullPart(part: OpenPart | null, limits: CommitSettings): boolean {
  if (part === null) return false
  return part.recordCount >= limits.partRowsMax || part.byteCount >= limits.partBytesMax
}

/**
 * Records of a new shape begin a version of their own: what came before them is committed even when
 * the table must not follow.
 */
function isOfAnotherKind(open: OpenCommit, block: SourceBlock): boolean {
  if (!sameKind(open.last.copy, block.copy)) return true
  return open.last.endsTransaction && bringsNewShape(open.schemaIds, block)
}

function bringsNewShape(schemaIds: ReadonlyMap<string, number>, block: SourceBlock): boolean {
  return block.parts.some(({ schema: { stream, schemaId } }) => {
    const known = schemaIds.get(stream)
    return known !== undefined && known !== schemaId
  })
}

/**
 * The end of a copy is worth a commit of its own: the table is complete from then on. So is the
 * begin of one beside the stream, since changes may be next.
 */
function endsAlone(copy: CopyProgress | null): boolean {
  return copy?.complete === true || (copy?.first === true && copy.beside === true)
}

/** Blocks of a copy share a batch only with blocks of the same attempt of the same stream. */
function sameKind(open: CopyProgress | null, next: CopyProgress | null): boolean {
  return open?.stream === next?.stream && open?.attempt === next?.attempt
}

function headerOf(commit: OpenCommit, number: bigint): BatchHeader {
  const { first, last } = commit
  return {
    number,
    split: last.split,
    splitNumber: last.splitNumber,
    nextPosition: last.nextPosition,
    identity: last.identity,
    sourceTimeMicros: commit.sourceTimeMicros,
    copy: last.copy === null ? null : { ...last.copy, first: first.copy?.first === true },
    endsCommit: last.endsTransaction,
  }
}
