/** The object store in memory: for tests, simulations and trials. */

import { readFile, unlink } from 'node:fs/promises'
import type { Clock, ObjectEntry, ObjectStore } from '../../src/contracts/index.ts'
import { SluiceError } from '../../src/model/index.ts'
import { writeError } from './file-error.ts'
import { checkObjectPath, compareObjectPaths } from './path.ts'

interface StoredObject {
  readonly bytes: Buffer
  readonly modificationTimeMs: number
}

/** An empty store. DuckDB cannot read from it: `readUrl` gives a `memory:` URL. */
export function createMemoryObjectStore(clock: Clock, name = 'store'): ObjectStore {
  return new MemoryObjectStore(clock, name)
}

class MemoryObjectStore implements ObjectStore {
  readonly url: string
  readonly #clock: Clock
  readonly #objects = new Map<string, StoredObject>()

  constructor(clock: Clock, name: string) {
    this.#clock = clock
    this.url = `memory://${name}`
  }

  async get(path: string): Promise<Buffer | null> {
    checkObjectPath(path)
    const found = this.#objects.get(path)
    return found === undefined ? null : Buffer.from(found.bytes)
  }

  async getRange(path: string, offset: number, length: number): Promise<Buffer> {
    const bytes = await this.get(path)
    if (bytes === null) {
      throw new SluiceError('SLU-STO-2005', { message: `no object ${path}`, context: { path } })
    }
    if (offset + length > bytes.length) {
      throw new SluiceError('SLU-STO-2008', {
        message: `object ${path} ends before byte ${offset + length}`,
        context: { path, offset, length },
      })
    }
    return bytes.subarray(offset, offset + length)
  }

  async head(path: string): Promise<ObjectEntry | null> {
    checkObjectPath(path)
    const found = this.#objects.get(path)
    return found === undefined ? null : toEntry(path, found)
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    checkObjectPath(path)
    this.#store(path, bytes)
  }

  async putIfAbsent(path: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    checkObjectPath(path)
    if (this.#objects.has(path)) return 'exists'
    this.#store(path, bytes)
    return 'created'
  }

  async putFile(path: string, localPath: string): Promise<void> {
    checkObjectPath(path)
    try {
      this.#store(path, await readFile(localPath))
      await unlink(localPath)
    } catch (error) {
      throw writeError(error, localPath)
    }
  }

  async *list(prefix: string, startAfter = ''): AsyncIterable<ObjectEntry> {
    const paths = [...this.#objects.keys()]
      .filter((path) => path.startsWith(prefix) && compareObjectPaths(path, startAfter) > 0)
      .sort(compareObjectPaths)
    for (const path of paths) {
      const found = this.#objects.get(path)
      if (found !== undefined) yield toEntry(path, found)
    }
  }

  async delete(path: string): Promise<void> {
    checkObjectPath(path)
    this.#objects.delete(path)
  }

  readUrl(path: string): string {
    checkObjectPath(path)
    return `${this.url}/${path}`
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #store(path: string, bytes: Uint8Array): void {
    const modificationTimeMs = this.#clock.nowMs()
    this.#objects.set(path, { bytes: Buffer.from(bytes), modificationTimeMs })
  }
}

function toEntry(path: string, found: StoredObject): ObjectEntry {
  const { bytes, modificationTimeMs } = found
  return { path, sizeBytes: bytes.length, modificationTimeMs }
}
