/**
 * The records of a Fetch answer, as columns: batches checked, filtered and unpacked, and records
 * that lie together handed out together, with nothing copied that need not be.
 */

import { type AbortedFilter, type AbortedTransaction, createAbortedFilter } from './aborted.ts'
import { allocateColumns, finishColumns, type RecordColumns } from './columns.ts'
import { DECOMPRESSION_LIMITS, type DecompressionLimits, decompress } from './decompress.ts'
import { recordError, type TopicPartition } from './place.ts'
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  checkBatch,
  RECORD_BYTES_MIN,
  readBatchHeader,
} from './record-batch.ts'
import { fillRecords, type RecordRun } from './record-run.ts'
import { MALFORMED, readVarint, readVarlong } from './varint.ts'

/** What to decode. */
export interface DecodeRequest {
  readonly place: TopicPartition
  /** As the broker sent them, the last batch perhaps cut short. The decoder's from now on. */
  readonly records: Buffer
  /** Records below were asked for by nobody: the first batch may hold some. */
  readonly fromOffset: bigint
  /** The aborted transactions of the answer; null reads uncommitted records too. */
  readonly aborted: readonly AbortedTransaction[] | null
  readonly limits?: DecompressionLimits
  /** A chunk ends after the batch that reaches it; `CHUNK_BYTES` when absent. */
  readonly chunkBytes?: number
}

/** Consecutive records, and how far they reach. */
export interface RecordChunk extends RecordColumns {
  /** Every record below it is in this chunk or an earlier one, filtered, or gone by compaction. */
  readonly nextOffset: bigint
  /** Of the newest batch, filtered ones too. */
  readonly leaderEpoch: number
  /** Records of aborted transactions that were left out. */
  readonly abortedCount: number
}

/** Large enough that arrays cost nothing per record, small enough to hold some of them. */
export const CHUNK_BYTES = 8 * 1024 * 1024

/** Up to so many bytes between two batches stay in the chunk, where copying would cost more. */
const GAP_BYTES_MAX = 1024

/**
 * Chunks in the order of their offsets; the last one says how far whole batches reach, records or
 * not; none when there is no whole batch.
 * Throws SLU-SRC-1511 to SLU-SRC-1516; what was yielded before is right.
 */
export function* decodeRecords(request: DecodeRequest): Generator<RecordChunk> {
  const { place, records } = request
  const chunkBytes = request.chunkBytes ?? CHUNK_BYTES
  const filter = request.aborted === null ? null : createAbortedFilter(request.aborted)
  let plan = createPlan()
  for (let start = 0; start < records.length; ) {
    const batch = readBatchHeader(records, start, place)
    if (batch === null) break
    if (batch.baseOffset < plan.nextOffset) {
      const message = `a batch from offset ${batch.baseOffset} after ${plan.nextOffset - 1}`
      throw recordError('SLU-SRC-1512', place, message)
    }
    checkBatch(records, batch, place)
    takeBatch(plan, batch, request, filter)
    start = batch.end
    if (plan.sizeBytes >= chunkBytes) {
      yield finishChunk(plan, request)
      plan = createPlan(plan.nextOffset)
    }
  }
  if (plan.batchCount > 0) yield finishChunk(plan, request)
}

/** Batches that will be one chunk. */
interface ChunkPlan {
  batchCount: number
  rowCount: number
  abortedCount: number
  sizeBytes: number
  nextOffset: number
  leaderEpoch: number
  readonly pieces: Piece[]
  /** Of each batch whose records are kept: place in its piece. */
  readonly runs: { readonly piece: Piece; readonly run: RecordRun }[]
}

/** Bytes of one buffer that go into the chunk. */
interface Piece {
  readonly source: Buffer
  readonly start: number
  end: number
}

function createPlan(nextOffset = 0): ChunkPlan {
  return {
    batchCount: 0,
    rowCount: 0,
    abortedCount: 0,
    sizeBytes: 0,
    nextOffset,
    leaderEpoch: -1,
    pieces: [],
    runs: [],
  }
}

function takeBatch(
  plan: ChunkPlan,
  batch: BatchHeader,
  request: DecodeRequest,
  filter: AbortedFilter | null,
): void {
  const { place, records } = request
  plan.batchCount++
  plan.nextOffset = batch.lastOffset + 1
  plan.leaderEpoch = batch.leaderEpoch
  if (filter?.isAborted(batch, () => isAbortMarker(records, batch, place))) {
    plan.abortedCount += batch.recordCount
    return
  }
  if (batch.isControl || batch.recordCount === 0 || BigInt(batch.lastOffset) < request.fromOffset) {
    return
  }
  const packed = { source: records, start: batch.start + BATCH_HEADER_BYTES, end: batch.end }
  const { source, start, end } = batch.codec === 0 ? packed : unpack(packed, batch, request)
  if (batch.recordCount > (end - start) / RECORD_BYTES_MIN) {
    const message = `a batch of ${batch.recordCount} records in ${end - start} bytes`
    throw recordError('SLU-SRC-1512', { ...place, offset: batch.baseOffset }, message)
  }
  const piece = pieceFor(plan, source, start)
  piece.end = end
  plan.runs.push({ piece, run: { batch, start, end, firstRow: plan.rowCount } })
  plan.rowCount += batch.recordCount
  plan.sizeBytes += end - start
}

function unpack(packed: Piece, batch: BatchHeader, request: DecodeRequest): Piece {
  const source = decompress(
    batch.codec,
    packed.source.subarray(packed.start, packed.end),
    request.limits ?? DECOMPRESSION_LIMITS,
    { ...request.place, offset: batch.baseOffset },
  )
  return { source, start: 0, end: source.length }
}

/** The last piece when the bytes follow it closely, else a new one. */
function pieceFor(plan: ChunkPlan, source: Buffer, start: number): Piece {
  const last = plan.pieces.at(-1)
  if (last !== undefined && last.source === source && start - last.end <= GAP_BYTES_MAX) return last
  const piece = { source, start, end: start }
  plan.pieces.push(piece)
  return piece
}

function finishChunk(plan: ChunkPlan, request: DecodeRequest): RecordChunk {
  const { pieces } = plan
  const only = pieces.length === 1 ? (pieces[0] as Piece) : null
  const parts = pieces.map(({ source, start, end }) => source.subarray(start, end))
  const bytes = only === null ? Buffer.concat(parts) : (parts[0] as Buffer)
  const shifts = new Map<Piece, number>()
  let size = 0
  for (const piece of pieces) {
    shifts.set(piece, size - piece.start)
    size += piece.end - piece.start
  }
  const columns = allocateColumns(plan.rowCount)
  for (const { piece, run } of plan.runs) {
    const shift = shifts.get(piece) as number
    const placed = { ...run, start: run.start + shift, end: run.end + shift }
    const problem = fillRecords(bytes, placed, columns)
    if (problem === null) continue
    const at = { ...request.place, offset: run.batch.baseOffset }
    throw recordError('SLU-SRC-1512', at, problem)
  }
  let first = 0
  while (first < plan.rowCount && (columns.offsets[first] as bigint) < request.fromOffset) first++
  return {
    ...finishColumns(columns, bytes, first),
    nextOffset: BigInt(plan.nextOffset),
    leaderEpoch: plan.leaderEpoch,
    abortedCount: plan.abortedCount,
  }
}

/**
 * The key of the one record of a control batch is int16 version, int16 type: 0 abort, 1 commit.
 * Source: kafka.apache.org/documentation, 5.3.1.1 Control Batches.
 */
function isAbortMarker(records: Buffer, batch: BatchHeader, place: TopicPartition): boolean {
  const cursor = {
    bytes: records,
    position: batch.start + BATCH_HEADER_BYTES,
    end: batch.end,
  }
  const length = readVarint(cursor)
  cursor.position++
  const timestampDelta = readVarlong(cursor)
  const offsetDelta = readVarint(cursor)
  const keyLength = readVarint(cursor)
  const isReadable =
    timestampDelta !== null && ![length, offsetDelta, keyLength].includes(MALFORMED)
  if (!isReadable || keyLength < 4 || cursor.position + keyLength > batch.end) {
    const at = { ...place, offset: batch.baseOffset }
    throw recordError('SLU-SRC-1512', at, 'a control record that tells of no transaction')
  }
  return records.readInt16BE(cursor.position + 2) === 0
}
