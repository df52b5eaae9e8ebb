/**
 * The slots of a partition in the order of sorted runs: ascending mixed hash, then the hash words.
 */

import { mixHash, type Partition, SLOT_HASH_BITS, SLOT_WORDS } from './partition.ts'

/** Slots in order, without being moved: slot i begins at word `starts[i]`, mixes to `mixes[i]`. */
export interface SortedSlots {
  readonly words: Uint32Array
  readonly starts: Uint32Array
  readonly mixes: Uint32Array
  readonly count: number
}

/** Compares two keys of one mixed hash by their hash words: negative, zero or positive. */
export function compareHashes(
  left: Uint32Array,
  leftAt: number,
  right: Uint32Array,
  rightAt: number,
): number {
  for (let word = 0; word < 4; word++) {
    const difference = left[leftAt + word]! - right[rightAt + word]!
    if (difference !== 0) return difference
  }
  return 0
}

/** Orders the occupied slots. They are nearly in order already: homes ascend with the hash. */
export function sortSlots(partition: Partition): SortedSlots {
  const { words, capacity, count } = partition
  const starts = new Uint32Array(count)
  const sorted = { words, starts, mixes: new Uint32Array(count), count }
  // Keys that did not fit at the end went on at slot 0. Being the highest they come last: put
  // first, each would be moved once for every other key.
  const firstEmpty = findEmpty(partition)
  const wrapped: number[] = []
  let length = 0
  for (let slot = 0; slot < capacity; slot++) {
    const at = slot * SLOT_WORDS
    if (words[at + 4] === 0) continue
    const mix = mixHash(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!)
    if (slot < firstEmpty && homeOf(mix, capacity) > slot) wrapped.push(at)
    else insert(sorted, length++, at, mix)
  }
  for (const at of wrapped) {
    const mix = mixHash(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!)
    insert(sorted, length++, at, mix)
  }
  return sorted
}

/** Inserts behind the slots that are not larger, from the end: displaced by few places at most. */
function insert(sorted: SortedSlots, length: number, at: number, mix: number): void {
  const { words, starts, mixes } = sorted
  let to = length
  while (to > 0) {
    const before = mixes[to - 1]!
    if (before < mix) break
    if (before === mix && compareHashes(words, starts[to - 1]!, words, at) < 0) break
    mixes[to] = before
    starts[to] = starts[to - 1]!
    to--
  }
  mixes[to] = mix
  starts[to] = at
}

function homeOf(mix: number, capacity: number): number {
  const unit = 2 ** -SLOT_HASH_BITS
  return Math.floor((mix & (2 ** SLOT_HASH_BITS - 1)) * (capacity * unit))
}

function findEmpty({ words }: Partition): number {
  let slot = 0
  while (words[slot * SLOT_WORDS + 4] !== 0) slot++
  return slot
}
