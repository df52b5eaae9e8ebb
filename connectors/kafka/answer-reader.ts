/**
 * Reads an answer of the flexible protocol versions. A count or length that leaves the bytes throws
 * SLU-SRC-1517, a number that does a RangeError of Node.
 */

import { assert } from '../../src/model/index.ts'

/** A place in an answer. */
export interface AnswerReader {
  readonly bytes: Buffer
  position: number
}

/** int16. */
export function readInt16(reader: AnswerReader): number {
  reader.position += 2
  return reader.bytes.readInt16BE(reader.position - 2)
}

/** int32. */
export function readInt32(reader: AnswerReader): number {
  reader.position += 4
  return reader.bytes.readInt32BE(reader.position - 4)
}

/** int64. */
export function readInt64(reader: AnswerReader): bigint {
  reader.position += 8
  return reader.bytes.readBigInt64BE(reader.position - 8)
}

/** A UUID as 32 hexadecimal digits. */
export function readUuid(reader: AnswerReader): string {
  return take(reader, 16).toString('hex')
}

/** Bytes, not copied; empty for null. */
export function readCompactBytes(reader: AnswerReader): Buffer {
  const length = readUnsignedVarint(reader)
  return take(reader, Math.max(0, length - 1))
}

/** Elements one after the other; none for null. */
export function readCompactArray<T>(reader: AnswerReader, read: () => T): T[] {
  const count = readUnsignedVarint(reader) - 1
  // An element takes a byte at least, so a wrong count ends here and not in memory.
  const isThere = count <= reader.bytes.length - reader.position
  assert(isThere, 'SLU-SRC-1517', 'a count too large')
  const elements: T[] = []
  for (let index = 0; index < count; index++) elements.push(read())
  return elements
}

/** Shows each tagged field to `read`, which may leave it, and ends after the last. */
export function readTaggedFields(reader: AnswerReader, read?: (tag: number) => void): void {
  const count = readUnsignedVarint(reader)
  for (let index = 0; index < count; index++) {
    const tag = readUnsignedVarint(reader)
    const size = readUnsignedVarint(reader)
    const end = reader.position + size
    assert(end <= reader.bytes.length, 'SLU-SRC-1517', 'a tagged field too large')
    read?.(tag)
    reader.position = end
  }
}

function readUnsignedVarint(reader: AnswerReader): number {
  let value = 0
  for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
    assert(shift < 35, 'SLU-SRC-1517', 'a number too long')
    byte = reader.bytes.readUInt8(reader.position)
    reader.position++
    value += (byte & 0x7f) * 2 ** shift
  }
  return value
}

function take(reader: AnswerReader, length: number): Buffer {
  const end = reader.position + length
  assert(end <= reader.bytes.length, 'SLU-SRC-1517', 'bytes beyond the answer')
  const bytes = reader.bytes.subarray(reader.position, end)
  reader.position = end
  return bytes
}
