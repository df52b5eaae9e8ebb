/**
 * The bytes of a file as its records have them: unpacked where the name says that it is packed.
 * Packed files are read from front to back, in bounded memory.
 */

import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { isSluiceError, SluiceError, wrapError } from '../../src/model/index.ts'
import { packingOf, type Unpacked, unpack } from './unpack.ts'

/** Where files are, and how they may be packed. */
export interface FilesRoot {
  readonly path: string
  /** Bytes that one byte of a packed file may become, at most. */
  readonly unpackRatioMax: number
}

/** An open file. */
export interface FileContent extends AsyncDisposable {
  readonly name: string
  /** Size of the file as it lies there, packed or not, when it was opened. */
  readonly sizeBytes: number
  readonly isPacked: boolean
  /** When it was modified last, epoch milliseconds, as of its opening. */
  readonly modifiedAtMs: number
  /**
   * Fills `target` with the bytes from `position` on; 0 at the end. Throws SLU-SRC-1408, and 1413
   * or 1414 for a packed file.
   */
  read(target: Buffer, position: number): Promise<number>
  /**
   * Of a packed file whose end was reached: how many bytes it holds, and whether it breaks off
   * there and may still be written.
   */
  readonly end: { readonly bytes: number; readonly isCut: boolean } | null
}

/**
 * Opens a file. `isWhole`: nothing more is to be written to it, so a packed file that
 * breaks off is damaged. Throws SLU-SRC-1403 when it is gone, SLU-SRC-1408 otherwise.
 */
export async function openContent(
  root: FilesRoot,
  name: string,
  isWhole: boolean,
): Promise<FileContent> {
  const handle = await openHandle(root, name)
  try {
    const { size, mtimeMs } = await handle.stat()
    const opened = { name, handle, sizeBytes: size, modifiedAtMs: Math.floor(mtimeMs) }
    const packing = packingOf(name)
    if (packing === null) return plainContent(opened)
    const { unpackRatioMax: ratioMax } = root
    const open = (): Unpacked => unpack({ name, handle, sizeBytes: size, packing, ratioMax })
    return packedContent(opened, open, isWhole)
  } catch (error) {
    await handle.close()
    throw wrapError(error, 'SLU-SRC-1408', `The file ${name} cannot be read`)
  }
}

/** Fills `target` from `position` on, as far as the file goes. Returns the number of bytes. */
export async function readFully(
  content: FileContent,
  target: Buffer,
  position: number,
): Promise<number> {
  let filled = 0
  while (filled < target.length) {
    const bytesRead = await content.read(target.subarray(filled), position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

async function openHandle(root: FilesRoot, name: string): Promise<FileHandle> {
  try {
    return await open(join(root.path, name), 'r')
  } catch (error) {
    const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    throw isGone
      ? new SluiceError('SLU-SRC-1403', {
          message: `The file ${name} vanished.`,
          context: { file: name },
        })
      : wrapError(error, 'SLU-SRC-1408', `The file ${name} cannot be read`)
  }
}

/** What is known of a file when it is opened. */
interface Opened extends Pick<FileContent, 'name' | 'sizeBytes' | 'modifiedAtMs'> {
  readonly handle: FileHandle
}

function plainContent({ name, handle, sizeBytes, modifiedAtMs }: Opened): FileContent {
  return {
    name,
    sizeBytes,
    modifiedAtMs,
    isPacked: false,
    end: null,
    read: async (target, position) => {
      // What is appended meanwhile waits for the next opening: there is an end without asking.
      const length = Math.min(target.length, sizeBytes - position)
      if (length <= 0) return 0
      try {
        return (await handle.read(target, 0, length, position)).bytesRead
      } catch (error) {
        throw wrapError(error, 'SLU-SRC-1408', `The file ${name} cannot be read`)
      }
    },
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

const NOTHING = Buffer.alloc(0)

/** Reading on goes on; reading what lies behind begins at the front again. */
function packedContent(
  { name, handle, sizeBytes, modifiedAtMs }: Opened,
  open: () => Unpacked,
  isWhole: boolean,
): FileContent {
  let unpacked = open()
  let chunk: Buffer = NOTHING
  let chunkPosition = 0
  let end: FileContent['end'] = null
  const next = async (): Promise<Buffer | null> => {
    try {
      const found = await unpacked.next()
      if (found.done === true) end = { bytes: chunkPosition, isCut: false }
      return found.done === true ? null : found.value
    } catch (error) {
      if (isWhole || !isSluiceError(error, 'SLU-SRC-1413') || error.context.isCut !== true) {
        throw error
      }
      end = { bytes: chunkPosition, isCut: true }
      return null
    }
  }
  return {
    name,
    sizeBytes,
    modifiedAtMs,
    isPacked: true,
    get end() {
      return end
    },
    read: async (target, position) => {
      if (position < chunkPosition) {
        await unpacked.return(undefined)
        unpacked = open()
        chunk = NOTHING
        chunkPosition = 0
        end = null
      }
      while (position >= chunkPosition + chunk.length) {
        chunkPosition += chunk.length
        chunk = NOTHING
        const found = end === null ? await next() : null
        if (found === null) return 0
        chunk = found
      }
      return chunk.copy(target, 0, position - chunkPosition)
    },
    [Symbol.asyncDispose]: async () => {
      await unpacked.return(undefined)
      await handle.close()
    },
  }
}
