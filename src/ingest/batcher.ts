/**
 * Gathers blocks into batches: closes one on rows, bytes or time where a source transaction ends. A
 * transaction that does not fit a batch is closed in parts, the last of which ends the commit.
 */

import type { Clock, CommitSettings, CopyProgress, SourceBlock } from '../contracts/index.ts'
import type { LandedSegment } from '../decode/index.ts'
import type { SplitId } from '../model/index.ts'
import type { Failpoints } from './failpoints.ts'
import { type BatchSpool, byteLengthOf, createBatchSpool } from './lander.ts'
import type { BatchHeader, SplitEnd } from './unit.ts'

/** A closed batch or part of one: landed, not yet decoded. */
export interface SealedBatch {
  readonly header: BatchHeader
  /**
   * Per stream; the part that ends a commit names every stream of the earlier parts too, if only
   * with no segments.
   */
  readonly segments: ReadonlyMap<string, readonly LandedSegment[]>
  /** Stream → the splits that its records of the commit so far come from. */
  readonly splitsOf: ReadonlyMap<string, ReadonlySet<SplitId>>
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
  readonly splits: Map<SplitId, SplitEnd>
  /** Splits that stand inside a transaction. */
  readonly midTransaction: Set<SplitId>
  /** Streams of the parts that are closed already. */
  readonly streams: Set<string>
  readonly splitsOf: Map<string, Set<SplitId>>
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
      if (open === null || !mayEnd(open)) return null
      return Math.max(0, open.openedAtMs + limits.intervalMs - clock.monotonicMs())
    },
    isReady: () => {
      if (open === null) return false
      if (!mayEnd(open)) return isFullPart(open.part, limits)
      const isFull = open.recordCount >= limits.rowsMax || open.byteCount >= limits.bytesMax
      const isDue = clock.monotonicMs() - open.openedAtMs >= limits.intervalMs
      return isFull || isDue || endsAlone(open.last.copy)
    },
    get canSeal() {
      return open !== null && mayEnd(open)
    },
    seal: async () => {
      const commit = open as OpenCommit
      const part = commit.part as OpenPart
      const endsCommit = mayEnd(commit)
      commit.part = null
      if (endsCommit) open = null
      const segments = new Map(await part.spool.seal())
      for (const stream of commit.streams) {
        if (endsCommit && !segments.has(stream)) segments.set(stream, [])
      }
      for (const stream of segments.keys()) commit.streams.add(stream)
      failpoints.hit('batch-sealed')
      const { recordCount, splitsOf } = commit
      const header = headerOf(commit, part.number)
      return { header, segments, splitsOf, recordCount, spool: part.spool }
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
    splits: new Map(),
    midTransaction: new Set(),
    streams: new Set(),
    splitsOf: new Map(),
    schemaIds: new Map(),
    part: null,
  }
}

/** True when every split ends a transaction. */
const mayEnd = ({ midTransaction }: OpenCommit): boolean => midTransaction.size === 0

async function addBlock(commit: OpenCommit, part: OpenPart, block: SourceBlock): Promise<void> {
  for (const piece of block.parts) {
    const { recordCount } = piece
    const byteLength = byteLengthOf(piece)
    await part.spool.append(piece, block.splitNumber)
    const { stream } = piece.schema
    commit.splitsOf.set(stream, (commit.splitsOf.get(stream) ?? new Set()).add(block.split))
    commit.schemaIds.set(stream, piece.schema.schemaId)
    part.recordCount += recordCount
    part.byteCount += byteLength
    commit.recordCount += recordCount
    commit.byteCount += byteLength
  }
  commit.last = block
  const { split, splitNumber, nextPosition, identity } = block
  const before = commit.splits.get(split)?.sourceTimeMicros ?? null
  const sourceTimeMicros = block.sourceTimeMicros ?? before
  commit.splits.set(split, { splitNumber, nextPosition, identity, sourceTimeMicros })
  if (block.endsTransaction) commit.midTransaction.delete(split)
  else commit.midTransaction.add(split)
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
    splits: new Map(commit.splits),
    copy: last.copy === null ? null : { ...last.copy, first: first.copy?.first === true },
    endsCommit: mayEnd(commit),
  }
}
