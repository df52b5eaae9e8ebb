/** What a table's columns become when those of its stream change, as its policies say. Pure. */

import type { SchemaPolicies, TableTarget } from '../contracts/index.ts'
import { columnPlaces, matchColumns } from '../decode/index.ts'
import {
  compareTypes,
  isMetaColumn,
  isWholeNumber,
  numberMembers,
  type SchemaChange,
  type SourceColumn,
  type SourcePosition,
  type StreamSchema,
  type TableColumn,
  type TableSchema,
  userColumns,
} from '../model/index.ts'
import { SchemaBlock } from './schema-block.ts'

/** What is followed. */
export interface FollowRequest {
  readonly table: TableSchema
  readonly stream: StreamSchema
  readonly target: TableTarget
  /** Of the first record with the stream's schema. */
  readonly position: SourcePosition
  /** No row of the table outlives the commit, so that a column may change its type altogether. */
  readonly isEmptied: boolean
}

/** The table after the change. */
export interface FollowedSchema {
  /** The very object of the request when nothing changes. */
  readonly schema: TableSchema
  readonly changes: readonly SchemaChange[]
  /** Field id → place among the stream's columns. */
  readonly places: ReadonlyMap<number, number>
  /** Field id of each column that is new → the column, where rows of before have a value in it. */
  readonly initials: ReadonlyMap<number, SourceColumn>
}

/**
 * Follows the stream. New columns stand before the meta columns and have ids and physical names of
 * their own, never used before.
 * Throws SLU-ING-4005 for types and names that the table cannot hold, 4010 where a policy says
 * stop, 4011 when what identifies the rows changed, 4012 when the source could not tell which
 * column is which.
 */
export function followSchema(request: FollowRequest): FollowedSchema {
  const table = request.isEmptied ? withoutGoneNumbers(request.table) : request.table
  const { stream } = request
  const matched = matchColumns(userColumns(table), stream)
  const work = new Following({ ...request, table }, matched)
  work.checkIdentities()
  work.drop()
  const fieldIds = stream.columns.map((column, place) => {
    const known = matched[place] ?? null
    return known === null ? work.add(column) : work.keep(known, column)
  })
  work.makeRoom()
  work.checkKey(fieldIds)
  const places = columnPlaces(fieldIds.map((fieldId) => work.column(fieldId)))
  return { ...work.result(), places, initials: work.initials }
}

const lower = (name: string): string => name.toLowerCase()
const sourceName = ({ origin, name }: TableColumn): string => origin?.name ?? name

/** One change of a stream on its way into a table. */
class Following {
  readonly initials = new Map<number, SourceColumn>()
  readonly #request: FollowRequest
  readonly #block: SchemaBlock
  readonly #policies: SchemaPolicies
  readonly #matched: readonly (TableColumn | null)[]
  readonly #columns = new Map<number, TableColumn>()
  readonly #changes: SchemaChange[] = []
  /** Field ids of the columns that rows are told apart, ordered and partitioned by. */
  readonly #key: readonly number[]
  readonly #partitionBy: readonly number[]
  readonly #needed: ReadonlySet<number>
  /** Those that the configuration names: they must keep their names. */
  readonly #configured: ReadonlySet<number>
  #maxFieldId: number
  #isChanged = false

  constructor(request: FollowRequest, matched: readonly (TableColumn | null)[]) {
    const { table, target } = request
    this.#request = request
    this.#block = new SchemaBlock(request)
    this.#policies = target.schema
    this.#matched = matched
    const byName = new Map<string, number>()
    for (const column of userColumns(table)) {
      this.#columns.set(column.fieldId, column)
      byName.set(column.name, column.fieldId)
    }
    const idsOf = (names: readonly string[]): number[] =>
      names.map((name) => byName.get(name) ?? -1)
    this.#key = idsOf(table.key)
    this.#partitionBy = idsOf(table.partitionBy)
    const ordering = idsOf(target.orderingColumn === null ? [] : [target.orderingColumn])
    this.#needed = new Set([...this.#key, ...this.#partitionBy, ...ordering])
    const isKeyNamed = target.key !== null
    this.#configured = new Set([
      ...(isKeyNamed ? this.#key : []),
      ...this.#partitionBy,
      ...ordering,
    ])
    this.#maxFieldId = table.maxFieldId
  }

  column(fieldId: number): TableColumn | null {
    return this.#columns.get(fieldId) ?? null
  }

  /**
   * A column whose number is unknown, in the stream or in the table, must not be taken for another,
   * nor for a new one. Where no row outlives the commit it does not matter.
   */
  checkIdentities(): void {
    if (this.#request.isEmptied) return
    const missing = this.#missing()
    for (const [place, column] of this.#request.stream.columns.entries()) {
      if (column.id === undefined) continue
      const known = this.#matched[place] ?? null
      const others = column.id === null ? missing : missing.filter(isUnnumbered)
      const isDoubtful = known === null ? others.length > 0 : mayBeOther(known, column)
      if (isDoubtful) throw this.#block.unknownColumn(column, known === null ? others : [])
    }
  }

  /** Columns that the stream has no more. */
  drop(): void {
    for (const column of this.#missing()) {
      if (this.#needed.has(column.fieldId)) {
        throw this.#block.neededColumn(column, 'was dropped')
      }
      const policy = this.#policies.drop
      if (policy === 'stop') {
        throw this.#block.stopped('drop', `${sourceName(column)} was dropped`)
      }
      if (policy === 'keep') this.#set({ ...column, origin: { ...originOf(column), isGone: true } })
      else this.#remove(column)
      const outcome = policy === 'keep' ? 'kept' : 'applied'
      this.#note(column, { kind: 'drop', outcome, from: originOf(column).type, to: null })
    }
  }

  /** A column of the stream that the table does not have. Returns its field id. */
  add(column: SourceColumn): number {
    if (this.#policies.add === 'stop') {
      throw this.#block.stopped('add', `${column.name} ${column.sourceType} was added`)
    }
    if (isMetaColumn(lower(column.name))) throw this.#block.takenName(column.name)
    const fieldId = this.#maxFieldId + 1
    const { type, maxFieldId } = numberMembers(column.type, fieldId)
    this.#maxFieldId = maxFieldId
    const { name } = column
    const added: TableColumn = {
      name,
      // Field ids are given once, so no other column ever had this name in a file.
      physicalName: `${name}~${fieldId}`,
      fieldId,
      type,
      nullable: true,
      origin: { id: column.id ?? null, name, type: column.sourceType, isGone: false },
    }
    this.#set(added)
    if (column.initial !== undefined) this.initials.set(fieldId, column)
    this.#note(added, { kind: 'add', outcome: 'applied', from: null, to: column.sourceType })
    return fieldId
  }

  /** A column that both have: it may have got another name or type. Returns its field id. */
  keep(stored: TableColumn, column: SourceColumn): number {
    const before = originOf(stored)
    const replaced = this.#retype(stored, column)
    if (replaced === null) {
      this.#remove(stored)
      this.#note(stored, { kind: 'drop', outcome: 'applied', from: before.type, to: null })
      return this.add(column)
    }
    const renamed = this.#rename(replaced, column)
    const origin = {
      id: column.id ?? before.id,
      name: column.name,
      type: column.sourceType,
      isGone: false,
    }
    const isSame =
      stored.origin !== undefined &&
      before.id === origin.id &&
      before.name === origin.name &&
      before.type === origin.type &&
      !before.isGone &&
      renamed === stored
    if (!isSame) this.#set({ ...renamed, origin })
    if (before.isGone) {
      this.#note(renamed, { kind: 'add', outcome: 'applied', from: null, to: origin.type })
    }
    return stored.fieldId
  }

  /** A column that is gone gives its name to one that is there. */
  makeRoom(): void {
    const taken = new Map<string, TableColumn>()
    for (const column of this.#columns.values()) {
      if (originOf(column).isGone) continue
      const name = lower(column.name)
      if (taken.has(name)) throw this.#block.takenName(column.name)
      taken.set(name, column)
    }
    for (const column of [...this.#columns.values()]) {
      if (!originOf(column).isGone || !taken.has(lower(column.name))) continue
      const name = `${column.name}_gone_${column.fieldId}`
      if (taken.has(lower(name))) throw this.#block.takenName(name)
      taken.set(lower(name), column)
      this.#set({ ...column, name })
      this.#note(column, { kind: 'rename', outcome: 'applied', from: column.name, to: name })
    }
  }

  /** Rows of one key must stay one row: the columns that make the key must be the same. */
  checkKey(fieldIds: readonly number[]): void {
    const { stream, target } = this.#request
    if (target.mode === 'append' || target.key !== null) return
    const places = stream.key.map((key) => stream.columns.findIndex(({ name }) => name === key))
    const found = new Set(places.map((place) => fieldIds[place]))
    const isSame = found.size === this.#key.length && this.#key.every((id) => found.has(id))
    if (!isSame) throw this.#block.changedKey(this.#request.table.key, stream.key)
  }

  result(): Pick<FollowedSchema, 'schema' | 'changes'> {
    const { table } = this.#request
    if (!this.#isChanged) return { schema: table, changes: [] }
    const meta = table.columns.filter((column) => isMetaColumn(column.name))
    const namesOf = (fieldIds: readonly number[]): string[] =>
      fieldIds.map((fieldId) => (this.#columns.get(fieldId) as TableColumn).name)
    const schema: TableSchema = {
      columns: [...this.#columns.values(), ...meta],
      partitionBy: namesOf(this.#partitionBy),
      key: namesOf(this.#key),
      maxFieldId: this.#maxFieldId,
    }
    return { schema, changes: this.#changes }
  }

  #missing(): readonly TableColumn[] {
    const found = new Set(this.#matched.map((column) => column?.fieldId))
    return userColumns(this.#request.table).filter(
      (column) => !found.has(column.fieldId) && column.origin?.isGone !== true,
    )
  }

  #rename(stored: TableColumn, column: SourceColumn): TableColumn {
    if (sourceName(stored) === column.name) return stored
    const policy = this.#policies.rename
    const change = { from: sourceName(stored), to: column.name }
    if (policy === 'stop') {
      throw this.#block.stopped('rename', `${change.from} was renamed to ${change.to}`)
    }
    const outcome = policy === 'keep' ? 'kept' : 'applied'
    if (policy === 'apply') {
      if (this.#configured.has(stored.fieldId)) {
        throw this.#block.neededColumn(stored, `was renamed to ${column.name}`)
      }
      if (isMetaColumn(lower(column.name))) throw this.#block.takenName(column.name)
      this.#set({ ...stored, name: column.name })
    }
    this.#note(stored, { kind: 'rename', outcome, ...change })
    return this.#columns.get(stored.fieldId) ?? stored
  }

  /** The column with the type it has from now on; null when it must be made anew. */
  #retype(stored: TableColumn, column: SourceColumn): TableColumn | null {
    const change = compareTypes(stored.type, column.type)
    const from = originOf(stored).type
    const to = column.sourceType
    const isNamed = stored.origin !== undefined
    if (change.kind === 'same' || change.kind === 'fits') {
      const isNew = isNamed && from !== to
      if (isNew) this.#note(stored, { kind: 'retype', outcome: 'kept', from, to })
      return stored
    }
    if (change.kind === 'incompatible') {
      if (this.#request.isEmptied && !this.#needed.has(stored.fieldId)) return null
      throw this.#block.incompatible(stored, column)
    }
    if (this.#policies.widen === 'stop') {
      throw this.#block.stopped('widen', `${column.name} was ${from} and is now ${to}`)
    }
    const areWhole = isWholeNumber(stored.type) && isWholeNumber(change.type)
    // Other types would change how keys are hashed, rows ordered and folders named.
    if (this.#needed.has(stored.fieldId) && !areWhole)
      throw this.#block.incompatible(stored, column)
    const widened = { ...stored, type: change.type }
    this.#set(widened)
    this.#note(stored, { kind: 'widen', outcome: 'applied', from, to })
    return widened
  }

  #set(column: TableColumn): void {
    this.#columns.set(column.fieldId, column)
    this.#isChanged = true
  }

  #remove(column: TableColumn): void {
    this.#columns.delete(column.fieldId)
    this.#isChanged = true
  }

  #note(column: TableColumn, change: Pick<SchemaChange, 'kind' | 'outcome' | 'from' | 'to'>): void {
    const { name, fieldId } = column
    const position = this.#request.position.toString()
    this.#changes.push({ ...change, column: name, fieldId, position })
  }
}

/** Columns that are gone may be of another table than the one that is copied now. */
function withoutGoneNumbers(table: TableSchema): TableSchema {
  const isNumbered = ({ origin }: TableColumn): boolean =>
    origin?.isGone === true && origin.id !== null
  if (!table.columns.some(isNumbered)) return table
  const columns = table.columns.map((column) =>
    isNumbered(column) ? { ...column, origin: { ...originOf(column), id: null } } : column,
  )
  return { ...table, columns }
}

const isUnnumbered = ({ origin }: TableColumn): boolean => typeof origin?.id !== 'number'

/** Columns of one name may be two unless number or type tells that they are one. */
function mayBeOther(known: TableColumn, column: SourceColumn): boolean {
  if (column.id === null && !isUnnumbered(known)) return true
  return (
    isUnnumbered(known) && known.origin !== undefined && known.origin.type !== column.sourceType
  )
}

function originOf(column: TableColumn): NonNullable<TableColumn['origin']> {
  return column.origin ?? { id: null, name: column.name, type: '', isGone: false }
}
