/**
 * The key index of one table: all keys in memory while they fit; then each partition's newest keys
 * in memory, before sorted runs of its older ones on disk.
 * A look-up that memory cannot answer reads the pages of the runs that may have the key, newest run
 * first; a put never reads. When memory is needed, the largest partition becomes a run. A run is
 * merged with the next older one before it is too large beside it, so that a partition has few runs
 * and no key is written again often: both grow with the logarithm of keys to memory.
 */

import { type KeyIndex, NO_FILE, type RowLocations } from '../contracts/index.ts'
import { assert } from '../model/index.ts'
import { CHUNK_KEYS_MAX, HotKeys, type OrderedChunk, PARTITION_COUNT } from './hot-keys.ts'
import type { IndexMember, IndexStorage } from './index-storage.ts'
import type { BatchColumns, BatchRun } from './partition.ts'
import {
  lookupInRun,
  memoryOf,
  mergeRun,
  type RunProbes,
  removeRun,
  type SortedRun,
  STORED_GONE,
} from './sorted-run.ts'
import { type SortedSlots, sortSlots } from './sorted-slots.ts'

/** Stands in `files` for a key that is forgotten, though a run may have it. */
const GONE_FILE = STORED_GONE - 1

/** A run is merged with an older one that is at most so many times as large. */
const MERGE_RATIO = 3

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
  /** Runs of each partition, newest first. */
  readonly #runs: SortedRun[][] = Array.from({ length: PARTITION_COUNT }, () => [])
  #hasRuns = false
  #nextRunNumber = 0
  #disposed = false

  constructor({ storage, name, capacityHint }: KeyIndexOptions) {
    this.name = name
    this.#storage = storage
    this.#hot = new HotKeys(storage.roomFor(capacityHint ?? 0))
  }

  get keyCount(): number {
    return this.#runs.flat().reduce((sum, run) => sum + run.count, this.#hot.keyCount)
  }

  get sizeBytes(): number {
    return this.#hot.sizeBytes + this.runBytes
  }

  get runBytes(): number {
    return this.#runs.flat().reduce((sum, run) => sum + memoryOf(run), 0)
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
        const isOnDisk = this.#runs[p]!.length > 0
        // A tombstone may hide a row of an older run: only a merge of all can forget both.
        forgotten += isOnDisk
          ? await this.#mergeAll(p, orderingExclusive)
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
    const p = this.#hot.largest
    const runs = this.#runs[p]!
    const fresh = sortSlots(this.#hot.partition(p))
    await this.#merge(p, fresh, isNear(fresh, runs[0]) ? runs[0]! : null)
    this.#hot.empty(p)
    while (isNear(runs[0], runs[1])) await this.#merge(p, runs[0]!, runs[1]!)
  }

  /** Merges all of a partition into one run; returns how many tombstones it forgot. */
  async #mergeAll(p: number, tombstonesBelow: bigint): Promise<number> {
    const runs = this.#runs[p]!
    while (runs.length > 1) await this.#merge(p, runs[0]!, runs[1]!)
    const fresh = sortSlots(this.#hot.partition(p))
    const forgotten = await this.#merge(p, fresh, runs[0]!, tombstonesBelow)
    this.#hot.empty(p)
    return forgotten
  }

  /** Puts a run of `fresh` and `old` in the place of those of the two that are runs. */
  async #merge(
    p: number,
    fresh: SortedSlots | SortedRun,
    old: SortedRun | null,
    tombstonesBelow: bigint | null = null,
  ): Promise<number> {
    const runs = this.#runs[p]!
    const replaced = runs.filter((run) => run === fresh || run === old)
    const { run, forgotten } = await mergeRun({
      path: this.#storage.pathOf(`${this.name}-${p}-${this.#nextRunNumber++}.run`),
      ...{ old, fresh, tombstonesBelow },
      isOldest: runs.length === 0 || old === runs.at(-1),
      withFilters: this.#storage.hasRoomForFilters(),
      buffers: this.#storage.buffers(),
    })
    runs.splice(0, replaced.length, ...(run === null ? [] : [run]))
    this.#hasRuns ||= run !== null
    for (const gone of replaced) await removeRun(gone)
    return forgotten
  }

  async #lookupOnDisk({ columns, run }: OrderedChunk): Promise<void> {
    for (let p = 0; p < PARTITION_COUNT; p++) {
      for (const sorted of this.#runs[p]!) {
        const probes = unknownFirst(run(p), columns)
        if (probes.start === probes.end) break
        await lookupInRun(sorted, probes, columns, this.#storage.buffers())
      }
    }
    showForgotten(columns)
  }

  async #removeRuns(): Promise<void> {
    const runs = this.#runs.flat()
    for (const ofPartition of this.#runs) ofPartition.length = 0
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

/** True when two runs that follow each other should be one. */
function isNear(newer?: { readonly count: number }, older?: { readonly count: number }): boolean {
  return newer !== undefined && older !== undefined && older.count <= newer.count * MERGE_RATIO
}

/** The keys of a partition that nothing newer knows: they move to the front of its part. */
function unknownFirst({ order, start, end }: BatchRun, { files }: BatchColumns): RunProbes {
  let unknown = start
  for (let at = start; at < end; at++) {
    const key = order[at]!
    if (files[key] !== NO_FILE) continue
    order[at] = order[unknown]!
    order[unknown++] = key
  }
  return { order, start, end: unknown }
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
