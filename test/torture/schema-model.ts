/**
 * A table whose columns keep changing, in plain JavaScript: statements, what the source makes of
 * them, and what a table that follows it must hold. Knows nothing of Sluice but its documented
 * rules.
 */

import type { Dice } from '../support/random.ts'

/** Types of the storm, as Postgres writes them. */
export type ModelType =
  | 'smallint'
  | 'integer'
  | 'bigint'
  | 'numeric(12,2)'
  | 'numeric(16,4)'
  | 'numeric(26,4)'
  | 'real'
  | 'double precision'
  | 'date'
  | 'timestamp'
  | 'varchar(40)'
  | 'text'

/** One statement on the table; `put` inserts or updates the whole row. */
export type Statement =
  | {
      readonly kind: 'add'
      readonly name: string
      readonly type: ModelType
      /** The default: what rows of before have in the column. */
      readonly initial: Value
    }
  | { readonly kind: 'drop'; readonly name: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'retype'; readonly name: string; readonly type: ModelType }
  | { readonly kind: 'put'; readonly id: number; readonly values: Readonly<Record<string, Value>> }
  | { readonly kind: 'delete'; readonly id: number }
  | { readonly kind: 'truncate' }

/** Canonical text of a value. */
export type Value = string | null

/** Column of the source. */
export interface ModelColumn {
  /** Given in order and never again. */
  readonly attnum: number
  readonly name: string
  readonly type: ModelType
  /** What rows have in it that were there before it. */
  readonly initial: Value
}

/** Column of the table. */
export interface HeldColumn {
  readonly attnum: number
  readonly fieldId: number
  readonly name: string
  readonly isGone: boolean
}

/** What the table does, as far as the storm varies it. */
export interface ModelPolicies {
  readonly drop: 'keep' | 'apply'
  readonly rename: 'keep' | 'apply'
}

type Row = ReadonlyMap<number, Value>

/** Columns and rows of the source. */
export class SourceModel {
  columns: readonly ModelColumn[] = [
    { attnum: 1, name: 'id', type: 'integer', initial: null },
    { attnum: 2, name: 'seq', type: 'integer', initial: null },
    { attnum: 3, name: 'note', type: 'text', initial: null },
  ]
  readonly rows = new Map<number, Row>()
  #attnum = 3

  apply(statement: Statement): void {
    const edit = (name: string, change: Partial<ModelColumn>): void => {
      this.columns = this.columns.map((column) =>
        column.name === name ? { ...column, ...change } : column,
      )
    }
    switch (statement.kind) {
      case 'add': {
        const { name, type, initial } = statement
        const attnum = ++this.#attnum
        this.columns = [...this.columns, { attnum, name, type, initial }]
        for (const [id, row] of this.rows) this.rows.set(id, new Map([...row, [attnum, initial]]))
        return
      }
      case 'drop':
        this.columns = this.columns.filter(({ name }) => name !== statement.name)
        return
      case 'rename':
        edit(statement.from, { name: statement.to })
        return
      case 'retype':
        edit(statement.name, { type: statement.type })
        return
      case 'put': {
        const { id, values } = statement
        const entries = this.columns.map(
          ({ attnum, name }) =>
            [attnum, name === 'id' ? String(id) : (values[name] ?? null)] as const,
        )
        this.rows.set(id, new Map(entries))
        return
      }
      case 'delete':
        this.rows.delete(statement.id)
        return
      case 'truncate':
        this.rows.clear()
        return
      default: {
        const never: never = statement
        throw new Error(`no statement: ${JSON.stringify(never)}`)
      }
    }
  }
}

/** Columns and rows of a table that follows the source. */
export class TableModel {
  columns: readonly HeldColumn[]
  readonly rows = new Map<number, Row>()
  readonly #policies: ModelPolicies
  #fieldId: number

  /** The table right after a copy. */
  constructor(source: SourceModel, policies: ModelPolicies) {
    this.#policies = policies
    this.columns = source.columns.map(({ attnum, name }, index) => ({
      attnum,
      fieldId: index + 1,
      name,
      isGone: false,
    }))
    // Two meta columns come after those of the source.
    this.#fieldId = source.columns.length + 2
    for (const [id, row] of source.rows) this.rows.set(id, row)
  }

  /** Takes over what a statement has done; `source` has applied it already. */
  follow(source: SourceModel, statement: Statement): void {
    switch (statement.kind) {
      case 'put':
        this.#followColumns(source)
        this.rows.set(statement.id, source.rows.get(statement.id) as Row)
        return
      case 'delete':
        this.#followColumns(source)
        this.rows.delete(statement.id)
        return
      case 'truncate':
        this.#followColumns(source)
        this.rows.clear()
        return
      default: // columns show with the next row
        return
    }
  }

  /** Rows as text, one line each, columns in the order given. */
  lines(columns: readonly HeldColumn[] = this.columns): readonly string[] {
    const rows = [...this.rows.values()]
    return rows.map((row) => columns.map(({ attnum }) => row.get(attnum) ?? '∅').join('|')).sort()
  }

  #followColumns(source: SourceModel): void {
    const { drop, rename } = this.#policies
    const present = new Map(source.columns.map((column) => [column.attnum, column]))
    let held = this.columns.flatMap((column): readonly HeldColumn[] => {
      const now = present.get(column.attnum)
      if (now === undefined) return drop === 'keep' ? [{ ...column, isGone: true }] : []
      return [rename === 'apply' ? { ...column, name: now.name } : column]
    })
    for (const { attnum, name, initial } of source.columns) {
      if (held.some((column) => column.attnum === attnum)) continue
      for (const [id, row] of this.rows) this.rows.set(id, new Map([[attnum, initial], ...row]))
      held = [...held, { attnum, fieldId: ++this.#fieldId, name, isGone: false }]
    }
    const taken = new Set(held.filter(({ isGone }) => !isGone).map(({ name }) => name))
    this.columns = held.map((column) =>
      column.isGone && taken.has(column.name)
        ? { ...column, name: `${column.name}_gone_${column.fieldId}` }
        : column,
    )
  }
}

/** Types that a column may grow to without being refused. */
const WIDER: Readonly<Partial<Record<ModelType, readonly ModelType[]>>> = {
  smallint: ['integer', 'bigint', 'double precision', 'numeric(16,4)'],
  integer: ['bigint', 'numeric(16,4)', 'double precision'],
  bigint: ['numeric(26,4)'],
  'numeric(12,2)': ['numeric(16,4)', 'numeric(26,4)'],
  'numeric(16,4)': ['numeric(26,4)'],
  real: ['double precision'],
  date: ['timestamp'],
  'varchar(40)': ['text'],
}

/** Types that a column cannot follow to. */
const OTHER: Readonly<Partial<Record<ModelType, ModelType>>> = {
  integer: 'text',
  bigint: 'text',
  'numeric(12,2)': 'text',
  timestamp: 'text',
  'double precision': 'text',
}

const TYPES: readonly ModelType[] = [
  'smallint',
  'integer',
  'bigint',
  'numeric(12,2)',
  'real',
  'date',
  'varchar(40)',
  'text',
]
const NAMES = ['alpha', 'beta', 'gamma', 'delta', 'Mixed Case', 'état', 'order']
const COLUMNS_MAX = 9
const IDS = 40

/** How the storm blows. */
export interface StormOptions {
  readonly dice: Dice
  /** True when columns may get a type that the table must refuse. */
  readonly mayRefuse: boolean
  /** Number of names; with few of them dropped names come back. */
  readonly freshNames: boolean
  /**
   * Columns up to this attnum have been read. Later ones that came with a default stay for now: the
   * source forgets the default of one that was dropped.
   */
  readonly readAttnum: number
  /** Columns may come with a default. */
  readonly defaults: boolean
}

/** A transaction that the source can apply, whose last statement writes `seq` into row 0. */
export function inventTransaction(
  source: SourceModel,
  seq: number,
  options: StormOptions,
): readonly Statement[] {
  const { dice } = options
  const statements: Statement[] = []
  const add = (statement: Statement | null): void => {
    if (statement === null) return
    source.apply(statement)
    statements.push(statement)
  }
  for (let left = dice.between(0, 3); left > 0; left--) {
    add(inventChange(source, seq, options))
    for (let rows = dice.between(0, 3); rows > 0; rows--) add(inventRow(source, dice))
  }
  for (let rows = dice.between(0, 4); rows > 0; rows--) add(inventRow(source, dice))
  add({ kind: 'put', id: 0, values: { ...inventValues(source, dice), seq: String(seq) } })
  return statements
}

function inventChange(source: SourceModel, seq: number, options: StormOptions): Statement | null {
  const { dice } = options
  const own = source.columns.filter(({ attnum }) => attnum > 3)
  const free = freeName(source, seq, options)
  const roll = dice.roll(100)
  if (own.length === 0 || (roll < 30 && source.columns.length < COLUMNS_MAX)) {
    const type = dice.pick(TYPES)
    const hasDefault = options.defaults && dice.roll(2) === 0
    const initial = hasDefault ? inventValue(type, dice) : null
    return { kind: 'add', name: free, type, initial }
  }
  const column = dice.pick(own)
  if (roll < 50) {
    const isDroppable = column.initial === null || column.attnum <= options.readAttnum
    return isDroppable ? { kind: 'drop', name: column.name } : null
  }
  if (roll < 70) return { kind: 'rename', from: column.name, to: free }
  const other = OTHER[column.type]
  if (roll < 74 && options.mayRefuse && other !== undefined) {
    return { kind: 'retype', name: column.name, type: other }
  }
  const wider = WIDER[column.type]
  return wider === undefined ? null : { kind: 'retype', name: column.name, type: dice.pick(wider) }
}

function freeName(source: SourceModel, seq: number, { dice, freshNames }: StormOptions): string {
  const taken = new Set(source.columns.map(({ name }) => name))
  let name = freshNames ? `c${seq}` : dice.pick(NAMES)
  while (taken.has(name)) name += '_'
  return name
}

function inventRow(source: SourceModel, dice: Dice): Statement {
  const roll = dice.roll(100)
  const id = dice.between(1, IDS)
  if (roll < 1) return { kind: 'truncate' }
  if (roll < 20 && source.rows.has(id)) return { kind: 'delete', id }
  return { kind: 'put', id, values: inventValues(source, dice) }
}

function inventValues(source: SourceModel, dice: Dice): Record<string, Value> {
  const values: Record<string, Value> = {}
  for (const { name, type } of source.columns) {
    values[name] = dice.roll(8) === 0 ? null : inventValue(type, dice)
  }
  return values
}

function inventValue(type: ModelType, dice: Dice): string {
  switch (type) {
    case 'smallint':
      return String(dice.between(-30_000, 30_000))
    case 'integer':
      return String(dice.between(-2_000_000_000, 2_000_000_000))
    case 'bigint':
      return `${dice.between(1, 9_000)}${String(dice.roll(1e9)).padStart(9, '0')}123`
    case 'numeric(12,2)':
    case 'numeric(16,4)':
    case 'numeric(26,4)':
      return canonical(`${dice.between(-99_999, 99_999)}.${dice.between(0, 9)}5`)
    case 'real':
    case 'double precision':
      return canonical(String(dice.between(-4000, 4000) / 8))
    case 'date':
      return `20${dice.between(10, 29)}-0${dice.between(1, 9)}-1${dice.roll(10)}`
    case 'timestamp':
      return `20${dice.between(10, 29)}-0${dice.between(1, 9)}-1${dice.roll(10)} 10:11:12`
    case 'varchar(40)':
    case 'text':
      return dice.pick(['', 'x', 'tab\tand\nline', 'back\\slash', 'ünï 🙂', `n${dice.roll(1e6)}`])
    default: {
      const never: never = type
      return never
    }
  }
}

/** One text for values that are equal, whatever type prints them. */
export function canonical(text: string): string {
  if (/^-?\d+\.\d+$/.test(text)) {
    const short = text.replace(/\.?0+$/, '')
    return short === '-0' ? '0' : short
  }
  return text.replace(/^(\d{4}-\d\d-\d\d) 00:00:00$/, '$1')
}
