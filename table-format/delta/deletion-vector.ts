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
  type Layout,
  layOutBitmap64,
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
export function layOutVector(bitmap: RowBitmap): Layout {
  assert(bitmap.cardinality > 0, 'SLU-BUG-9001', 'an empty deletion vector must not be written')
  const rows = layOutBitmap64(new Map([[0, bitmap]]))
  return {
    sizeBytes: 4 + rows.sizeBytes,
    write: (bytes, at) => rows.write(bytes, bytes.writeUInt32LE(MAGIC, at)),
  }
}

/**
 * Contents → files of at most `bytesMax` each (a single larger vector gets its own), in order. Each
 * byte is written once, where it stays.
 */
export function packVectors(
  contents: readonly Layout[],
  bytesMax = VECTOR_FILE_BYTES_MAX,
): { readonly files: readonly Buffer[]; readonly packed: readonly PackedVector[] } {
  const sizes: number[] = []
  const packed = contents.map(({ sizeBytes }): PackedVector => {
    const frameBytes = sizeBytes + FRAME_OVERHEAD_BYTES
    const size = sizes.at(-1)
    if (size === undefined || size + frameBytes > bytesMax) sizes.push(1)
    const file = sizes.length - 1
    const offset = sizes[file]!
    sizes[file] = offset + frameBytes
    return { file, offset, sizeBytes }
  })
  const files = sizes.map((size) => Buffer.allocUnsafe(size))
  for (const file of files) file[0] = VECTOR_FILE_VERSION
  for (const [index, { file, offset }] of packed.entries()) {
    writeFrame(contents[index]!, files[file]!, offset)
  }
  return { files, packed }
}

function writeFrame(content: Layout, bytes: Buffer, offset: number): void {
  const start = bytes.writeUInt32BE(content.sizeBytes, offset)
  const end = start + content.sizeBytes
  content.write(bytes, start)
  bytes.writeUInt32BE(crc32(bytes.subarray(start, end)), end)
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
