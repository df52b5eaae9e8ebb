/**
 * A Bloom filter for each page of a sorted run, in memory: says of most unknown keys that the page
 * need not be read.
 */

import { mixHash } from './partition.ts'

/** Words of one page's filter: eight bits for each of its 128 keys, three percent false answers. */
const FILTER_WORDS = 32
const BIT_MASK = FILTER_WORDS * 32 - 1

/** Filters of `pageCount` pages, empty. */
export function createPageFilters(pageCount: number): Uint32Array {
  return new Uint32Array(pageCount * FILTER_WORDS)
}

/** The filters of the first `pageCount` pages. */
export function cutPageFilters(filters: Uint32Array, pageCount: number): Uint32Array {
  return filters.slice(0, pageCount * FILTER_WORDS)
}

/** Adds the key whose hash begins at word `at`. */
export function addToPage(
  filters: Uint32Array,
  page: number,
  words: Uint32Array,
  at: number,
): void {
  const bits = bitsOf(words, at)
  const base = page * FILTER_WORDS
  for (let shift = 0; shift < 30; shift += 10) {
    const bit = (bits >>> shift) & BIT_MASK
    filters[base + (bit >>> 5)]! |= 1 << (bit & 31)
  }
}

/** False when the page does not have the key; true when it may. */
export function mayHold(
  filters: Uint32Array,
  page: number,
  words: Uint32Array,
  at: number,
): boolean {
  const bits = bitsOf(words, at)
  const base = page * FILTER_WORDS
  for (let shift = 0; shift < 30; shift += 10) {
    const bit = (bits >>> shift) & BIT_MASK
    if (((filters[base + (bit >>> 5)]! >>> (bit & 31)) & 1) === 0) return false
  }
  return true
}

/** Independent of the hash that chooses the page: the words the other way round. */
function bitsOf(words: Uint32Array, at: number): number {
  return mixHash(words[at + 3]!, words[at + 2]!, words[at + 1]!, words[at]!)
}
