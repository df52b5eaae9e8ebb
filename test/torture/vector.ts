/**
 * Deletion vectors read from scratch, for the checker: shares no code with what wrote them.
 * File: version byte, then per vector `size` (u32 big-endian), `size` bytes, CRC-32 (u32
 * big-endian).
 * Vector: magic (u32 little-endian), count (u64), then per 2^32 rows a key (u32) and a roaring
 * bitmap in its portable form: cookie, container keys and cardinalities, offsets, containers.
 */

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { crc32 } from 'node:zlib'

/** A vector's descriptor as it stands in the log. */
export interface VectorDescriptor {
  readonly storageType: string
  readonly pathOrInlineDv: string
  readonly offset?: number
  readonly sizeInBytes: number
  readonly cardinality: number
}

const MAGIC = 1_681_511_377
const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'
const COOKIE_PLAIN = 12_346
const COOKIE_WITH_RUNS = 12_347
const ARRAY_CARDINALITY_MAX = 4_096

/** Deleted row positions, ascending. Throws on anything that is not exactly as described. */
export function readVector(root: string, descriptor: VectorDescriptor): readonly number[] {
  if (descriptor.storageType !== 'u') throw new Error(`storage type ${descriptor.storageType}`)
  const file = readFileSync(path.join(root, vectorPath(descriptor.pathOrInlineDv)))
  const offset = descriptor.offset ?? 1
  const size = file.readUInt32BE(offset)
  if (file[0] !== 1 || size !== descriptor.sizeInBytes) throw new Error(`vector size ${size}`)
  const bytes = file.subarray(offset + 4, offset + 4 + size)
  if (crc32(bytes) !== file.readUInt32BE(offset + 4 + size)) throw new Error('vector checksum')
  const rows = readBitmaps(bytes)
  if (rows.length !== descriptor.cardinality) throw new Error(`vector holds ${rows.length} rows`)
  return rows
}

/** `<prefix><20 characters of base 85>` → `<prefix>/deletion_vector_<uuid>.bin`. */
function vectorPath(encoded: string): string {
  const bytes = Buffer.alloc(16)
  const digits = encoded.slice(-20)
  for (let group = 0; group < 4; group += 1) {
    let value = 0
    for (const digit of digits.slice(group * 5, group * 5 + 5))
      value = value * 85 + Z85.indexOf(digit)
    bytes.writeUInt32BE(value, group * 4)
  }
  const hex = bytes.toString('hex')
  const uuid = [0, 8, 12, 16, 20].map((from, index, all) => hex.slice(from, all[index + 1]))
  return path.join(encoded.slice(0, -20), `deletion_vector_${uuid.join('-')}.bin`)
}

function readBitmaps(bytes: Buffer): readonly number[] {
  if (bytes.readUInt32LE(0) !== MAGIC) throw new Error('vector magic')
  const bitmapCount = Number(bytes.readBigUInt64LE(4))
  const rows: number[] = []
  let at = 12
  for (let bitmap = 0; bitmap < bitmapCount; bitmap += 1) {
    const high = bytes.readUInt32LE(at) * 2 ** 32
    at = readBitmap(bytes, at + 4, high, rows)
  }
  return rows
}

/** Appends one bitmap's rows; returns where it ends. */
function readBitmap(bytes: Buffer, start: number, high: number, rows: number[]): number {
  let at = start
  const cookie = bytes.readUInt32LE(at)
  const hasRuns = (cookie & 0xffff) === COOKIE_WITH_RUNS
  if (!hasRuns && cookie !== COOKIE_PLAIN) throw new Error(`bitmap cookie ${cookie}`)
  const containerCount = hasRuns ? (cookie >>> 16) + 1 : bytes.readUInt32LE(at + 4)
  at += hasRuns ? 4 : 8
  const runFlags = hasRuns ? bytes.subarray(at, at + Math.ceil(containerCount / 8)) : null
  at += runFlags?.length ?? 0
  const heads = Array.from({ length: containerCount }, (_, index) => ({
    base: high + bytes.readUInt16LE(at + index * 4) * 65_536,
    cardinality: bytes.readUInt16LE(at + index * 4 + 2) + 1,
    isRun: runFlags !== null && (((runFlags[index >> 3] ?? 0) >> (index & 7)) & 1) === 1,
  }))
  at += containerCount * 4
  if (!hasRuns || containerCount >= 4) at += containerCount * 4
  for (const head of heads) at = readContainer(bytes, at, head, rows)
  return at
}

function readContainer(
  bytes: Buffer,
  start: number,
  head: { readonly base: number; readonly cardinality: number; readonly isRun: boolean },
  rows: number[],
): number {
  if (head.isRun) {
    const runCount = bytes.readUInt16LE(start)
    for (let run = 0; run < runCount; run += 1) {
      const first = bytes.readUInt16LE(start + 2 + run * 4)
      const extra = bytes.readUInt16LE(start + 4 + run * 4)
      for (let row = first; row <= first + extra; row += 1) rows.push(head.base + row)
    }
    return start + 2 + runCount * 4
  }
  if (head.cardinality <= ARRAY_CARDINALITY_MAX) {
    for (let index = 0; index < head.cardinality; index += 1) {
      rows.push(head.base + bytes.readUInt16LE(start + index * 2))
    }
    return start + head.cardinality * 2
  }
  for (let row = 0; row < 65_536; row += 1) {
    if ((((bytes[start + (row >> 3)] ?? 0) >> (row & 7)) & 1) === 1) rows.push(head.base + row)
  }
  return start + 8_192
}
