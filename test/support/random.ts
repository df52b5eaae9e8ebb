/** Dice with a seed, so that a red run can be thrown again. */

/** Pseudo-random choices. */
export interface Dice {
  /** A number in [0, 1). */
  next(): number
  /** An integer in [0, below). */
  roll(below: number): number
  /** An integer in [from, to]. */
  between(from: number, to: number): number
  pick<Item>(items: readonly Item[]): Item
}

/** Dice of one seed (mulberry32). */
export function createDice(seed: number): Dice {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const roll = (below: number): number => Math.floor(next() * below)
  return {
    next,
    roll,
    between: (from, to) => from + roll(to - from + 1),
    pick: (items) => {
      const item = items[roll(items.length)]
      if (item === undefined) throw new Error('nothing to pick from')
      return item
    },
  }
}
