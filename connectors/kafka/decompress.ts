/**
 * The codecs of record batches, all bounded: what a batch may grow to is checked before or while it
 * is unpacked, never after.
 * Layouts: gzip (RFC 1952) · snappy, raw or in the frames of xerial (16 bytes of header, then
 * int32 length + raw block each) · LZ4 frames · zstd frames.
 */

import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { compressionsAlgorithms } from '@platformatic/kafka'
import { recordError, type TopicPartition } from './place.ts'

/** How far batches may grow. */
export interface DecompressionLimits {
  /** A batch is never unpacked to more. */
  readonly batchBytesMax: number
  /** Nor to more than so many times its size, where that is above `freeBytes`. */
  readonly ratioMax: number
  readonly freeBytes: number
}

/**
 * Twice what a broker accepts in the largest settings we have met, and the ratio of a batch of
 * equal records: gzip ends at 1032, zstd and snappy at far more and less.
 */
export const DECOMPRESSION_LIMITS: DecompressionLimits = {
  batchBytesMax: 256 * 1024 * 1024,
  ratioMax: 1100,
  freeBytes: 64 * 1024 * 1024,
}

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEADER_BYTES = 16
const LZ4_MAGIC = 0x184d2204
/** A byte of LZ4 stands for 255 bytes at the most. */
const LZ4_RATIO_MAX = 255

type BatchPlace = TopicPartition & { readonly offset: number }

/**
 * The records of a batch, unpacked into memory of their own.
 * Throws SLU-SRC-1514 (unknown codec), SLU-SRC-1515 (too large), SLU-SRC-1516 (not decodable).
 */
export function decompress(
  codec: number,
  packed: Buffer,
  limits: DecompressionLimits,
  place: BatchPlace,
): Buffer {
  const grown = Math.max(limits.freeBytes, packed.length * limits.ratioMax)
  const sizeMax = Math.min(limits.batchBytesMax, grown)
  const unpack = unpackerOf(codec)
  if (unpack === null) {
    throw recordError('SLU-SRC-1514', place, `a batch with codec ${codec}`)
  }
  let unpacked: Buffer | null
  try {
    unpacked = unpack(packed, sizeMax)
  } catch (error) {
    if (isTooLarge(error)) throw tooLarge(packed, sizeMax, place)
    throw recordError('SLU-SRC-1516', place, 'a batch cannot be unpacked', error)
  }
  if (unpacked === null) throw tooLarge(packed, sizeMax, place)
  return unpacked
}

/** Gives null when the result would be larger than allowed. */
type Unpacker = (packed: Buffer, sizeMax: number) => Buffer | null

function unpackerOf(codec: number): Unpacker | null {
  switch (codec) {
    case 1:
      return (packed, sizeMax) => gunzipSync(packed, { maxOutputLength: sizeMax })
    case 2:
      return unpackSnappy
    case 3:
      return unpackLz4
    case 4:
      return (packed, sizeMax) => zstdDecompressSync(packed, { maxOutputLength: sizeMax })
    default:
      return null
  }
}

function unpackSnappy(packed: Buffer, sizeMax: number): Buffer | null {
  if (!packed.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) {
    return unpackSnappyBlock(packed, sizeMax)
  }
  const blocks: Buffer[] = []
  let size = 0
  for (let start = XERIAL_HEADER_BYTES; start < packed.length; ) {
    const end = start + 4 + packed.readUInt32BE(start)
    if (end > packed.length) throw new CodecProblem('a block reaches beyond the batch')
    const block = unpackSnappyBlock(packed.subarray(start + 4, end), sizeMax - size)
    if (block === null) return null
    blocks.push(block)
    size += block.length
    start = end
  }
  return blocks.length === 1 ? (blocks[0] as Buffer) : Buffer.concat(blocks, size)
}

/** A raw block begins with the size of what it holds, as a varint. */
function unpackSnappyBlock(block: Buffer, sizeMax: number): Buffer | null {
  let size = 0
  for (let index = 0, byte = 0x80; byte >= 0x80; index++) {
    if (index === 5 || index === block.length) throw new CodecProblem('no size before the block')
    byte = block[index] as number
    size += (byte & 0x7f) * 2 ** (7 * index)
  }
  if (size > sizeMax) return null
  const unpacked = compressionsAlgorithms.snappy.decompressSync(block) as Buffer
  if (unpacked.length !== size) throw new CodecProblem('a block of another size than it says')
  return unpacked
}

function unpackLz4(packed: Buffer, sizeMax: number): Buffer | null {
  if (lz4SizeBound(packed) > sizeMax) return null
  const unpacked = compressionsAlgorithms.lz4.decompressSync(packed) as Buffer
  return unpacked.length > sizeMax ? null : unpacked
}

/**
 * Walks the blocks of the one frame: what they may hold at the most. The decoder itself knows no
 * limit, and takes a frame that ends early for a whole one.
 * Layout: magic · flags · block size (bits 4-6: 4 is 64 KiB, each more times 4) · content size if
 * flag 3 · dictionary id if flag 0 · header checksum · blocks of uint32 size, bytes, checksum if
 * flag 4 · zero · content checksum if flag 2.
 */
function lz4SizeBound(packed: Buffer): number {
  if (packed.readUInt32LE(0) !== LZ4_MAGIC) throw new CodecProblem('no LZ4 frame')
  const flags = packed.readUInt8(4)
  const blockBytesMax = 2 ** (8 + 2 * ((packed.readUInt8(5) >> 4) & 7))
  let position = 7 + ((flags & 0b1000) === 0 ? 0 : 8) + ((flags & 1) === 0 ? 0 : 4)
  let bound = 0
  for (;;) {
    const field = packed.readUInt32LE(position)
    position += 4
    if (field === 0) break
    const size = field & 0x7fff_ffff
    const isPacked = field === size
    bound += isPacked ? Math.min(blockBytesMax, size * LZ4_RATIO_MAX) : size
    position += size + ((flags & 0b1_0000) === 0 ? 0 : 4)
  }
  const end = position + ((flags & 0b100) === 0 ? 0 : 4)
  if (end !== packed.length) throw new CodecProblem('the LZ4 frame does not end with the batch')
  return bound
}

/** What is wrong with packed bytes; never leaves this file. */
class CodecProblem extends Error {}

function isTooLarge(error: unknown): boolean {
  const code = (error as { readonly code?: unknown }).code
  return error instanceof RangeError && code === 'ERR_BUFFER_TOO_LARGE'
}

function tooLarge(packed: Buffer, sizeMax: number, place: BatchPlace): Error {
  const message = `a batch of ${packed.length} bytes unpacks to more than ${sizeMax}`
  return recordError('SLU-SRC-1515', place, message)
}
