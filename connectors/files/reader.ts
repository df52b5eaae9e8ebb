/**
 * Reads a folder from a place on: whole lines as blocks, file after file, then, when following, as
 * they come.
 */

import type { SourceBlock } from '../../src/contracts/index.ts'
import { readFile } from './file-reader.ts'
import { checkBefore, checkPlace, type Folder, sizeOf } from './folder.ts'
import { indexOfName, listNames } from './listing.ts'
import type { FolderRead, Progress } from './parts.ts'
import { type FolderPlace, nextFile, readBytes } from './place.ts'
import { packingOf } from './unpack.ts'

/** A file before the current one; its size when it was read in this session. */
interface FileRead {
  readonly name: string
  readonly sizeBytes?: number
}

/**
 * Yields blocks from `place` on, in order; each is a transaction of its own.
 * Throws SLU-SRC-1401, 1403, 1404, 1408, 1409, and 1405 to 1407, 1410 and 1412 to 1414 after
 * everything before the bad record was yielded.
 */
export async function* readFolder(read: FolderRead): AsyncGenerator<SourceBlock> {
  const progress: Progress = { place: read.place, position: read.position, spare: [] }
  let names = await listNames(read.folder)
  await checkPlace(read.folder, names, read.place)
  const before: FileRead[] = namesBefore(names, read.place.file).map((name) => ({ name }))
  let lastSize: number | null = null
  while (!read.signal.aborted) {
    const { file } = progress.place
    const next = file === null ? names[0] : names[indexOfName(names, file) + 1]
    if (file !== null) {
      const size = await sizeOf(read.folder, file)
      // The last line may lack its LF because it is being written. It counts as whole when the read
      // is finite, or when a later file is there and this one has stopped growing.
      const stands = size === lastSize
      const takeTail = read.follow === null || (next !== undefined && stands)
      lastSize = size
      if (!stands || takeTail || packingOf(file) === null) {
        yield* readFile(read, progress, file, takeTail)
      }
      if (read.signal.aborted) return
    }
    if (next !== undefined && (await isReadWhole(read.folder, progress.place))) {
      if (file !== null) before.push({ name: file, sizeBytes: readBytes(progress.place) })
      progress.place = nextFile(progress.place, next)
      lastSize = null
      continue
    }
    // A file that grew while it was read finitely: what comes after it must wait for the rest of
    // it.
    if (next !== undefined && read.follow === null) continue
    read.onEnd(progress.position)
    if (read.follow === null) return
    await read.follow.clock.sleep(read.follow.pollIntervalMs, read.signal)
    if (read.signal.aborted) return
    names = await listNames(read.folder)
    await checkNames(read.folder, names, before, progress.place)
  }
}

async function isReadWhole(folder: Folder, place: FolderPlace): Promise<boolean> {
  if (place.file === null) return true
  // What a packed file holds says nothing of its size.
  const isAtEnd = packingOf(place.file) === null || place.packedBytes !== undefined
  if (!isAtEnd || place.row !== undefined) return false
  return (await sizeOf(folder, place.file)) === readBytes(place)
}

function namesBefore(names: readonly string[], file: string | null): readonly string[] {
  return file === null ? [] : names.slice(0, indexOfName(names, file))
}

/** Checks a later listing against what was read since `checkPlace`. */
async function checkNames(
  folder: Folder,
  names: readonly string[],
  before: readonly FileRead[],
  place: FolderPlace,
): Promise<void> {
  if (place.file === null) return
  const found = namesBefore(names, place.file)
  checkBefore(found.length, place)
  const isSame = found.every((name, index) => name === before[index]?.name)
  if (!isSame || names[found.length] !== place.file) return checkPlace(folder, names, place)
  // The file before this one is the likeliest to be written to by mistake; the others are checked
  // on resume.
  const last = before.at(-1)
  if (last?.sizeBytes === undefined) return
  if ((await sizeOf(folder, last.name)) !== last.sizeBytes) await checkPlace(folder, names, place)
}
