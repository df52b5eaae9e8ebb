/**
 * Groups the changes of one batch by key: a small open-addressing table in typed arrays, reused
 * over batches.
 */

/**
 * Result of `group`: groups are numbered in order of first appearance.
 * `groupOf[i]` is the group of change i; `previous[i]` the change before it in the same group, or
 * -1.
 */
export class KeyGroups {
  groupOf = new Int32Array(0)
  previous = new Int32Array(0)
  /** Last change seen of each group. */
  last = new Int32Array(0)
  /** Hashes of the groups, four u32 each: what the key index is asked for. */
  groupHashes = new Uint32Array(0)
  groupCount = 0
  private slots = new Int32Array(0)

  /** Groups `hashes[0..4*count)`. */
  group(hashes: Uint32Array, count: number): void {
    this.reserve(count)
    const { slots, groupOf, previous, last, groupHashes } = this
    const mask = slots.length - 1
    slots.fill(0)
    let groups = 0
    for (let row = 0; row < count; row++) {
      const at = row * 4
      const h0 = hashes[at] as number
      const h1 = hashes[at + 1] as number
      const h2 = hashes[at + 2] as number
      const h3 = hashes[at + 3] as number
      let slot = mixed(h0, h1, h2, h3) & mask
      for (;;) {
        const group = (slots[slot] as number) - 1
        if (group < 0) {
          slots[slot] = groups + 1
          const to = groups * 4
          groupHashes[to] = h0
          groupHashes[to + 1] = h1
          groupHashes[to + 2] = h2
          groupHashes[to + 3] = h3
          groupOf[row] = groups
          previous[row] = -1
          last[groups] = row
          groups++
          break
        }
        const of = group * 4
        if (
          groupHashes[of] === h0 &&
          groupHashes[of + 1] === h1 &&
          groupHashes[of + 2] === h2 &&
          groupHashes[of + 3] === h3
        ) {
          groupOf[row] = group
          previous[row] = last[group] as number
          last[group] = row
          break
        }
        slot = (slot + 1) & mask
      }
    }
    this.groupCount = groups
  }

  private reserve(count: number): void {
    if (this.groupOf.length < count) {
      this.groupOf = new Int32Array(count)
      this.previous = new Int32Array(count)
      this.last = new Int32Array(count)
      this.groupHashes = new Uint32Array(count * 4)
    }
    const slotCount = 2 ** Math.ceil(Math.log2(Math.max(16, count * 2)))
    if (this.slots.length !== slotCount) this.slots = new Int32Array(slotCount)
  }
}

/** Keys may be plain numbers: every bit of them must move the slot. */
function mixed(h0: number, h1: number, h2: number, h3: number): number {
  const sum = h0 ^ Math.imul(h1, 0x9e37_79b1) ^ Math.imul(h2, 0x85eb_ca77) ^ h3
  const product = Math.imul(sum ^ (sum >>> 16), 0x7feb_352d)
  return product ^ (product >>> 15)
}
