/**
 * Reads a folder from a place on: whole lines as blocks, file after file, then, when following, as
 * they come.
 */

import type { SourceBlock } from '../../src/contracts/index.ts'
import { readFile } from './file-reader.ts'
import { checkTail, type Folder, gap, sizeOf } from './folder.ts'
import type { FolderRead, Progress } from './parts.ts'
import { afterLateFile, type FolderPlace, lateFile, nextFile, readBytes } from './place.ts'
import { openReadingOrder } from './reading-order.ts'
import { packingOf } from './unpack.ts'

/** A file and how long it was when it had been read whole. */
interface FileDone {
  readonly name: string
  readonly sizeBytes: number
}

/**
 * Yields blocks from `place` on, in order; each is a transaction of its own.
 * Throws SLU-SRC-1401, 1403, 1404, 1408, 1409, and 1405 to 1407, 1410 and 1412 to 1414 after
 * everything before the bad record was yielded.
 */
export async function* readFolder(read: FolderRead): AsyncGenerator<SourceBlock> {
  const opened = await openReadingOrder(read, read.place)
  await using order = opened.order
  const progress: Progress = {
    place: opened.place,
    position: read.position,
    modifiedAtMs: 0,
    spare: [],
  }
  await checkTail(read.folder, progress.place)
  if (progress.place.waiting !== undefined) await checkTail(read.folder, progress.place.waiting)
  let done: FileDone | null = null
  let lastSize: number | null = null
  while (!read.signal.aborted) {
    const late = progress.place.waiting === undefined ? order.takeLate() : null
    if (late !== null) {
      progress.place = lateFile(progress.place, late)
      lastSize = null
    }
    const { file, waiting } = progress.place
    const next = await order.next(progress.place)
    const isFollowed = next !== null || waiting !== undefined
    let stands = true
    if (file !== null) {
      const size: number | null = lastSize === null ? null : await sizeOf(read.folder, file)
      // The last line may lack its LF because it is being written. It counts as whole when the read
      // is finite, or when a later file is there and this one has stopped growing.
      stands = size !== null && size === lastSize
      const takeTail: boolean = read.follow === null || (isFollowed && stands)
      if (!stands || takeTail || packingOf(file) === null) {
        lastSize = yield* readFile(read, progress, file, takeTail)
      }
      if (read.signal.aborted) return
    }
    // Nothing tells that a late file is whole but that it stands still.
    const isOver = waiting === undefined || read.follow === null || stands
    if (isFollowed && isOver && (await isReadWhole(read.folder, progress.place))) {
      if (file !== null) done = { name: file, sizeBytes: readBytes(progress.place) }
      progress.place = placeAfter(progress.place, next)
      lastSize = null
      continue
    }
    // A file that grew while it was read finitely: what comes after it must wait for the rest of
    // it.
    if (isFollowed && read.follow === null) continue
    read.onEnd(progress.position)
    if (read.follow === null) return
    await read.follow.clock.sleep(read.follow.pollIntervalMs, read.signal)
    if (read.signal.aborted) return
    progress.place = await order.look(progress.place)
    await checkDone(read.folder, done)
  }
}

/** The place behind a file that was read whole: that of the next one, or back from a late one. */
function placeAfter(place: FolderPlace, next: string | null): FolderPlace {
  if (place.waiting !== undefined) return afterLateFile(place, place.waiting)
  return next === null ? place : nextFile(place, next)
}

async function isReadWhole(folder: Folder, place: FolderPlace): Promise<boolean> {
  if (place.file === null) return true
  // What a packed file holds says nothing of its size.
  const isAtEnd = packingOf(place.file) === null || place.packedBytes !== undefined
  if (!isAtEnd || place.row !== undefined) return false
  return (await sizeOf(folder, place.file)) === readBytes(place)
}

/** The file that was read last is the likeliest to be written to by mistake. */
async function checkDone(folder: Folder, done: FileDone | null): Promise<void> {
  if (done === null || (await sizeOf(folder, done.name)) === done.sizeBytes) return
  throw gap(`The file ${done.name} is not as long as it was when it had been read.`, done.name)
}
