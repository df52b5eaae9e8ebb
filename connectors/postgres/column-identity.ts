/**
 * Which column is which when a relation message comes: it tells names and types in order, not
 * `attnum`. Pure.
 *
 * Certain is: attnums are given in growing order and never again; a relation message has its
 * columns in that order; a column that lived before and lives now lived in between; a column that
 * is there was born after all smaller ones. Taken for granted is that nobody drops a column and
 * adds one of the same name and type while the changes before that are unread. What stays open
 * after that is answered with null, never with a guess; each way to read the messages so far is
 * remembered, since a later message may leave only one of them.
 */

/** A column of a relation message. */
export interface AnnouncedColumn {
  readonly name: string
  /** As people write it: `numeric(10,2)`. */
  readonly type: string
}

/** A column as it was when its stream was last understood. */
export interface KnownColumn extends AnnouncedColumn {
  /** Null when it was not understood then. */
  readonly id: number | null
}

/** An attribute as the catalogue shows it today; a dropped one keeps its number only. */
export interface AttributeFacts extends AnnouncedColumn {
  readonly attnum: number
  readonly isDropped: boolean
}

/** The columns of a table before a relation message. */
export interface KnownShape {
  readonly columns: readonly AnnouncedColumn[]
  /** One of them is true, where what is taken for granted holds. */
  readonly readings: readonly Reading[]
}

/** A way to read the messages so far. */
interface Reading {
  /** Attnum of each column; null when it is not known. */
  readonly attnums: readonly (number | null)[]
  /** Was given already: a column that comes later has a greater one. */
  readonly highest: number
}

/** Which columns a message is about. */
export interface Identified {
  /** Attnum of each announced column, null where the facts allow several. */
  readonly ids: readonly (number | null)[]
  /** For the next message. */
  readonly shape: KnownShape
  /** False when the facts allow no reading at all. */
  readonly isPossible: boolean
}

/** Steps of the search before the answer is "unknown". */
const STEPS_MAX = 20_000
/** Readings that are told apart; of more only what they agree on is remembered. */
const READINGS_MAX = 64

/** Columns as one reading; `highest` was given already, to one of them or to one that is gone. */
export function shapeOf(columns: readonly KnownColumn[], highest = 0): KnownShape {
  const attnums = columns.map(({ id }) => id)
  const all = [highest, ...attnums.map((id) => id ?? 0)]
  return { columns, readings: [{ attnums, highest: Math.max(...all) }] }
}

/** What all readings of a shape agree on. */
export function agreedIds({ columns, readings }: KnownShape): readonly (number | null)[] {
  return columns.map((_, index) => {
    const attnums = new Set(readings.map(({ attnums }) => attnums[index] ?? null))
    return attnums.size === 1 ? ([...attnums][0] as number | null) : null
  })
}

/**
 * Identifies the announced columns. `known` is the shape before, null when there is none; `facts`
 * the catalogue, read after the message, in attnum order.
 */
export function identifyColumns(
  announced: readonly AnnouncedColumn[],
  known: KnownShape | null,
  facts: readonly AttributeFacts[],
): Identified {
  const found = new Findings(announced.length)
  const nothing: Reading = { attnums: [], highest: 0 }
  for (const reading of known?.readings ?? [nothing]) {
    new Search({ announced, facts, found, columns: known?.columns ?? null, reading }).run()
  }
  const shape = { columns: announced, readings: found.readings() }
  return { ids: found.ids(), shape, isPossible: found.isAny }
}

/** What the searches of one message found. */
class Findings {
  readonly #readings = new Map<string, Reading>()
  /** Announced column → its attnums in all readings, those beyond the bound too. */
  readonly #attnums: readonly Set<number>[]
  #highest = Number.POSITIVE_INFINITY
  #steps = 0

  constructor(columnCount: number) {
    this.#attnums = Array.from({ length: columnCount }, () => new Set())
  }

  /** True while there are steps left. */
  step(): boolean {
    return ++this.#steps <= STEPS_MAX
  }

  add(attnums: readonly number[], highestBefore: number): void {
    const highest = Math.max(highestBefore, ...attnums)
    for (const [index, attnum] of attnums.entries()) this.#attnums[index]?.add(attnum)
    this.#highest = Math.min(this.#highest, highest)
    if (this.#readings.size > READINGS_MAX) return
    this.#readings.set(JSON.stringify([attnums, highest]), { attnums: [...attnums], highest })
  }

  get isAny(): boolean {
    return this.#steps > STEPS_MAX || this.#readings.size > 0
  }

  ids(): readonly (number | null)[] {
    return this.#attnums.map((attnums) => {
      return this.#steps <= STEPS_MAX && attnums.size === 1 ? ([...attnums][0] as number) : null
    })
  }

  /** At least one. None was found when something did not hold that is taken for granted. */
  readings(): readonly Reading[] {
    const count = this.#readings.size
    const areAll = this.#steps <= STEPS_MAX && count <= READINGS_MAX
    if (areAll && count > 0) return [...this.#readings.values()]
    const isSearched = this.#steps <= STEPS_MAX && count > 0
    return [{ attnums: this.ids(), highest: isSearched ? this.#highest : 0 }]
  }
}

interface SearchRequest {
  readonly announced: readonly AnnouncedColumn[]
  readonly facts: readonly AttributeFacts[]
  readonly found: Findings
  /** Columns of the reading; null when nothing is known of the table. */
  readonly columns: readonly AnnouncedColumn[] | null
  readonly reading: Reading
}

/** Goes on from one reading: finds what the announced columns may be. */
class Search {
  readonly #announced: readonly AnnouncedColumn[]
  readonly #facts: readonly AttributeFacts[]
  readonly #found: Findings
  readonly #highest: number
  /** Attnum → the column before. */
  readonly #known = new Map<number, AnnouncedColumn>()
  /** All columns before are known by their attnums. */
  readonly #isUnderstood: boolean
  /** Announced column → attnum that its name and type allow; null for any. */
  readonly #named: readonly (number | null)[]
  readonly #chosen: number[] = []

  constructor({ announced, facts, found, columns, reading }: SearchRequest) {
    this.#announced = announced
    this.#facts = facts
    this.#found = found
    this.#highest = reading.highest
    this.#isUnderstood = columns !== null && reading.attnums.every((attnum) => attnum !== null)
    for (const [index, column] of (columns ?? []).entries()) {
      const attnum = reading.attnums[index] ?? null
      if (attnum !== null) this.#known.set(attnum, column)
    }
    this.#named = announced.map((column) => this.#attnumByName(column))
  }

  run(): void {
    this.#choose(0, 0)
  }

  /** The only attribute that has name and type before or now; null when none or two have. */
  #attnumByName({ name, type }: AnnouncedColumn): number | null {
    const isSame = (other: AnnouncedColumn): boolean => other.name === name && other.type === type
    const before = [...this.#known].find(([, column]) => isSame(column))?.[0] ?? null
    const now = this.#facts.find((fact) => !fact.isDropped && isSame(fact))?.attnum ?? null
    if (before !== null && now !== null) return before === now ? now : null
    return before ?? now
  }

  /** Extends the interpretation from announced column `index` and attribute `from` on. */
  #choose(index: number, from: number): void {
    if (!this.#found.step()) return
    const rest = this.#facts.slice(from)
    if (index === this.#announced.length) {
      const isWhole = rest.every((fact) => !this.#mustBeThere(fact))
      if (isWhole) this.#found.add(this.#chosen.slice(0, index), this.#highest)
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
    const before = this.#known.get(fact.attnum)
    if (before === undefined) return !this.#isUnderstood || fact.attnum > this.#highest
    // A name that is the same before and now was the same in between.
    return fact.isDropped || before.name !== fact.name || before.name === name
  }

  /** Lives now and lived before: lived in between. */
  #mustBeThere(fact: AttributeFacts): boolean {
    return !fact.isDropped && this.#known.has(fact.attnum)
  }
}
