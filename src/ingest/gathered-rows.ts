/**
 * Rows of one file that the parts of a commit delete. A transaction of millions of rows has as
 * many: few are kept as lists, many as one bit for each row of the file.
 */

/** A growing set of row positions. */
export interface GatheredRows {
  readonly count: number
  /** Adds positions, in ascending order; none of them is there yet. */
  add(rows: Uint32Array): void
  /** All positions, ascending, as an array of its own. */
  toRows(): Uint32Array
}

/** Makes an empty set. */
export function createGatheredRows(): GatheredRows {
  const lists: Uint32Array[] = []
  let bits: Uint32Array | null = null
  let count = 0
  let rowMax = 0
  return {
    get count() {
      return count
    },
    add: (rows) => {
      if (rows.length === 0) return
      count += rows.length
      rowMax = Math.max(rowMax, rows.at(-1) as number)
      const wordCount = (rowMax >>> 5) + 1
      if (bits === null && count < wordCount) {
        lists.push(rows)
        return
      }
      bits = roomFor(wordCount, bits)
      for (const list of [...lists.splice(0), rows]) setBits(bits, list)
    },
    toRows: () => (bits === null ? united(lists, count) : fromBits(bits, count)),
  }
}

/** The bits with room for later rows of the same file, so that few parts copy them. */
function roomFor(wordCount: number, bits: Uint32Array | null): Uint32Array {
  if (bits !== null && bits.length >= wordCount) return bits
  const grown = new Uint32Array(bits === null ? wordCount : Math.ceil(wordCount * 1.25))
  if (bits !== null) grown.set(bits)
  return grown
}

function setBits(bits: Uint32Array, rows: Uint32Array): void {
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] as number
    bits[row >>> 5] = (bits[row >>> 5] as number) | (1 << (row & 31))
  }
}

function fromBits(bits: Uint32Array, count: number): Uint32Array {
  const rows = new Uint32Array(count)
  let to = 0
  for (let word = 0; word < bits.length; word++) {
    for (let left = bits[word] as number; left !== 0; left &= left - 1) {
      rows[to++] = word * 32 + (31 - Math.clz32(left & -left))
    }
  }
  return rows
}

function united(lists: readonly Uint32Array[], count: number): Uint32Array {
  const all = new Uint32Array(count)
  let at = 0
  for (const list of lists) {
    all.set(list, at)
    at += list.length
  }
  return lists.length === 1 ? all : all.sort()
}
