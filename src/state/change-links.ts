/** Which changes of one batch concern the same key: links in typed arrays, without an object per change. */

import { mixHash } from './partition.ts'

/** Links between the changes of a batch; entry i belongs to change i. Valid until the next `link`. */
export interface ChangeLinks {
  /** Number of the change before this one to the same key within the batch, or -1. */
  readonly previous: Int32Array
  /** 1 for the last change to its key within the batch, else 0. */
  readonly isLast: Uint8Array
  /** Number of distinct keys. */
  readonly keyCount: number
}

/** Links the changes of batch after batch; its arrays are reused and grow to the largest batch. */
export interface ChangeLinker {
  /** `hashes` holds four u32 per change, in the order in which the changes apply. */
  link(hashes: Uint32Array, count: number): ChangeLinks
}

/** Makes a linker with room for batches of `capacity` changes; it grows beyond. */
export function createChangeLinker(capacity = 0): ChangeLinker {
  let arrays = allocate(capacity)
  return {
    link(hashes, count) {
      if (count > arrays.previous.length) arrays = allocate(count)
      const { heads, previous, isLast } = arrays
      // A power of two of at least twice the batch, so that short batches clear little.
      const slots = slotCountFor(count)
      const keyCount = linkChanges(hashes, count, heads.subarray(0, slots), previous, isLast)
      return { previous: previous.subarray(0, count), isLast: isLast.subarray(0, count), keyCount }
    },
  }
}

interface Arrays {
  /** Open-addressing table: number of a key's newest change plus one, 0 = empty. */
  readonly heads: Int32Array
  readonly previous: Int32Array
  readonly isLast: Uint8Array
}

function allocate(capacity: number): Arrays {
  return {
    heads: new Int32Array(slotCountFor(capacity)),
    previous: new Int32Array(capacity),
    isLast: new Uint8Array(capacity),
  }
}

function slotCountFor(count: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(count, 8) * 2))
}

function linkChanges(
  hashes: Uint32Array,
  count: number,
  heads: Int32Array,
  previous: Int32Array,
  isLast: Uint8Array,
): number {
  const mask = heads.length - 1
  heads.fill(0)
  let keyCount = 0
  for (let i = 0; i < count; i++) {
    const a = hashes[i * 4]!
    const b = hashes[i * 4 + 1]!
    const c = hashes[i * 4 + 2]!
    const d = hashes[i * 4 + 3]!
    let slot = mixHash(a, b, c, d) & mask
    let before = heads[slot]! - 1
    while (before >= 0) {
      const at = before * 4
      if (
        hashes[at] === a &&
        hashes[at + 1] === b &&
        hashes[at + 2] === c &&
        hashes[at + 3] === d
      ) {
        break
      }
      slot = (slot + 1) & mask
      before = heads[slot]! - 1
    }
    heads[slot] = i + 1
    previous[i] = before
    isLast[i] = 1
    if (before >= 0) isLast[before] = 0
    else keyCount++
  }
  return keyCount
}
