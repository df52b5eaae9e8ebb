/**
 * Deletion vectors byte by byte (PROTOCOL.md, "Deletion Vector Format" and "File Storage Format").
 *
 *   file    0x01 · frame · frame · …            descriptor.offset points at a frame
 *   frame   u32 BE size of content · content · u32 BE CRC-32 of content
 *   content u32 LE 1681511377 · 64-bit portable bitmap     descriptor.sizeInBytes = size of content
 *   inline  Z85 of content, padded with zeros to a multiple of four
 *
 * Only positions below 2^32 exist here, so the bitmap has the one bucket 0.
 */

import { crc32 } from 'node:zlib'
import { assert, type DeletionVectorDescriptor, SluiceError } from '../../src/model/index.ts'
import { vectorPath } from './log-path.ts'
import {
  BitmapFault,
  decodeBitmap64,
  EMPTY_ROWS,
  encodeBitmap64,
  type RowBitmap,
} from './row-bitmap.ts'
import { decodeZ85 } from './z85.ts'

/** Version byte of a vector file. */
export const VECTOR_FILE_VERSION = 0x01
/** Readers fetch the whole file for each of its vectors, so files stay small. */
export const VECTOR_FILE_BYTES_MAX = 2 * 1024 * 1024
/** Length and checksum around the content. */
export const FRAME_OVERHEAD_BYTES = 8

const MAGIC = 1681511377

/** Where a vector stands in a packed file. */
export interface PackedVector {
  readonly file: number
  readonly offset: number
  readonly sizeBytes: number
}

/** Bitmap → content. An empty one is never written: a file without deleted rows has no vector. */
export function encodeVector(bitmap: RowBitmap): Buffer {
  assert(bitmap.cardinality > 0, 'SLU-BUG-9001', 'an empty deletion vector must not be written')
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(MAGIC)
  return Buffer.concat([magic, encodeBitmap64(new Map([[0, bitmap]]))])
}

/** Content → frame. */
export function encodeFrame(content: Buffer): Buffer {
  const frame = Buffer.alloc(content.length + FRAME_OVERHEAD_BYTES)
  frame.writeUInt32BE(content.length, 0)
  content.copy(frame, 4)
  frame.writeUInt32BE(crc32(content), content.length + 4)
  return frame
}

/** Contents → files of at most `bytesMax` each (a single larger vector gets its own), in order. */
export function packVectors(
  contents: readonly Buffer[],
  bytesMax = VECTOR_FILE_BYTES_MAX,
): { readonly files: readonly Buffer[]; readonly packed: readonly PackedVector[] } {
  const files: Buffer[][] = []
  const packed: PackedVector[] = []
  let offset = 0
  for (const content of contents) {
    const frame = encodeFrame(content)
    if (files.length === 0 || offset + frame.length > bytesMax) {
      files.push([Buffer.of(VECTOR_FILE_VERSION)])
      offset = 1
    }
    packed.push({ file: files.length - 1, offset, sizeBytes: content.length })
    files[files.length - 1]!.push(frame)
    offset += frame.length
  }
  return { files: files.map((parts) => Buffer.concat(parts)), packed }
}

/** Frame → bitmap, everything checked. Throws SLU-TAB-3002. */
export function decodeFrame(frame: Buffer, descriptor: DeletionVectorDescriptor): RowBitmap {
  const size = frame.length >= 4 ? frame.readUInt32BE(0) : -1
  if (size !== descriptor.sizeBytes || frame.length !== size + FRAME_OVERHEAD_BYTES) {
    throw corrupt(descriptor, `its size is ${size} and not ${descriptor.sizeBytes}`)
  }
  const content = frame.subarray(4, 4 + size)
  if (crc32(content) !== frame.readUInt32BE(4 + size)) throw corrupt(descriptor, 'wrong checksum')
  return decodeContent(content, descriptor)
}

/** Inline vector → bitmap. Throws SLU-TAB-3002. */
export function decodeInline(descriptor: DeletionVectorDescriptor): RowBitmap {
  const bytes = decodeZ85(descriptor.pathOrInline)
  if (bytes === null || bytes.length < descriptor.sizeBytes) {
    throw corrupt(descriptor, 'the inline text is not Z85 of that size')
  }
  return decodeContent(bytes.subarray(0, descriptor.sizeBytes), descriptor)
}

/** The error for a vector that is not what its descriptor says. */
export function corrupt(descriptor: DeletionVectorDescriptor, reason: string): SluiceError {
  const { storageType, pathOrInline, offset } = descriptor
  const path = storageType === 'u' ? vectorPath(pathOrInline) : null
  const file = storageType === 'i' ? 'in the log' : (path ?? pathOrInline)
  const place = offset === null ? file : `${file} at byte ${offset}`
  return new SluiceError('SLU-TAB-3002', {
    message: `the deletion vector ${place}: ${reason}`,
    context: { storageType, pathOrInline, offset },
  })
}

function decodeContent(content: Buffer, descriptor: DeletionVectorDescriptor): RowBitmap {
  if (content.length < 4 || content.readUInt32LE(0) !== MAGIC) {
    throw corrupt(descriptor, 'wrong magic number')
  }
  const bitmap = decodeRows(content.subarray(4), descriptor)
  if (bitmap.cardinality !== descriptor.cardinality) {
    const found = `${bitmap.cardinality} rows and not ${descriptor.cardinality}`
    throw corrupt(descriptor, `it holds ${found}`)
  }
  return bitmap
}

function decodeRows(bytes: Buffer, descriptor: DeletionVectorDescriptor): RowBitmap {
  try {
    let rows = EMPTY_ROWS
    for (const [high, bitmap] of decodeBitmap64(bytes)) {
      if (high === 0) rows = bitmap
      else if (bitmap.cardinality > 0) throw new BitmapFault('it holds a row beyond 2^32')
    }
    return rows
  } catch (error) {
    if (error instanceof BitmapFault) throw corrupt(descriptor, error.reason)
    throw error
  }
}
