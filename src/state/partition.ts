/**
 * One partition of the key index: open addressing with linear probing over one `Uint32Array`.
 *
 * Slot layout, eight u32 (32 bytes, so a probe touches one cache line or two):
 * `hash 0..3 · file + 1 (0 = empty slot) · row · ordering low half · ordering high half`
 *
 * Invariants:
 * 1. a key's home slot is `slotHash * capacity / 2^24` (monotone in `slotHash`), so growing copies
 *    almost sequentially and any capacity will do, not powers of two only;
 * 2. between a key's home slot and its slot no slot is empty (removal shifts back instead of
 *    marking);
 * 3. `count <= capacity * LOAD_MAX` after every call, hence there is always an empty slot.
 */

import { TOMBSTONE_FILE } from '../contracts/index.ts'

/** Words of a slot. */
export const SLOT_WORDS = 8
/** Fullest a partition may be; above it linear probing for absent keys gets long. */
export const LOAD_MAX = 0.85
/** Bits of a mixed hash that choose the home slot; the bits above choose the partition. */
export const SLOT_HASH_BITS = 24

const SLOT_HASH_MASK = 2 ** SLOT_HASH_BITS - 1
const SLOT_HASH_UNIT = 2 ** -SLOT_HASH_BITS
/** Stored form of `TOMBSTONE_FILE`: file ordinals are stored plus one. */
export const STORED_TOMBSTONE = TOMBSTONE_FILE + 1

/** An open-addressing table. */
export interface Partition {
  words: Uint32Array
  capacity: number
  /** Occupied slots: live keys and tombstones. */
  count: number
  tombstoneCount: number
}

/**
 * The columns of a batch; entry i belongs to key i. `orderings` is the 64-bit column seen as u32
 * halves.
 */
export interface BatchColumns {
  readonly hashes: Uint32Array
  readonly mixed: Uint32Array
  readonly files: Uint32Array
  readonly rows: Uint32Array
  readonly orderings: Uint32Array
}

/** The run of a batch that falls into one partition: `order[start..end)` are indexes of keys. */
export interface BatchRun {
  readonly order: Uint32Array
  readonly start: number
  readonly end: number
  /** Scratch of `createLanes()`. */
  readonly lanes: Uint32Array
}

/**
 * Keys copied together before they are probed: few enough that their slots stay in the first cache.
 */
const LANE_COUNT = 128
/**
 * Words of a lane: hash 0..3, word of the home slot, what was read there, file + 1, row, ordering.
 */
const LANE_WORDS = 10

/** Scratch for the keys that are probed together. */
export function createLanes(): Uint32Array {
  return new Uint32Array(LANE_COUNT * LANE_WORDS)
}

/** How many keys a partition of `capacity` slots may hold. */
export function countLimit(capacity: number): number {
  return Math.floor(capacity * LOAD_MAX)
}

/** An empty partition of `capacity` slots. */
export function createPartition(capacity: number): Partition {
  return { words: allocateSlots(capacity), capacity, count: 0, tombstoneCount: 0 }
}

/** Mixes the four words of a hash into 32 bits, so that hashes alike in some bits still spread. */
export function mixHash(a: number, b: number, c: number, d: number): number {
  let mixed = a ^ Math.imul(b, 0x9e3779b1) ^ Math.imul(c, 0x85ebca77) ^ Math.imul(d, 0xc2b2ae3d)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** Writes the locations of a run's keys into the batch columns. */
export function lookupRun(partition: Partition, run: BatchRun, batch: BatchColumns): void {
  const { lanes } = run
  for (let start = run.start; start < run.end; start += LANE_COUNT) {
    const end = Math.min(run.end, start + LANE_COUNT)
    loadLanes(partition, lanes, run.order, start, end, batch)
    lookupLanes(partition, lanes, run.order, start, end, batch)
  }
}

/**
 * Stores the locations of a run's keys, in order, until the partition is full; returns the place in
 * `order` to go on from after growing, `run.end` when all are stored.
 */
export function putRun(partition: Partition, run: BatchRun, batch: BatchColumns): number {
  const { lanes } = run
  let start = run.start
  while (start < run.end) {
    const end = Math.min(run.end, start + LANE_COUNT)
    loadLanes(partition, lanes, run.order, start, end, batch)
    loadLocations(lanes, run.order, start, end, batch)
    const next = putLanes(partition, lanes, start, end)
    if (next < end) return next
    start = next
  }
  return start
}

/**
 * Copies keys `order[start..end)` side by side and reads their home slots. None of these reads
 * depends on another or on a branch, so the processor overlaps their cache misses; the probes that
 * follow find their lines in cache. (Probing alone mispredicts, then waits for one miss after the
 * other.)
 */
function loadLanes(
  partition: Partition,
  lanes: Uint32Array,
  order: Uint32Array,
  start: number,
  end: number,
  batch: BatchColumns,
): void {
  const { hashes, mixed } = batch
  const { words } = partition
  const scale = partition.capacity * SLOT_HASH_UNIT
  let at = 0
  for (let k = start; k < end; k++) {
    const i = order[k]!
    const home = (((mixed[i]! & SLOT_HASH_MASK) * scale) | 0) * SLOT_WORDS
    lanes[at] = hashes[i * 4]!
    lanes[at + 1] = hashes[i * 4 + 1]!
    lanes[at + 2] = hashes[i * 4 + 2]!
    lanes[at + 3] = hashes[i * 4 + 3]!
    lanes[at + 4] = home
    // Stored, or the compiler would drop the reads.
    lanes[at + 5] = words[home]! ^ words[home + SLOT_WORDS]!
    at += LANE_WORDS
  }
}

/** Adds the locations to put to the lanes, for the same reason as `loadLanes`. */
function loadLocations(
  lanes: Uint32Array,
  order: Uint32Array,
  start: number,
  end: number,
  batch: BatchColumns,
): void {
  const { files, rows, orderings } = batch
  let at = 0
  for (let k = start; k < end; k++) {
    const i = order[k]!
    lanes[at + 6] = files[i]! + 1
    lanes[at + 7] = rows[i]!
    lanes[at + 8] = orderings[i * 2]!
    lanes[at + 9] = orderings[i * 2 + 1]!
    at += LANE_WORDS
  }
}

function lookupLanes(
  partition: Partition,
  lanes: Uint32Array,
  order: Uint32Array,
  start: number,
  end: number,
  batch: BatchColumns,
): void {
  const { words } = partition
  const { files, rows, orderings } = batch
  const wordCount = partition.capacity * SLOT_WORDS
  let lane = 0
  for (let k = start; k < end; k++) {
    const i = order[k]!
    const a = lanes[lane]!
    const b = lanes[lane + 1]!
    const c = lanes[lane + 2]!
    const d = lanes[lane + 3]!
    let at = lanes[lane + 4]!
    lane += LANE_WORDS
    let stored = words[at + 4]!
    while (stored !== 0) {
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) {
        break
      }
      at += SLOT_WORDS
      if (at === wordCount) at = 0
      stored = words[at + 4]!
    }
    // An empty slot holds zeros: `NO_FILE` is stored as 0, its row and ordering are 0.
    files[i] = stored - 1
    rows[i] = words[at + 5]!
    orderings[i * 2] = words[at + 6]!
    orderings[i * 2 + 1] = words[at + 7]!
  }
}

function putLanes(partition: Partition, lanes: Uint32Array, start: number, end: number): number {
  const { words, capacity } = partition
  const wordCount = capacity * SLOT_WORDS
  const countMax = countLimit(capacity)
  let { count, tombstoneCount } = partition
  let lane = 0
  let k = start
  for (; k < end; k++) {
    const a = lanes[lane]!
    const b = lanes[lane + 1]!
    const c = lanes[lane + 2]!
    const d = lanes[lane + 3]!
    let at = lanes[lane + 4]!
    let found = words[at + 4]!
    while (found !== 0) {
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) {
        break
      }
      at += SLOT_WORDS
      if (at === wordCount) at = 0
      found = words[at + 4]!
    }
    const store = lanes[lane + 6]!
    if (found === 0 && store !== 0) {
      if (count === countMax) break
      words[at] = a
      words[at + 1] = b
      words[at + 2] = c
      words[at + 3] = d
      count++
    }
    if (found === STORED_TOMBSTONE) tombstoneCount--
    if (store === STORED_TOMBSTONE) tombstoneCount++
    if (store !== 0) {
      words[at + 4] = store
      words[at + 5] = lanes[lane + 7]!
      words[at + 6] = lanes[lane + 8]!
      words[at + 7] = lanes[lane + 9]!
    } else if (found !== 0) {
      removeSlot(words, capacity, at)
      count--
    }
    lane += LANE_WORDS
  }
  partition.count = count
  partition.tombstoneCount = tombstoneCount
  return k
}

/** Moves all slots into a new array of `capacity` slots and frees the old one at once. */
export function resizePartition(partition: Partition, capacity: number): void {
  moveSlots(partition, allocateSlots(capacity), capacity)
}

function moveSlots(partition: Partition, words: Uint32Array, capacity: number): void {
  const old = partition.words
  copySlots(old, partition.capacity, words, capacity)
  partition.words = words
  partition.capacity = capacity
  freeSlots(old)
}

/**
 * Forgets tombstones whose ordering is below the bound, given as its signed high and unsigned low
 * half; returns how many.
 */
export function forgetTombstones(
  partition: Partition,
  boundHigh: number,
  boundLow: number,
): number {
  if (partition.tombstoneCount === 0) return 0
  const { words, capacity } = partition
  // Allocated first: should memory fail, nothing has been touched yet.
  const fresh = allocateSlots(capacity)
  let forgotten = 0
  for (let at = 4; at < capacity * SLOT_WORDS; at += SLOT_WORDS) {
    if (words[at] !== STORED_TOMBSTONE) continue
    const high = words[at + 3]! | 0
    if (high > boundHigh || (high === boundHigh && words[at + 2]! >= boundLow)) continue
    words[at] = 0
    forgotten++
  }
  if (forgotten === 0) {
    freeSlots(fresh)
    return 0
  }
  partition.count -= forgotten
  partition.tombstoneCount -= forgotten
  // Emptied slots break the probe chains across them until every slot is placed anew.
  moveSlots(partition, fresh, capacity)
  return forgotten
}

/** Frees the slots; the partition must not be used afterwards. */
export function releasePartition(partition: Partition): void {
  freeSlots(partition.words)
  partition.words = new Uint32Array(0)
  partition.capacity = 0
  partition.count = 0
  partition.tombstoneCount = 0
}

/**
 * One slot more than the capacity, never filled: `loadLanes` reads the slot after a home slot.
 * The C library puts large buffers 16 bytes behind a cache line; 48 more, and no slot lies across
 * two lines.
 */
function allocateSlots(capacity: number): Uint32Array {
  return new Uint32Array(
    new ArrayBuffer((capacity + 1) * SLOT_WORDS * 4 + 48),
    48,
    (capacity + 1) * SLOT_WORDS,
  )
}

/** Detaching frees the memory now; waiting for the collector would let old slots pile up. */
function freeSlots(words: Uint32Array): void {
  const buffer = words.buffer
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}

function copySlots(
  from: Uint32Array,
  fromCapacity: number,
  to: Uint32Array,
  capacity: number,
): void {
  const scale = capacity * SLOT_HASH_UNIT
  const wordCount = capacity * SLOT_WORDS
  for (let read = 0; read < fromCapacity * SLOT_WORDS; read += SLOT_WORDS) {
    const stored = from[read + 4]!
    if (stored === 0) continue
    const a = from[read]!
    const b = from[read + 1]!
    const c = from[read + 2]!
    const d = from[read + 3]!
    let at = (((mixHash(a, b, c, d) & SLOT_HASH_MASK) * scale) | 0) * SLOT_WORDS
    while (to[at + 4] !== 0) {
      at += SLOT_WORDS
      if (at === wordCount) at = 0
    }
    to[at] = a
    to[at + 1] = b
    to[at + 2] = c
    to[at + 3] = d
    to[at + 4] = stored
    to[at + 5] = from[read + 5]!
    to[at + 6] = from[read + 6]!
    to[at + 7] = from[read + 7]!
  }
}

/** Empties the slot at word `at` and moves later slots of its probe chain back over the hole. */
function removeSlot(words: Uint32Array, capacity: number, at: number): void {
  const scale = capacity * SLOT_HASH_UNIT
  const wordCount = capacity * SLOT_WORDS
  let hole = at
  let next = hole
  for (;;) {
    next += SLOT_WORDS
    if (next === wordCount) next = 0
    if (words[next + 4] === 0) break
    const mixed = mixHash(words[next]!, words[next + 1]!, words[next + 2]!, words[next + 3]!)
    const home = (((mixed & SLOT_HASH_MASK) * scale) | 0) * SLOT_WORDS
    // The slot may move only if its home does not lie cyclically within (hole, next].
    const stays = hole < next ? home > hole && home <= next : home > hole || home <= next
    if (stays) continue
    words.copyWithin(hole, next, next + SLOT_WORDS)
    hole = next
  }
  words.fill(0, hole, hole + SLOT_WORDS)
}
