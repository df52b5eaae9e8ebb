/**
 * Which column is which when a relation message comes: it tells names and types in order, not
 * `attnum`. Pure.
 *
 * Certain is: attnums are given in growing order and never again; a relation message has its
 * columns in that order; a column that lived before and lives now lived in between; a column that
 * is there was born after all smaller ones. Taken for granted is that nobody drops a column and
 * adds one of the same name and type while the changes before that are unread. What stays open
 * after that is answered with null, never with a guess.
 */

/** A column as it was when its stream was last understood. */
export interface KnownColumn {
  /** Null when it was not understood then. */
  readonly id: number | null
  readonly name: string
  /** As people write it: `numeric(10,2)`. */
  readonly type: string
}

/** A column of a relation message. */
export interface AnnouncedColumn {
  readonly name: string
  readonly type: string
}

/** An attribute as the catalogue shows it today; a dropped one keeps its number only. */
export interface AttributeFacts extends AnnouncedColumn {
  readonly attnum: number
  readonly isDropped: boolean
}

/** Steps of the search before the answer is "unknown". */
const STEPS_MAX = 20_000

/**
 * The attnum of each announced column, null where the facts allow several. `known` is the shape
 * before, null when there is none; `facts` the catalogue, read after the message, in attnum order.
 */
export function identifyColumns(
  announced: readonly AnnouncedColumn[],
  known: readonly KnownColumn[] | null,
  facts: readonly AttributeFacts[],
): readonly (number | null)[] {
  const search = new Search(announced, known, facts)
  const found = search.run()
  return announced.map((_, index) => {
    const attnums = found?.[index]
    return attnums?.size === 1 ? ([...attnums][0] as number) : null
  })
}

class Search {
  readonly #announced: readonly AnnouncedColumn[]
  readonly #facts: readonly AttributeFacts[]
  /** Attnum → the known column; null when the shape before is not understood. */
  readonly #known: ReadonlyMap<number, KnownColumn> | null
  readonly #knownMax: number
  /** Announced column → attnums that its name and type allow; null for any. */
  readonly #named: readonly (number | null)[]
  readonly #found: Set<number>[]
  readonly #chosen: number[] = []
  #steps = 0

  constructor(
    announced: readonly AnnouncedColumn[],
    known: readonly KnownColumn[] | null,
    facts: readonly AttributeFacts[],
  ) {
    this.#announced = announced
    this.#facts = facts
    const isUnderstood = known?.every(({ id }) => id !== null) === true
    this.#known = isUnderstood ? new Map(known.map((one) => [one.id as number, one])) : null
    this.#knownMax = Math.max(0, ...(this.#known?.keys() ?? []))
    this.#named = announced.map((column) => this.#attnumByName(column))
    this.#found = announced.map(() => new Set())
  }

  /** Per announced column every attnum of an interpretation; null when there are too many. */
  run(): readonly ReadonlySet<number>[] | null {
    this.#choose(0, 0)
    return this.#steps > STEPS_MAX ? null : this.#found
  }

  /** The only attribute that has name and type before or now; null when none or two have. */
  #attnumByName({ name, type }: AnnouncedColumn): number | null {
    const isSame = (other: AnnouncedColumn): boolean => other.name === name && other.type === type
    const before = [...(this.#known?.values() ?? [])].find(isSame)?.id ?? null
    const now = this.#facts.find((fact) => !fact.isDropped && isSame(fact))?.attnum ?? null
    if (before !== null && now !== null) return before === now ? now : null
    return before ?? now
  }

  /** Extends the interpretation from announced column `index` and attribute `from` on. */
  #choose(index: number, from: number): void {
    if (++this.#steps > STEPS_MAX) return
    const rest = this.#facts.slice(from)
    if (index === this.#announced.length) {
      if (rest.every((fact) => !this.#mustBeThere(fact))) this.#keep()
      return
    }
    for (const [offset, fact] of rest.entries()) {
      if (this.#fits(index, fact)) {
        this.#chosen[index] = fact.attnum
        this.#choose(index + 1, from + offset + 1)
      }
      // One that lives today was there before any later one.
      if (!fact.isDropped) return
    }
  }

  #fits(index: number, fact: AttributeFacts): boolean {
    const { name } = this.#announced[index] as AnnouncedColumn
    const named = this.#named[index] as number | null
    if (named !== null) return named === fact.attnum
    if (this.#known === null) return true
    const before = this.#known.get(fact.attnum)
    if (before === undefined) return fact.attnum > this.#knownMax
    // A name that is the same before and now was the same in between.
    return fact.isDropped || before.name !== fact.name || before.name === name
  }

  /** Lives now and lived before: lived in between. */
  #mustBeThere(fact: AttributeFacts): boolean {
    return !fact.isDropped && this.#known?.has(fact.attnum) === true
  }

  #keep(): void {
    for (const [index, attnum] of this.#chosen.entries()) this.#found[index]?.add(attnum)
  }
}
