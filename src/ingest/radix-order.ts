/**
 * Orders the rows of typed columns digit by digit, without comparing: time follows their number.
 */

/** Bits of a digit: few passes, and counters that stay in the first cache. */
const DIGIT_BITS = 11
const DIGIT_MASK = 2 ** DIGIT_BITS - 1

/** Row numbers in ascending order of the first column, then of the next; equal rows keep theirs. */
export function orderByColumns(columns: readonly [Uint32Array, ...Uint32Array[]]): Uint32Array {
  const count = columns[0].length
  let order = new Uint32Array(count)
  for (let row = 0; row < count; row++) order[row] = row
  let spare = new Uint32Array(count)
  const ends = new Uint32Array(DIGIT_MASK + 1)
  for (const values of columns.toReversed()) {
    const bits = 32 - Math.clz32(highestOf(values))
    for (let shift = 0; shift < bits; shift += DIGIT_BITS) {
      orderByDigit({ values, shift, order, ends }, spare)
      ;[order, spare] = [spare, order]
    }
  }
  return order
}

function highestOf(values: Uint32Array): number {
  let highest = 0
  for (let row = 0; row < values.length; row++) {
    if ((values[row] as number) > highest) highest = values[row] as number
  }
  return highest
}

/** One stable pass of counting sort. */
function orderByDigit(
  pass: {
    readonly values: Uint32Array
    readonly shift: number
    readonly order: Uint32Array
    readonly ends: Uint32Array
  },
  into: Uint32Array,
): void {
  const { values, shift, order, ends } = pass
  ends.fill(0)
  for (let row = 0; row < values.length; row++) {
    const digit = ((values[row] as number) >>> shift) & DIGIT_MASK
    ends[digit] = (ends[digit] as number) + 1
  }
  let sum = 0
  for (let digit = 0; digit <= DIGIT_MASK; digit++) {
    const size = ends[digit] as number
    ends[digit] = sum
    sum += size
  }
  for (let at = 0; at < order.length; at++) {
    const row = order[at] as number
    const digit = ((values[row] as number) >>> shift) & DIGIT_MASK
    const place = ends[digit] as number
    ends[digit] = place + 1
    into[place] = row
  }
}
