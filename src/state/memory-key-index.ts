/**
 * The key index in memory: 256 partitions in typed arrays.
 * Batches are put in partition order first, so that a batch walks one partition's memory at a time.
 * Partitions grow by half, each at sizes of its own, so that a growing index copies a little in
 * every batch instead of everything in one, and is never more than a third empty on average.
 */

import type { KeyIndex, RowLocations } from '../contracts/index.ts'
import { assert, SluiceError } from '../model/index.ts'
import {
  type BatchColumns,
  type BatchRun,
  createLanes,
  createPartition,
  forgetTombstones,
  LOAD_MAX,
  lookupRun,
  mixHash,
  type Partition,
  putRun,
  releasePartition,
  resizePartition,
  SLOT_HASH_BITS,
  SLOT_WORDS,
} from './partition.ts'

/** Settings of a key index in memory. */
export interface MemoryKeyIndexOptions {
  /** Keys to make room for at once, for instance the row count of the table; it grows beyond. */
  readonly capacityHint?: number
}

const PARTITION_COUNT = 256
/** Slots of the smallest partition. */
const CAPACITY_MIN = 16
/** Each growth copies a partition once: smaller factors save memory and copy more often. */
const GROWTH_FACTOR = 1.5
/** Keys ordered at a time: bounds the scratch arrays to 2 MiB. */
const CHUNK_KEYS_MAX = 262_144

/** Makes an empty key index in memory. Throws SLU-STA-5001 when memory does not suffice. */
export function createMemoryKeyIndex(options: MemoryKeyIndexOptions = {}): KeyIndex {
  return new MemoryKeyIndex(options.capacityHint ?? 0)
}

class MemoryKeyIndex implements KeyIndex {
  #partitions: Partition[]
  #scratch = createScratch(1024)
  #disposed = false

  constructor(capacityHint: number) {
    this.#partitions = guardMemory(() => createPartitions(capacityHint))
  }

  get keyCount(): number {
    return this.#partitions.reduce((sum, partition) => sum + partition.count, 0)
  }

  get sizeBytes(): number {
    const slots = this.#partitions.reduce((sum, partition) => sum + partition.capacity, 0)
    return slots * SLOT_WORDS * 4
  }

  async lookup(hashes: Uint32Array, count: number, into: RowLocations): Promise<void> {
    this.#checkBatch(hashes, count, into)
    for (let start = 0; start < count; start += CHUNK_KEYS_MAX) {
      const columns = this.#orderChunk(hashes, into, start, Math.min(count, start + CHUNK_KEYS_MAX))
      for (let p = 0; p < PARTITION_COUNT; p++) {
        const run = runOf(this.#scratch, p)
        if (run.start < run.end) lookupRun(this.#partitions[p]!, run, columns)
      }
    }
  }

  async put(hashes: Uint32Array, count: number, from: RowLocations): Promise<void> {
    this.#checkBatch(hashes, count, from)
    for (let start = 0; start < count; start += CHUNK_KEYS_MAX) {
      const columns = this.#orderChunk(hashes, from, start, Math.min(count, start + CHUNK_KEYS_MAX))
      for (let p = 0; p < PARTITION_COUNT; p++) {
        const run = runOf(this.#scratch, p)
        if (run.start < run.end) putGrowing(this.#partitions[p]!, p, run, columns)
      }
    }
  }

  async forgetTombstonesBelow(orderingExclusive: bigint): Promise<number> {
    this.#checkOpen()
    const high = Number(orderingExclusive >> 32n)
    const low = Number(orderingExclusive & 0xffff_ffffn)
    return guardMemory(() =>
      this.#partitions.reduce((sum, partition) => sum + forgetTombstones(partition, high, low), 0),
    )
  }

  async clear(): Promise<void> {
    this.#checkOpen()
    for (const partition of this.#partitions) releasePartition(partition)
    this.#partitions = createPartitions(0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    for (const partition of this.#partitions) releasePartition(partition)
  }

  /**
   * Orders keys `start..end` of a batch by partition into the scratch; returns the chunk's columns.
   */
  #orderChunk(
    hashes: Uint32Array,
    locations: RowLocations,
    start: number,
    end: number,
  ): BatchColumns {
    if (this.#scratch.order.length < end - start) this.#scratch = createScratch(end - start)
    const chunk = hashes.subarray(start * 4, end * 4)
    orderByPartition(chunk, end - start, this.#scratch)
    const { files, rows, orderings } = locations
    return {
      hashes: chunk,
      mixed: this.#scratch.mixed,
      files: files.subarray(start, end),
      rows: rows.subarray(start, end),
      orderings: new Uint32Array(
        orderings.buffer,
        orderings.byteOffset + start * 8,
        (end - start) * 2,
      ),
    }
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

/** Arrays reused by every batch: mixed hashes and key numbers in partition order. */
interface Scratch {
  readonly mixed: Uint32Array
  readonly order: Uint32Array
  /** Where each partition's run ends in `order`; it starts where the one before ends. */
  readonly ends: Uint32Array
  readonly lanes: Uint32Array
}

function createScratch(capacity: number): Scratch {
  return {
    mixed: new Uint32Array(capacity),
    order: new Uint32Array(capacity),
    ends: new Uint32Array(PARTITION_COUNT),
    lanes: createLanes(),
  }
}

/** Counting sort by partition; keys of one partition keep their order. */
function orderByPartition(hashes: Uint32Array, count: number, scratch: Scratch): void {
  const { mixed, order, ends } = scratch
  ends.fill(0)
  for (let i = 0; i < count; i++) {
    const at = i * 4
    const mix = mixHash(hashes[at]!, hashes[at + 1]!, hashes[at + 2]!, hashes[at + 3]!)
    mixed[i] = mix
    ends[mix >>> SLOT_HASH_BITS]!++
  }
  let sum = 0
  for (let p = 0; p < PARTITION_COUNT; p++) {
    const size = ends[p]!
    ends[p] = sum
    sum += size
  }
  for (let i = 0; i < count; i++) order[ends[mixed[i]! >>> SLOT_HASH_BITS]!++] = i
}

function runOf(scratch: Scratch, p: number): BatchRun {
  return {
    order: scratch.order,
    start: p === 0 ? 0 : scratch.ends[p - 1]!,
    end: scratch.ends[p]!,
    lanes: scratch.lanes,
  }
}

function putGrowing(partition: Partition, p: number, run: BatchRun, columns: BatchColumns): void {
  let next = putRun(partition, run, columns)
  while (next < run.end) {
    // Half of what is left may well be new: growing for it at once spares a first batch many small
    // steps.
    const keys = partition.count + (run.end - next) / 2
    const capacity = capacityAbove(p, Math.max(partition.capacity, keys / LOAD_MAX))
    guardMemory(() => resizePartition(partition, capacity))
    next = putRun(partition, { ...run, start: next }, columns)
  }
}

function createPartitions(capacityHint: number): Partition[] {
  const keys = capacityHint / PARTITION_COUNT
  // Hashes spread unevenly: three standard deviations more keeps nearly all partitions from
  // growing.
  const slots = (keys + 3 * Math.sqrt(keys)) / LOAD_MAX
  return Array.from({ length: PARTITION_COUNT }, (_, p) => createPartition(capacityAbove(p, slots)))
}

/** The next size of partition `p` above `slots`: a geometric series, shifted for each partition. */
function capacityAbove(p: number, slots: number): number {
  const shift = p / PARTITION_COUNT
  const steps = Math.log(Math.max(slots, 1) / CAPACITY_MIN) / Math.log(GROWTH_FACTOR)
  let step = Math.max(0, Math.floor(steps - shift))
  for (;;) {
    const capacity = Math.ceil(CAPACITY_MIN * GROWTH_FACTOR ** (step + shift))
    if (capacity > slots) return capacity
    step++
  }
}

function guardMemory<T>(allocate: () => T): T {
  try {
    return allocate()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new SluiceError('SLU-STA-5001', {
      message: 'No memory is left for more keys.',
      cause: error,
    })
  }
}
