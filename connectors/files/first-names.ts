/** The first names of many, in bounded memory. Pure. */

/** Takes names in any order, and keeps the first ones in the order of their UTF-16 code units. */
export interface FirstNames {
  add(name: string): void
  /** False when a name that is not below `low` would not be kept. */
  mayTake(low: string): boolean
  /** The names that were kept, in order. */
  names(): readonly string[]
}

/** Keeps `max` names, and holds twice as many at most. */
export function createFirstNames(max: number): FirstNames {
  let held: string[] = []
  /** At least `max` names are not above it. */
  let bound: string | null = null
  const settle = (): void => {
    // Without a rule of its own: by code units.
    held.sort()
    held = held.slice(0, max)
    if (held.length === max) bound = held.at(-1) ?? null
  }
  return {
    add: (name) => {
      if (bound !== null && name >= bound) return
      held.push(name)
      if (held.length >= 2 * max) settle()
    },
    mayTake: (low) => bound === null || low < bound,
    names: () => {
      settle()
      return held
    },
  }
}
