/**
 * Packed files as streams of bytes: gzip and zstd, member after member, in bounded memory.
 */

import type { FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { constants, createGunzip, createZstdDecompress, type Gunzip } from 'node:zlib'
import { SluiceError, wrapError } from '../../src/model/index.ts'

/** How a file is packed. */
export type Packing = 'gzip' | 'zstd'

/** Names of packed files end so. */
export const PACKED_ENDINGS: Readonly<Record<string, Packing>> = { '.gz': 'gzip', '.zst': 'zstd' }

/** A packed file. */
export interface PackedFile {
  readonly name: string
  readonly handle: FileHandle
  /** Bytes of the file that are read, whatever is written to it meanwhile. */
  readonly sizeBytes: number
  readonly packing: Packing
  /** Bytes that one byte of the file may become, at most. */
  readonly ratioMax: number
}

/** The bytes of a packed file, from its first one on. */
export type Unpacked = AsyncGenerator<Buffer, void, undefined>

/** Bytes that are unpacked before the ratio counts: small files may be as regular as they like. */
export const RATIO_FREE_BYTES = 64 * 1024 * 1024
/** Bytes of a chunk, at most. */
const CHUNK_BYTES = 256 * 1024
/** Packed bytes that are read ahead. */
const READ_BYTES = 256 * 1024
/** Bytes behind a member that are looked at at once. */
const ZEROS_READ_BYTES = 4096
/** Largest window of a zstd frame: 128 MiB, as the format's own tool takes without being asked. */
const WINDOW_LOG_MAX = 27

/** How a file of this name is packed; null when it is not. */
export function packingOf(name: string): Packing | null {
  const ending = Object.keys(PACKED_ENDINGS).find((end) => name.endsWith(end))
  return ending === undefined ? null : (PACKED_ENDINGS[ending] as Packing)
}

/**
 * Unpacks a file. Zeros between and behind members are padding. Throws SLU-SRC-1413 for a file
 * that is damaged, with `isCut` in its context when it only breaks off; 1414 for one that unpacks
 * to more than the ratio allows; 1408 when it cannot be read.
 */
export async function* unpack(file: PackedFile): Unpacked {
  let unpackedBytes = 0
  for (let from = 0; from < file.sizeBytes; from = await skipZeros(file, from)) {
    const decoder = createDecoder(file.packing)
    const source = Readable.from(packedBytes(file, from), { objectMode: false })
    source.on('error', (error) => decoder.destroy(error))
    source.pipe(decoder)
    try {
      for await (const chunk of decoder) {
        unpackedBytes += (chunk as Buffer).length
        assertRatio(file, from + decoder.bytesWritten, unpackedBytes)
        yield chunk as Buffer
      }
    } catch (error) {
      throw damage(error, file)
    } finally {
      source.destroy()
      decoder.destroy()
    }
    from += decoder.bytesWritten
  }
}

/** The file as it lies there, from a place on. */
async function* packedBytes(file: PackedFile, from: number): AsyncGenerator<Buffer> {
  for (let at = from; at < file.sizeBytes; ) {
    const bytes = Buffer.allocUnsafe(Math.min(READ_BYTES, file.sizeBytes - at))
    const bytesRead = await readPacked(file, bytes, at)
    if (bytesRead === 0) return
    yield bytes.subarray(0, bytesRead)
    at += bytesRead
  }
}

async function readPacked(
  { handle, name }: PackedFile,
  target: Buffer,
  position: number,
): Promise<number> {
  try {
    return (await handle.read(target, 0, target.length, position)).bytesRead
  } catch (error) {
    throw wrapError(error, 'SLU-SRC-1408', `The file ${name} cannot be read`)
  }
}

function createDecoder(packing: Packing): Gunzip {
  if (packing === 'gzip') return createGunzip({ chunkSize: CHUNK_BYTES })
  const params = { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX }
  return createZstdDecompress({ chunkSize: CHUNK_BYTES, params })
}

function assertRatio({ name, ratioMax }: PackedFile, packedBytes: number, bytes: number): void {
  if (bytes <= RATIO_FREE_BYTES || bytes <= packedBytes * ratioMax) return
  throw new SluiceError('SLU-SRC-1414', {
    message: `The first ${packedBytes} bytes of ${name} unpack to more than ${bytes} bytes.`,
    context: { file: name, packedBytes, unpackedBytes: bytes, ratioMax },
  })
}

/** The place of the first byte from `from` on that is not zero; the end when all are. */
async function skipZeros(file: PackedFile, from: number): Promise<number> {
  const { sizeBytes } = file
  const bytes = Buffer.alloc(ZEROS_READ_BYTES)
  let at = from
  while (at < sizeBytes) {
    const wanted = Math.min(bytes.length, sizeBytes - at)
    const bytesRead = await readPacked(file, bytes.subarray(0, wanted), at)
    const found = bytes.subarray(0, bytesRead).findIndex((byte) => byte !== 0)
    if (found >= 0) return at + found
    if (bytesRead === 0) return sizeBytes
    at += bytesRead
  }
  return at
}

function damage(error: unknown, { name, packing }: PackedFile): unknown {
  if (error instanceof SluiceError) return error
  const isCut = error instanceof Error && 'code' in error && error.code === 'Z_BUF_ERROR'
  const detail = error instanceof Error ? error.message : String(error)
  return new SluiceError('SLU-SRC-1413', {
    message: isCut
      ? `The file ${name} breaks off: the end of its last ${packing} member is missing.`
      : `The file ${name} cannot be unpacked as ${packing}: ${detail}.`,
    context: { file: name, isCut },
    cause: error,
  })
}
