/**
 * The keys in memory: 256 partitions in typed arrays.
 * Batches are put in partition order first, so that a batch walks one partition's memory at a time.
 * Partitions grow by half, each at sizes of its own, so that a growing index copies a little in
 * every batch instead of everything in one, and is never more than a third empty on average.
 */

import type { RowLocations } from '../contracts/index.ts'
import { SluiceError } from '../model/index.ts'
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

/** Partitions of an index, in memory and on disk. */
export const PARTITION_COUNT = 256
/** Keys ordered at a time: bounds the scratch arrays to 2 MiB. */
export const CHUNK_KEYS_MAX = 262_144
/** Slots of the smallest partition. */
const CAPACITY_MIN = 16
/** Each growth copies a partition once: smaller factors save memory and copy more often. */
const GROWTH_FACTOR = 1.5

/** A part of a batch, in partition order. Valid until the next one is ordered. */
export interface OrderedChunk {
  readonly columns: BatchColumns
  /** The keys of partition `p`. */
  run(p: number): BatchRun
}

/** Keys in memory; every call is done when it returns. */
export class HotKeys {
  #partitions: Partition[]
  #scratch = createScratch(1024)

  /** Throws SLU-STA-5001 when memory does not suffice for `capacityHint` keys. */
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

  /** The largest partition that holds a key; -1 when there is none. */
  get largest(): number {
    let largest = -1
    for (const [p, { count, capacity }] of this.#partitions.entries()) {
      const largestCapacity = this.#partitions[largest]?.capacity ?? 0
      if (count > 0 && capacity > largestCapacity) largest = p
    }
    return largest
  }

  partition(p: number): Partition {
    return this.#partitions[p]!
  }

  /** Forgets the keys of one partition and frees its memory. */
  empty(p: number): void {
    releasePartition(this.#partitions[p]!)
    this.#partitions[p] = createPartition(capacityAbove(p, 0))
  }

  /** Forgets everything. */
  clear(): void {
    for (let p = 0; p < PARTITION_COUNT; p++) this.empty(p)
  }

  /** Frees all memory; nothing may be called afterwards. */
  release(): void {
    for (const partition of this.#partitions) releasePartition(partition)
  }

  /** Writes the locations of a chunk's keys into its columns. */
  lookup({ columns, run }: OrderedChunk): void {
    for (let p = 0; p < PARTITION_COUNT; p++) {
      const keys = run(p)
      if (keys.start < keys.end) lookupRun(this.#partitions[p]!, keys, columns)
    }
  }

  /** Stores a chunk's locations. Throws SLU-STA-5001. */
  put({ columns, run }: OrderedChunk): void {
    for (let p = 0; p < PARTITION_COUNT; p++) {
      const keys = run(p)
      if (keys.start < keys.end) putGrowing(this.#partitions[p]!, p, keys, columns)
    }
  }

  /** Forgets tombstones of one partition below the bound; returns how many. */
  forgetTombstonesBelow(p: number, orderingExclusive: bigint): number {
    const high = Number(orderingExclusive >> 32n)
    const low = Number(orderingExclusive & 0xffff_ffffn)
    return guardMemory(() => forgetTombstones(this.#partitions[p]!, high, low))
  }

  /** Orders keys `start..end` of a batch, at most `CHUNK_KEYS_MAX`. */
  order(hashes: Uint32Array, locations: RowLocations, start: number, end: number): OrderedChunk {
    if (this.#scratch.order.length < end - start) this.#scratch = createScratch(end - start)
    const scratch = this.#scratch
    const chunk = hashes.subarray(start * 4, end * 4)
    orderByPartition(chunk, end - start, scratch)
    const { files, rows, orderings } = locations
    const columns = {
      hashes: chunk,
      mixed: scratch.mixed,
      files: files.subarray(start, end),
      rows: rows.subarray(start, end),
      orderings: new Uint32Array(
        orderings.buffer,
        orderings.byteOffset + start * 8,
        (end - start) * 2,
      ),
    }
    return { columns, run: (p) => runOf(scratch, p) }
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
