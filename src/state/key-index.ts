/**
 * The key index of one table: all keys in memory while they fit; then each partition's newest keys
 * in memory, before one sorted run of its older ones on disk.
 * A look-up that memory cannot answer reads the pages of the run that may have the key; a put never
 * reads. When memory is needed, the largest partition is merged with its run into the next run.
 */

import { type KeyIndex, NO_FILE, type RowLocations } from '../contracts/index.ts'
import { assert } from '../model/index.ts'
import { CHUNK_KEYS_MAX, HotKeys, type OrderedChunk, PARTITION_COUNT } from './hot-keys.ts'
import type { IndexMember, IndexStorage } from './index-storage.ts'
import {
  lookupInRun,
  memoryOf,
  mergeRun,
  removeRun,
  type SortedRun,
  STORED_GONE,
} from './sorted-run.ts'
import { sortSlots } from './sorted-slots.ts'

/** Stands in `files` for a key that is forgotten, though a run may have it. */
const GONE_FILE = STORED_GONE - 1

/** What an index is opened with. */
export interface KeyIndexOptions {
  readonly storage: IndexStorage
  /** Name of the table, unique within the storage: part of file names and log lines. */
  readonly name: string
  /** Keys to make room for at once, for instance the row count of the table; it grows beyond. */
  readonly capacityHint?: number
}

/** Opens an empty index. */
export function openKeyIndex(options: KeyIndexOptions): KeyIndex {
  const index = new TieredKeyIndex(options)
  options.storage.members.add(index)
  return index
}

class TieredKeyIndex implements KeyIndex, IndexMember {
  readonly name: string
  readonly #storage: IndexStorage
  readonly #hot: HotKeys
  readonly #runs: (SortedRun | null)[] = new Array(PARTITION_COUNT).fill(null)
  #hasRuns = false
  #nextRunNumber = 0
  #disposed = false

  constructor({ storage, name, capacityHint }: KeyIndexOptions) {
    this.name = name
    this.#storage = storage
    this.#hot = new HotKeys(storage.roomFor(capacityHint ?? 0))
  }

  get keyCount(): number {
    return this.#runs.reduce((sum, run) => sum + (run?.count ?? 0), this.#hot.keyCount)
  }

  get sizeBytes(): number {
    return this.#hot.sizeBytes + this.runBytes
  }

  get runBytes(): number {
    return this.#runs.reduce((sum, run) => sum + (run === null ? 0 : memoryOf(run)), 0)
  }

  lookup(hashes: Uint32Array, count: number, into: RowLocations): Promise<void> {
    return this.#storage.exclusive(async () => {
      this.#checkBatch(hashes, count, into)
      for (let start = 0; start < count; start += CHUNK_KEYS_MAX) {
        const end = Math.min(count, start + CHUNK_KEYS_MAX)
        const chunk = this.#hot.order(hashes, into, start, end)
        this.#hot.lookup(chunk)
        if (this.#hasRuns) await this.#lookupOnDisk(chunk)
      }
    })
  }

  put(hashes: Uint32Array, count: number, from: RowLocations): Promise<void> {
    return this.#storage.exclusive(async () => {
      this.#checkBatch(hashes, count, from)
      for (let start = 0; start < count; start += CHUNK_KEYS_MAX) {
        const end = Math.min(count, start + CHUNK_KEYS_MAX)
        const chunk = this.#hot.order(hashes, from, start, end)
        this.#hot.put(this.#hasRuns ? hideForgotten(chunk) : chunk)
        await this.#storage.relieve()
      }
    })
  }

  forgetTombstonesBelow(orderingExclusive: bigint): Promise<number> {
    return this.#storage.exclusive(async () => {
      this.#checkOpen()
      let forgotten = 0
      for (let p = 0; p < PARTITION_COUNT; p++) {
        const isOnDisk = this.#runs[p] !== null
        // A tombstone in memory may hide a row of the run: only the merge can forget both.
        forgotten += isOnDisk
          ? await this.#mergePartition(p, orderingExclusive)
          : this.#hot.forgetTombstonesBelow(p, orderingExclusive)
      }
      return forgotten
    })
  }

  clear(): Promise<void> {
    return this.#storage.exclusive(async () => {
      this.#checkOpen()
      this.#hot.clear()
      await this.#removeRuns()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#storage.exclusive(async () => {
      if (this.#disposed) return
      this.#disposed = true
      this.#storage.members.delete(this)
      this.#hot.release()
      await this.#removeRuns()
    })
  }

  get isSpillable(): boolean {
    return this.#hot.largest !== -1
  }

  async spill(): Promise<void> {
    await this.#mergePartition(this.#hot.largest, null)
  }

  async #mergePartition(p: number, tombstonesBelow: bigint | null): Promise<number> {
    const old = this.#runs[p] ?? null
    const { run, forgotten } = await mergeRun({
      path: this.#storage.pathOf(`${this.name}-${p}-${this.#nextRunNumber++}.run`),
      old,
      fresh: sortSlots(this.#hot.partition(p)),
      tombstonesBelow,
      withFilters: this.#storage.hasRoomForFilters(),
      buffers: this.#storage.buffers(),
    })
    this.#runs[p] = run
    this.#hasRuns ||= run !== null
    this.#hot.empty(p)
    if (old !== null) await removeRun(old)
    return forgotten
  }

  async #lookupOnDisk({ columns, run }: OrderedChunk): Promise<void> {
    const { files } = columns
    for (let p = 0; p < PARTITION_COUNT; p++) {
      const sorted = this.#runs[p]
      if (!sorted) continue
      const { order, start, end } = run(p)
      // The keys that memory does not know move to the front of the partition's part.
      let unknown = start
      for (let at = start; at < end; at++) {
        const key = order[at]!
        if (files[key] !== NO_FILE) continue
        order[at] = order[unknown]!
        order[unknown++] = key
      }
      if (unknown === start) continue
      const probes = { order, start, end: unknown }
      await lookupInRun(sorted, probes, columns, this.#storage.buffers())
    }
    showForgotten(columns)
  }

  async #removeRuns(): Promise<void> {
    const runs = this.#runs.filter((run) => run !== null)
    this.#runs.fill(null)
    this.#hasRuns = false
    for (const run of runs) await removeRun(run)
  }

  #checkBatch(hashes: Uint32Array, count: number, locations: RowLocations): void {
    this.#checkOpen()
    const { files, rows, orderings } = locations
    const capacity = Math.min(files.length, rows.length, orderings.length, hashes.length / 4)
    assert(count <= capacity, 'SLU-BUG-9001', 'A batch of keys is shorter than its count.', {
      count,
      capacity,
    })
  }

  #checkOpen(): void {
    assert(!this.#disposed, 'SLU-BUG-9001', 'The key index was used after it was closed.')
  }
}

/** Keys to forget must stay in memory while a run may have them. */
function hideForgotten(chunk: OrderedChunk): OrderedChunk {
  const { files } = chunk.columns
  if (!files.includes(NO_FILE)) return chunk
  const hidden = files.map((file) => (file === NO_FILE ? GONE_FILE : file))
  return { ...chunk, columns: { ...chunk.columns, files: hidden } }
}

function showForgotten({ files, rows, orderings }: OrderedChunk['columns']): void {
  for (let key = files.indexOf(GONE_FILE); key !== -1; key = files.indexOf(GONE_FILE, key + 1)) {
    files[key] = NO_FILE
    rows[key] = 0
    orderings[key * 2] = 0
    orderings[key * 2 + 1] = 0
  }
}
