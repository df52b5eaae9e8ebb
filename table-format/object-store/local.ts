/** The object store on a local folder. */

import type { FileHandle } from 'node:fs/promises'
import {
  access,
  constants,
  copyFile,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
} from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Clock, ObjectEntry, ObjectStore } from '../../src/contracts/index.ts'
import { SluiceError } from '../../src/model/index.ts'
import { isMissing, readError, systemCode, writeError } from './file-error.ts'
import { checkObjectPath, compareObjectPaths, RESERVED_NAME } from './path.ts'

/**
 * Unfinished writes of killed processes are removed after this long: far above any write's
 * duration.
 */
const LEFTOVER_AGE_MS = 24 * 60 * 60 * 1000

/**
 * Opens a folder as an object store; the folder is made by the first write. Objects are written
 * to a temporary file, made durable, and linked or renamed into place, so none is ever seen in
 * part.
 * Throws SLU-STO-2001 when `folder` is not a folder.
 */
export async function createLocalObjectStore(folder: string, clock: Clock): Promise<ObjectStore> {
  const root = resolve(folder)
  await checkFolder(root)
  return new LocalObjectStore(root, clock)
}

class LocalObjectStore implements ObjectStore {
  readonly url: string
  readonly #root: string
  readonly #clock: Clock
  #swept = false

  constructor(root: string, clock: Clock) {
    this.#root = root
    this.#clock = clock
    this.url = pathToFileURL(root).href
  }

  async get(path: string): Promise<Buffer | null> {
    const file = this.#file(path)
    try {
      return await readFile(file)
    } catch (error) {
      if (isMissing(error) || systemCode(error) === 'EISDIR') return null
      throw readError(error, file)
    }
  }

  async getRange(path: string, offset: number, length: number): Promise<Buffer> {
    const file = this.#file(path)
    let handle: FileHandle
    try {
      handle = await open(file, 'r')
    } catch (error) {
      if (!isMissing(error)) throw readError(error, file)
      throw new SluiceError('SLU-STO-2005', { message: `no object ${path}`, context: { path } })
    }
    try {
      return await readFully({ handle, path, offset, length })
    } catch (error) {
      throw readError(error, file)
    } finally {
      await handle.close()
    }
  }

  async head(path: string): Promise<ObjectEntry | null> {
    const file = this.#file(path)
    const entry = await entryOf(file, path)
    if (entry !== null) await checkReadable(file)
    return entry
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    const file = this.#file(path)
    try {
      const temporary = await this.#writeTemporary(file, bytes)
      await rename(temporary, file)
      await syncFolder(dirname(file))
    } catch (error) {
      throw writeError(error, file)
    }
  }

  async putIfAbsent(path: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    const file = this.#file(path)
    try {
      const temporary = await this.#writeTemporary(file, bytes)
      const created = await linkIfAbsent(temporary, file)
      await unlink(temporary)
      if (created) await syncFolder(dirname(file))
      return created ? 'created' : 'exists'
    } catch (error) {
      throw writeError(error, file)
    }
  }

  async putFile(path: string, localPath: string): Promise<void> {
    const file = this.#file(path)
    try {
      await makeFolder(dirname(file))
      await syncFile(localPath)
      await moveFile(localPath, file, () => this.#temporaryBeside(file))
      await syncFolder(dirname(file))
    } catch (error) {
      throw writeError(error, file)
    }
  }

  async *list(prefix: string, startAfter = ''): AsyncIterable<ObjectEntry> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    if (folder !== '') checkObjectPath(folder.slice(0, -1))
    yield* this.#walk(folder, { prefix, startAfter })
  }

  async delete(path: string): Promise<void> {
    const file = this.#file(path)
    try {
      await rm(file, { force: true })
    } catch (error) {
      if (!isMissing(error)) throw writeError(error, file)
    }
  }

  readUrl(path: string): string {
    return this.#file(path)
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #file(path: string): string {
    checkObjectPath(path)
    return join(this.#root, path)
  }

  /** Makes the folders of `file` and a durable temporary file with the bytes. */
  async #writeTemporary(file: string, bytes: Uint8Array): Promise<string> {
    await makeFolder(dirname(file))
    const temporary = await this.#temporaryFor(file)
    const handle = await open(temporary, 'wx')
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    } finally {
      await handle.close()
    }
    return temporary
  }

  /**
   * In one folder of the root, for easy sweeping; beside the target where that is another device.
   */
  async #temporaryFor(file: string): Promise<string> {
    const folder = join(this.#root, RESERVED_NAME)
    await makeFolder(folder)
    if (!this.#swept) {
      this.#swept = true
      await sweepLeftovers(folder, this.#clock.nowMs() - LEFTOVER_AGE_MS)
    }
    const [here, there] = await Promise.all([stat(folder), stat(dirname(file))])
    return here.dev === there.dev ? join(folder, this.#clock.uuid()) : this.#temporaryBeside(file)
  }

  #temporaryBeside(file: string): string {
    return join(dirname(file), `${RESERVED_NAME}-${this.#clock.uuid()}`)
  }

  /** Depth first in byte order of whole paths; `folder` is empty or ends in a slash. */
  async *#walk(
    folder: string,
    bounds: { readonly prefix: string; readonly startAfter: string },
  ): AsyncIterable<ObjectEntry> {
    for (const path of await childPaths(join(this.#root, folder), folder)) {
      if (path.endsWith('/')) {
        if (mayHold(path, bounds)) yield* this.#walk(path, bounds)
        continue
      }
      if (!path.startsWith(bounds.prefix)) continue
      if (compareObjectPaths(path, bounds.startAfter) <= 0) continue
      const entry = await entryOf(join(this.#root, path), path)
      if (entry !== null) yield entry
    }
  }
}

/** True when an object below `folder` can have the prefix and lie after the start. */
function mayHold(
  folder: string,
  bounds: { readonly prefix: string; readonly startAfter: string },
): boolean {
  const { prefix, startAfter } = bounds
  if (!folder.startsWith(prefix) && !prefix.startsWith(folder)) return false
  return startAfter.startsWith(folder) || compareObjectPaths(folder, startAfter) > 0
}

/** Paths of the children, folders ending in a slash, in byte order; reserved names left out. */
async function childPaths(directory: string, folder: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    const paths: string[] = []
    for (const entry of entries) {
      if (entry.name.startsWith(RESERVED_NAME)) continue
      const isFolder =
        entry.isDirectory() ||
        (entry.isSymbolicLink() && (await isDirectory(join(directory, entry.name))))
      paths.push(folder + entry.name + (isFolder ? '/' : ''))
    }
    return paths.sort(compareObjectPaths)
  } catch (error) {
    if (isMissing(error)) return []
    throw readError(error, directory)
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

async function entryOf(file: string, path: string): Promise<ObjectEntry | null> {
  try {
    const found = await stat(file)
    if (!found.isFile()) return null
    return { path, sizeBytes: found.size, modificationTimeMs: Math.floor(found.mtimeMs) }
  } catch (error) {
    if (isMissing(error)) return null
    throw readError(error, file)
  }
}

/** The engine reads by itself and does not tell a missing right from a broken disk. */
async function checkReadable(file: string): Promise<void> {
  try {
    await access(file, constants.R_OK)
  } catch (error) {
    throw readError(error, file)
  }
}

async function checkFolder(root: string): Promise<void> {
  try {
    if ((await stat(root)).isDirectory()) return
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw writeError(error, root)
  }
  throw new SluiceError('SLU-STO-2001', { message: `${root} is not a folder`, context: { root } })
}

/**
 * Makes a folder and its parents, each durable in its own parent. Not `mkdir` with `recursive`,
 * which never returns where a file system answers ENOENT for good, as /proc does.
 */
async function makeFolder(folder: string): Promise<void> {
  if ((await tryMakeFolder(folder)) !== 'no-parent') return
  await makeFolder(dirname(folder))
  if ((await tryMakeFolder(folder)) !== 'no-parent') return
  throw new SluiceError('SLU-STO-2001', {
    message: `the folder ${folder} cannot be made`,
    context: { folder },
  })
}

async function tryMakeFolder(folder: string): Promise<'made' | 'there' | 'no-parent'> {
  try {
    await mkdir(folder)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT') return 'no-parent'
    if (code === 'EEXIST' && (await isDirectory(folder))) return 'there'
    throw error
  }
  await syncFolder(dirname(folder))
  return 'made'
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes names in a folder durable. File systems that cannot sync a folder say EINVAL. */
async function syncFolder(folder: string): Promise<void> {
  try {
    await syncFile(folder)
  } catch (error) {
    if (systemCode(error) !== 'EINVAL') throw error
  }
}

async function linkIfAbsent(temporary: string, file: string): Promise<boolean> {
  try {
    await link(temporary, file)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    await rm(temporary, { force: true })
    throw error
  }
}

async function moveFile(from: string, to: string, temporaryPath: () => string): Promise<void> {
  try {
    await rename(from, to)
    return
  } catch (error) {
    if (systemCode(error) !== 'EXDEV') throw error
  }
  const temporary = temporaryPath()
  try {
    await copyFile(from, temporary)
    await syncFile(temporary)
    await rename(temporary, to)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await unlink(from)
}

async function sweepLeftovers(folder: string, olderThanMs: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const file = join(folder, name)
    const entry = await entryOf(file, name)
    if (entry !== null && entry.modificationTimeMs < olderThanMs) await rm(file, { force: true })
  }
}

async function readFully(request: {
  readonly handle: FileHandle
  readonly path: string
  readonly offset: number
  readonly length: number
}): Promise<Buffer> {
  const { handle, path, offset, length } = request
  const bytes = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled)
    if (bytesRead === 0) {
      throw new SluiceError('SLU-STO-2008', {
        message: `object ${path} ends before byte ${offset + length}`,
        context: { path, offset, length },
      })
    }
    filled += bytesRead
  }
  return bytes
}
