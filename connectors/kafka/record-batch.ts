/**
 * Record batches as they lie one after the other in the answer to a Fetch. Numbers are big-endian.
 *
 * ```
 *  0 baseOffset int64 · 8 batchLength int32 (bytes after it) · 12 partitionLeaderEpoch int32
 * 16 magic int8 · 17 crc uint32 (CRC-32C of everything after it) · 21 attributes int16
 * 23 lastOffsetDelta int32 · 27 baseTimestamp int64 · 35 maxTimestamp int64 · 43 producerId int64
 * 51 producerEpoch int16 · 53 baseSequence int32 · 57 recordCount int32 · 61 records
 * attributes: 0-2 codec · 3 log-append time · 4 transactional · 5 control
 * ```
 *
 * The magic stands at byte 16 of older formats too. Offsets of a batch reach from `baseOffset` to
 * `baseOffset + lastOffsetDelta`, even when compaction has removed records, or all of them.
 * Source: kafka.apache.org/documentation, 5.3 Message Format, record batch version 2.
 */

import { crc32c } from '@node-rs/crc32'
import { recordError, type TopicPartition } from './place.ts'

/** Bytes before the records of a batch. */
export const BATCH_HEADER_BYTES = 61
/** The smallest record: a length, attributes, two deltas, two lengths and a count. */
export const RECORD_BYTES_MIN = 7

const LENGTH_FIELD_END = 12
const MAGIC_AT = 16
const CRC_AT = 17
const CHECKED_FROM = 21
const CURRENT_MAGIC = 2
const TWO_POW_32 = 2 ** 32

/** What stands before the records of a batch. Offsets are below 2^53. */
export interface BatchHeader {
  /** Where the batch lies in the answer, half-open; the records are its end. */
  readonly start: number
  readonly end: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly leaderEpoch: number
  /** Number of the codec; 0 is none. */
  readonly codec: number
  readonly hasLogAppendTime: boolean
  readonly isTransactional: boolean
  readonly isControl: boolean
  readonly baseTimestamp: bigint
  readonly maxTimestamp: bigint
  /** Negative when the producer has none. */
  readonly producerId: bigint
  readonly recordCount: number
}

/**
 * The batch that begins at `start`; null when its bytes are not all there, as the last ones of an
 * answer may be. The checksum is not looked at.
 * Throws SLU-SRC-1512, SLU-SRC-1513.
 */
export function readBatchHeader(
  bytes: Buffer,
  start: number,
  place: TopicPartition,
): BatchHeader | null {
  const available = bytes.length - start
  if (available <= MAGIC_AT) return null
  const magic = bytes.readInt8(start + MAGIC_AT)
  if (magic !== CURRENT_MAGIC) {
    const message = `records have format ${magic}, and only ${CURRENT_MAGIC} is supported`
    throw recordError('SLU-SRC-1513', place, message)
  }
  const length = bytes.readInt32BE(start + 8)
  if (length < BATCH_HEADER_BYTES - LENGTH_FIELD_END) {
    throw recordError('SLU-SRC-1512', place, `a batch of ${length} bytes`)
  }
  const end = start + LENGTH_FIELD_END + length
  if (end > bytes.length) return null
  return readFields(bytes, start, end, place)
}

/** Throws SLU-SRC-1511 when the bytes of the batch are not those that were written. */
export function checkBatch(bytes: Buffer, batch: BatchHeader, place: TopicPartition): void {
  const expected = bytes.readUInt32BE(batch.start + CRC_AT)
  const found = crc32c(bytes.subarray(batch.start + CHECKED_FROM, batch.end))
  if (found === expected) return
  throw recordError(
    'SLU-SRC-1511',
    { ...place, offset: batch.baseOffset },
    `the checksum of a batch of ${batch.end - batch.start} bytes is wrong`,
  )
}

/**
 * Offset after the last batch that is there whole, and that batch's leader epoch; null when none
 * is. Reads headers only. Throws SLU-SRC-1512, SLU-SRC-1513.
 */
export function endOfBatches(
  bytes: Buffer,
  place: TopicPartition,
): { readonly nextOffset: number; readonly leaderEpoch: number } | null {
  let last: BatchHeader | null = null
  for (let start = 0; start < bytes.length; start = last.end) {
    const batch = readBatchHeader(bytes, start, place)
    if (batch === null) break
    last = batch
  }
  if (last === null) return null
  return { nextOffset: last.lastOffset + 1, leaderEpoch: last.leaderEpoch }
}

function readFields(bytes: Buffer, start: number, end: number, place: TopicPartition): BatchHeader {
  const attributes = bytes.readInt16BE(start + 21)
  const baseOffset = bytes.readInt32BE(start) * TWO_POW_32 + bytes.readUInt32BE(start + 4)
  const lastOffsetDelta = bytes.readInt32BE(start + 23)
  const recordCount = bytes.readInt32BE(start + 57)
  const lastOffset = baseOffset + lastOffsetDelta
  if (baseOffset < 0 || lastOffsetDelta < 0 || lastOffset >= Number.MAX_SAFE_INTEGER) {
    const message = `a batch from offset ${baseOffset} over ${lastOffsetDelta} more`
    throw recordError('SLU-SRC-1512', place, message)
  }
  if (recordCount < 0 || recordCount > lastOffsetDelta + 1) {
    const message = `a batch of ${recordCount} records at ${lastOffsetDelta + 1} offsets`
    throw recordError('SLU-SRC-1512', { ...place, offset: baseOffset }, message)
  }
  return {
    start,
    end,
    baseOffset,
    lastOffset,
    leaderEpoch: bytes.readInt32BE(start + LENGTH_FIELD_END),
    codec: attributes & 0b111,
    hasLogAppendTime: (attributes & 0b1000) !== 0,
    isTransactional: (attributes & 0b1_0000) !== 0,
    isControl: (attributes & 0b10_0000) !== 0,
    baseTimestamp: bytes.readBigInt64BE(start + 27),
    maxTimestamp: bytes.readBigInt64BE(start + 35),
    producerId: bytes.readBigInt64BE(start + 43),
    recordCount,
  }
}
