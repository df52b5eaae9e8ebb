/**
 * The records of one batch into columns: the innermost loop, one pass, nothing made per record.
 *
 * ```
 * length varint · attributes int8 · timestampDelta varlong · offsetDelta varint
 * keyLength varint (−1 null) · key · valueLength varint (−1 null) · value
 * headerCount varint · headers of: keyLength varint · key · valueLength varint (−1 null) · value
 * ```
 * Source: kafka.apache.org/documentation, 5.3.2 Record.
 */

import type { GrowingColumns } from './columns.ts'
import { type BatchHeader, RECORD_BYTES_MIN } from './record-batch.ts'
import { type ByteCursor, MALFORMED, readVarint, readVarlong } from './varint.ts'

/** Deltas of up to four bytes are read as numbers; larger ones as bigint. */
const SHORT_DELTA_BYTES = 4
const TWO_POW_32 = 2 ** 32
const SAFE_TIMESTAMP_MAX = BigInt(Number.MAX_SAFE_INTEGER) / 2n

/** Where the records of a batch lie, and which rows are theirs. */
export interface RecordRun {
  readonly batch: BatchHeader
  readonly start: number
  readonly end: number
  readonly firstRow: number
}

/** Fills the rows of the batch; tells what is wrong, or null when every byte is as it should be. */
export function fillRecords(bytes: Buffer, run: RecordRun, columns: GrowingColumns): string | null {
  const { batch } = run
  const cursor: ByteCursor = { bytes, position: run.start, end: run.end }
  const timestampOf = createTimestamps(batch, columns.timestampHalves, columns.timestamps)
  let lastDelta = -1
  for (let index = 0; index < batch.recordCount; index++) {
    const row = run.firstRow + index
    cursor.end = run.end
    const length = readVarint(cursor)
    const end = cursor.position + length
    // MALFORMED is larger than any batch, so one comparison sees it as well.
    if (length < RECORD_BYTES_MIN - 1 || end > run.end) return lengthProblem(index, length)
    cursor.end = end
    cursor.position++
    if (!timestampOf(cursor, row)) return `record ${index} has no timestamp`
    const delta = readVarint(cursor)
    if (delta <= lastDelta || delta > batch.lastOffset - batch.baseOffset) {
      return `record ${index} stands at offset ${delta} of its batch, after ${lastDelta}`
    }
    lastDelta = delta
    const offset = batch.baseOffset + delta
    columns.offsetHalves[2 * row] = offset | 0
    columns.offsetHalves[2 * row + 1] = Math.floor(offset / TWO_POW_32)

    const keyLength = readVarint(cursor)
    columns.keyLengths[row] = keyLength
    columns.keyStarts[row] = cursor.position
    if (keyLength > 0) cursor.position += keyLength
    if (keyLength < -1 || cursor.position >= end) return `the key of record ${index} is too long`

    const valueLength = readVarint(cursor)
    columns.valueLengths[row] = valueLength
    columns.valueStarts[row] = cursor.position
    if (valueLength > 0) cursor.position += valueLength
    if (valueLength < -1 || cursor.position >= end) {
      return `the value of record ${index} is too long`
    }

    const headerCount = readVarint(cursor)
    columns.headerCounts[row] = headerCount
    columns.headerStarts[row] = cursor.position
    columns.headerLengths[row] = end - cursor.position
    if (headerCount !== 0 && !skipHeaders(cursor, headerCount)) {
      return `the headers of record ${index} are not well formed`
    }
    if (cursor.position !== end) return `record ${index} is longer than its parts`
  }
  return cursor.position === run.end ? null : 'bytes follow the last record'
}

function lengthProblem(index: number, length: number): string {
  return `record ${index} ${length === MALFORMED ? 'has no length' : `is ${length} bytes long`}`
}

function skipHeaders(cursor: ByteCursor, count: number): boolean {
  if (count < 0 || count > cursor.end - cursor.position) return false
  for (let index = 0; index < count; index++) {
    const keyLength = readVarint(cursor)
    if (keyLength < 0 || keyLength >= cursor.end - cursor.position) return false
    cursor.position += keyLength
    const valueLength = readVarint(cursor)
    if (valueLength < -1 || valueLength > cursor.end - cursor.position) return false
    if (valueLength > 0) cursor.position += valueLength
  }
  return true
}

/** Reads the timestamp of the record at the cursor into its row; false when it is not readable. */
type TimestampReader = (cursor: ByteCursor, row: number) => boolean

function createTimestamps(
  batch: BatchHeader,
  halves: Int32Array,
  timestamps: BigInt64Array,
): TimestampReader {
  const { baseTimestamp } = batch
  const isSafe = baseTimestamp <= SAFE_TIMESTAMP_MAX && baseTimestamp >= -SAFE_TIMESTAMP_MAX
  const base = isSafe ? Number(baseTimestamp) : 0
  return (cursor, row) => {
    const short = readShortDelta(cursor)
    if (isSafe && short !== MALFORMED && !batch.hasLogAppendTime) {
      const timestamp = base + short
      halves[2 * row] = timestamp | 0
      halves[2 * row + 1] = Math.floor(timestamp / TWO_POW_32)
      return true
    }
    const delta = short === MALFORMED ? readVarlong(cursor) : BigInt(short)
    if (delta === null) return false
    timestamps[row] = batch.hasLogAppendTime ? batch.maxTimestamp : baseTimestamp + delta
    return true
  }
}

/** A delta of up to four bytes, or MALFORMED with the cursor where it was. */
function readShortDelta(cursor: ByteCursor): number {
  const { position, end } = cursor
  cursor.end = Math.min(end, position + SHORT_DELTA_BYTES)
  const delta = readVarint(cursor)
  cursor.end = end
  return delta
}
