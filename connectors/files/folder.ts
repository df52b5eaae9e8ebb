/** The files of a folder: which there are, and whether those read before are still the same. */

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError, wrapError } from '../../src/model/index.ts'
import { type FilesRoot, openContent, readFully } from './content.ts'
import { indexOfName, type NamePatterns } from './listing.ts'
import { type FolderPlace, hashFiles, hashTail } from './place.ts'

/** A folder and the names in it that count. */
export interface Folder extends FilesRoot, NamePatterns {}

/** Size of a file of the folder; null when it is gone. */
export async function sizeOf(folder: Folder, name: string): Promise<number | null> {
  try {
    return (await stat(join(folder.path, name))).size
  } catch (error) {
    if (isMissing(error)) return null
    throw wrapError(error, 'SLU-SRC-1408', `The file ${name} cannot be read`)
  }
}

/**
 * Checks that a folder still holds what lies before `place`. Throws SLU-SRC-1403 when a file read
 * before changed, shrank or vanished, SLU-SRC-1404 when a file appeared before the place.
 */
export async function checkPlace(
  folder: Folder,
  names: readonly string[],
  place: FolderPlace,
): Promise<void> {
  const { file } = place
  if (file === null) return
  const index = indexOfName(names, file)
  if (names[index] !== file) throw gap(`The file ${file} vanished.`, file)
  const before = names.slice(0, index)
  checkBefore(before.length, place)
  const files = []
  for (const name of before) files.push({ name, sizeBytes: (await sizeOf(folder, name)) ?? -1 })
  if (hashFiles(files) !== place.filesBeforeHash) {
    throw gap(`A file before ${file} is not the one that was read: name or size differ.`, file)
  }
  await checkTail(folder, file, place)
}

/** Compares how many files lie before the place with how many were read. */
export function checkBefore(count: number, place: FolderPlace): void {
  if (count > place.filesBefore) {
    throw new SluiceError('SLU-SRC-1404', {
      message: `Before ${place.file} lie ${count} files; ${place.filesBefore} of them were read.`,
      context: { file: place.file, files: count, filesRead: place.filesBefore },
    })
  }
  if (count < place.filesBefore) {
    throw gap(
      `Before ${place.file} lie ${count} files; ${place.filesBefore} were read there.`,
      place.file ?? '',
    )
  }
}

async function checkTail(folder: Folder, file: string, place: FolderPlace): Promise<void> {
  const { fileOffsetBytes, tailBytes, tailHash } = place
  if (fileOffsetBytes === 0) return
  await using content = await openContent(folder, file, false)
  const bytes = Buffer.alloc(tailBytes)
  const bytesRead = await readFully(content, bytes, fileOffsetBytes - tailBytes)
  if (bytesRead < tailBytes) throw gap(`The file ${file} shrank.`, file)
  if (hashTail(bytes) !== tailHash) {
    throw gap(`The file ${file} changed before byte ${fileOffsetBytes}.`, file)
  }
}

function gap(message: string, file: string): SluiceError {
  return new SluiceError('SLU-SRC-1403', { message, context: { file } })
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
