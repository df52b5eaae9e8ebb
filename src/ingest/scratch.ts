/**
 * Typed arrays that one lane uses again for every batch. New ones would make the collector run
 * several times a batch, since it counts their memory as garbage to be.
 */

import type { RowLocations } from '../contracts/index.ts'

/** What an array is for; two uses that overlap in time have two names. */
type Use = 'changes' | 'groups' | 'stored' | 'gone'

/** Arrays by use. A view is valid until the next call for the same use. */
export interface Scratch {
  hashes(use: Use, count: number): Uint32Array
  ops(count: number): Uint8Array
  orderings(use: Use, count: number): BigInt64Array
  locations(use: Use, count: number): RowLocations
}

/** Makes an empty scratch; its arrays grow to the largest batch. */
export function createScratch(): Scratch {
  const words = new Map<string, Uint32Array>()
  const longs = new Map<string, BigInt64Array>()
  let bytes = new Uint8Array(0)

  function u32(name: string, count: number): Uint32Array {
    const known = words.get(name)
    const array =
      known !== undefined && known.length >= count ? known : new Uint32Array(grown(count))
    words.set(name, array)
    return array.subarray(0, count)
  }

  function i64(name: string, count: number): BigInt64Array {
    const known = longs.get(name)
    const array =
      known !== undefined && known.length >= count ? known : new BigInt64Array(grown(count))
    longs.set(name, array)
    return array.subarray(0, count)
  }

  return {
    hashes: (use, count) => u32(`${use}.hashes`, count * 4),
    ops: (count) => {
      if (bytes.length < count) bytes = new Uint8Array(grown(count))
      return bytes.subarray(0, count)
    },
    orderings: (use, count) => i64(`${use}.orderings`, count),
    locations: (use, count) => ({
      files: u32(`${use}.files`, count),
      rows: u32(`${use}.rows`, count),
      orderings: i64(`${use}.orderings`, count),
    }),
  }
}

/** Some room above what is needed now, so that slightly larger batches need no new array. */
function grown(count: number): number {
  return Math.ceil(count * 1.25)
}
