/** Keys and headers of decoded records, taken before the bytes around the values are reused. */

import type { RecordColumns } from './columns.ts'
import { type ByteCursor, readVarint } from './varint.ts'

/** Byte strings one after the other. */
export interface KeyColumn {
  readonly bytes: Buffer
  /** Key i lies between ends i − 1 and i. */
  readonly ends: Uint32Array
  /** 1 where the record has no key. */
  readonly nulls: Uint8Array
}

/** Copies all keys. */
export function copyKeys(columns: RecordColumns): KeyColumn {
  const { bytes, recordCount, keyStarts, keyLengths } = columns
  let size = 0
  for (let row = 0; row < recordCount; row++) size += Math.max(0, keyLengths[row] as number)
  const copy = Buffer.allocUnsafe(size)
  const ends = new Uint32Array(recordCount)
  const nulls = new Uint8Array(recordCount)
  let end = 0
  for (let row = 0; row < recordCount; row++) {
    const start = keyStarts[row] as number
    const length = keyLengths[row] as number
    if (length < 0) nulls[row] = 1
    else end += bytes.copy(copy, end, start, start + length)
    ends[row] = end
  }
  return { bytes: copy, ends, nulls }
}

/** A header; views of the columns' bytes. */
export interface RecordHeader {
  readonly key: Buffer
  readonly value: Buffer | null
}

/** The headers of one record, in their order: for records that are looked at one by one. */
export function readHeaders(columns: RecordColumns, row: number): readonly RecordHeader[] {
  const { bytes } = columns
  const start = columns.headerStarts[row] as number
  const end = start + (columns.headerLengths[row] as number)
  const cursor: ByteCursor = { bytes, position: start, end }
  const take = (length: number): Buffer => {
    cursor.position += length
    return bytes.subarray(cursor.position - length, cursor.position)
  }
  return Array.from({ length: columns.headerCounts[row] as number }, () => {
    const key = take(readVarint(cursor))
    const valueLength = readVarint(cursor)
    return { key, value: valueLength < 0 ? null : take(valueLength) }
  })
}
