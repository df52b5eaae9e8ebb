/**
 * One partition of the key index: open addressing with linear probing over one `Uint32Array`.
 *
 * Slot layout, eight u32 (32 bytes, so a probe touches one cache line or two):
 * `hash 0..3 · file + 1 (0 = empty slot) · row · ordering low half · ordering high half`
 *
 * Invariants:
 * 1. a key's home slot is `slotHash * capacity / 2^24` (monotone in `slotHash`), so growing copies almost
 *    sequentially and any capacity will do, not powers of two only;
 * 2. between a key's home slot and its slot no slot is empty (removal shifts back instead of marking);
 * 3. `count <= capacity * LOAD_MAX` after every call, hence there is always an empty slot.
 */

import { NO_FILE, TOMBSTONE_FILE } from '../contracts/index.ts'

/** Words of a slot. */
export const SLOT_WORDS = 8
/** Fullest a partition may be; above it linear probing for absent keys gets long. */
export const LOAD_MAX = 0.8
/** Bits of a mixed hash that choose the home slot; the bits above choose the partition. */
export const SLOT_HASH_BITS = 24

const SLOT_HASH_MASK = 2 ** SLOT_HASH_BITS - 1
const SLOT_HASH_UNIT = 2 ** -SLOT_HASH_BITS
/** Stored form of `TOMBSTONE_FILE`: file ordinals are stored plus one. */
const STORED_TOMBSTONE = TOMBSTONE_FILE + 1

/** An open-addressing table. */
export interface Partition {
  words: Uint32Array
  capacity: number
  /** Occupied slots: live keys and tombstones. */
  count: number
  tombstoneCount: number
}

/** The columns of a batch; entry i belongs to key i. `orderings` is the 64-bit column seen as u32 halves. */
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
  const { words, capacity } = partition
  const { hashes, mixed, files, rows, orderings } = batch
  const { order, end } = run
  const scale = capacity * SLOT_HASH_UNIT
  const wordCount = capacity * SLOT_WORDS
  for (let k = run.start; k < end; k++) {
    const i = order[k]!
    const a = hashes[i * 4]!
    const b = hashes[i * 4 + 1]!
    const c = hashes[i * 4 + 2]!
    const d = hashes[i * 4 + 3]!
    let at = (((mixed[i]! & SLOT_HASH_MASK) * scale) | 0) * SLOT_WORDS
    for (;;) {
      const stored = words[at + 4]!
      if (stored === 0) {
        files[i] = NO_FILE
        rows[i] = 0
        orderings[i * 2] = 0
        orderings[i * 2 + 1] = 0
        break
      }
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) {
        files[i] = stored - 1
        rows[i] = words[at + 5]!
        orderings[i * 2] = words[at + 6]!
        orderings[i * 2 + 1] = words[at + 7]!
        break
      }
      at += SLOT_WORDS
      if (at === wordCount) at = 0
    }
  }
}

/**
 * Stores the locations of a run's keys, in order, until the partition is full; returns the place in
 * `order` to go on from after growing, `run.end` when all are stored.
 */
export function putRun(partition: Partition, run: BatchRun, batch: BatchColumns): number {
  const { words, capacity } = partition
  const { hashes, mixed, files, rows, orderings } = batch
  const { order, end } = run
  const scale = capacity * SLOT_HASH_UNIT
  const wordCount = capacity * SLOT_WORDS
  const countMax = countLimit(capacity)
  let { count, tombstoneCount } = partition
  let k = run.start
  for (; k < end; k++) {
    const i = order[k]!
    const a = hashes[i * 4]!
    const b = hashes[i * 4 + 1]!
    const c = hashes[i * 4 + 2]!
    const d = hashes[i * 4 + 3]!
    const store = (files[i]! + 1) >>> 0
    let at = (((mixed[i]! & SLOT_HASH_MASK) * scale) | 0) * SLOT_WORDS
    let found = words[at + 4]!
    while (found !== 0) {
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) {
        break
      }
      at += SLOT_WORDS
      if (at === wordCount) at = 0
      found = words[at + 4]!
    }
    if (found === STORED_TOMBSTONE) tombstoneCount--
    if (store === 0) {
      if (found !== 0) {
        removeSlot(words, capacity, at)
        count--
      }
      continue
    }
    if (found === 0) {
      if (count === countMax) break
      words[at] = a
      words[at + 1] = b
      words[at + 2] = c
      words[at + 3] = d
      count++
    }
    if (store === STORED_TOMBSTONE) tombstoneCount++
    words[at + 4] = store
    words[at + 5] = rows[i]!
    words[at + 6] = orderings[i * 2]!
    words[at + 7] = orderings[i * 2 + 1]!
  }
  partition.count = count
  partition.tombstoneCount = tombstoneCount
  return k
}

/** Moves all slots into a new array of `capacity` slots and frees the old one at once. */
export function resizePartition(partition: Partition, capacity: number): void {
  const old = partition.words
  const words = allocateSlots(capacity)
  copySlots(old, partition.capacity, words, capacity)
  partition.words = words
  partition.capacity = capacity
  freeSlots(old)
}

/**
 * Forgets tombstones whose ordering is below the bound, given as its signed high and unsigned low half;
 * returns how many.
 */
export function forgetTombstones(
  partition: Partition,
  boundHigh: number,
  boundLow: number,
): number {
  if (partition.tombstoneCount === 0) return 0
  const { words, capacity } = partition
  let forgotten = 0
  for (let at = 4; at < capacity * SLOT_WORDS; at += SLOT_WORDS) {
    if (words[at] !== STORED_TOMBSTONE) continue
    const high = words[at + 3]! | 0
    if (high > boundHigh || (high === boundHigh && words[at + 2]! >= boundLow)) continue
    words[at] = 0
    forgotten++
  }
  if (forgotten === 0) return 0
  partition.count -= forgotten
  partition.tombstoneCount -= forgotten
  // Emptied slots break the probe chains across them until every slot is placed anew.
  resizePartition(partition, capacity)
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

function allocateSlots(capacity: number): Uint32Array {
  return new Uint32Array(capacity * SLOT_WORDS)
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
