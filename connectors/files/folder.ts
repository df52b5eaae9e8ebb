/** The files of a folder, one by one: how long they are, and whether one is still the same. */

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError, wrapError } from '../../src/model/index.ts'
import { type FilesRoot, openContent, readFully } from './content.ts'
import type { NamePatterns } from './listing.ts'
import { type FilePlace, hashTail } from './place.ts'

/** A folder and the names in it that count. */
export interface Folder extends FilesRoot, NamePatterns {}

/** Files whose sizes are asked for at the same time. */
const SIZES_AT_ONCE = 32

/** Size of a file of the folder; null when it is gone. */
export async function sizeOf(folder: Folder, name: string): Promise<number | null> {
  try {
    return (await stat(join(folder.path, name))).size
  } catch (error) {
    if (isMissing(error)) return null
    throw wrapError(error, 'SLU-SRC-1408', `The file ${name} cannot be read`)
  }
}

/** Calls `use` with every file and its size, -1 for one that is gone. */
export async function eachSize(
  folder: Folder,
  names: AsyncIterable<string> | Iterable<string>,
  use: (name: string, sizeBytes: number) => void,
): Promise<void> {
  let asked: string[] = []
  const tell = async (): Promise<void> => {
    const sizes = await Promise.all(asked.map((name) => sizeOf(folder, name)))
    for (const [index, name] of asked.entries()) use(name, sizes[index] ?? -1)
    asked = []
  }
  for await (const name of names) {
    asked.push(name)
    if (asked.length === SIZES_AT_ONCE) await tell()
  }
  await tell()
}

/** Checks that the bytes before a place are the ones that were read. Throws SLU-SRC-1403. */
export async function checkTail(folder: Folder, place: FilePlace): Promise<void> {
  const { file, fileOffsetBytes, tailBytes, tailHash } = place
  if (file === null || fileOffsetBytes === 0) return
  await using content = await openContent(folder, file, false)
  const bytes = Buffer.alloc(tailBytes)
  const bytesRead = await readFully(content, bytes, fileOffsetBytes - tailBytes)
  if (bytesRead < tailBytes) throw gap(`The file ${file} shrank.`, file)
  if (hashTail(bytes) !== tailHash) {
    throw gap(`The file ${file} changed before byte ${fileOffsetBytes}.`, file)
  }
}

/** The error of a file that is not the one that was read. */
export function gap(message: string, file: string): SluiceError {
  return new SluiceError('SLU-SRC-1403', { message, context: { file } })
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
