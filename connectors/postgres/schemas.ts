/** Shapes of the streams as seen so far: gives each new shape of a stream the next schema id. */

import { SluiceError, type SourceColumn, type StreamSchema } from '../../src/model/index.ts'
import type { AttributeRow, TableColumnFacts, TableFacts, TableLayout } from './catalog.ts'
import {
  type AnnouncedColumn,
  type AttributeFacts,
  agreedIds,
  type Identified,
  identifyColumns,
  type KnownColumn,
  type KnownShape,
  shapeOf,
} from './column-identity.ts'
import type { RelationMessage } from './pgoutput.ts'
import {
  columnType,
  isNumeric,
  parseForcedType,
  sourceTypeName,
  type TypeCatalog,
} from './types.ts'

/** What the user says about the types of columns. */
export interface TypeChoices {
  /** `schema.table.column` → type that it gets. */
  readonly columnTypes: Readonly<Record<string, string>>
  readonly unfitValues: 'stop' | 'null'
}

interface DescribedColumn {
  /** Null when it is not known. */
  readonly attnum: number | null
  readonly name: string
  readonly typeOid: number
  readonly typmod: number
  readonly initial?: string
}

/** Lives as long as the source, so that ids stay unique when a session is opened again. */
export class SchemaRegistry {
  /** Shape as text → schema. Bounded by the number of shape changes of a run. */
  readonly #known = new Map<string, StreamSchema>()
  readonly #choices: TypeChoices
  /** Whether the publication sends stored generated columns; only then they are read. */
  publishesGenerated = false
  /** Table → its columns as of the newest relation message. */
  readonly #shapes = new Map<number, KnownShape>()
  /** Relation message as text → the attnums of its columns. Bounded as `#known` is. */
  readonly #ids = new Map<string, readonly (number | null)[]>()
  /** Table and attnum → the default that the column was added with; never another one. */
  readonly #initials = new Map<string, string>()

  constructor(choices: TypeChoices) {
    this.#choices = choices
  }

  /** The schema of a table as the catalogue shows it. */
  fromTable(table: TableFacts, types: TypeCatalog): StreamSchema {
    const { key } = table
    const columns = this.#published(table.columns)
    return this.#register(table.stream, this.#describe(table.stream, columns, key, types), key)
  }

  /**
   * The schema that a relation message announces. Order of the key comes from the catalogue where
   * both name the same columns: the message tells only which columns belong to it.
   */
  fromRelation(relation: RelationMessage, table: TableFacts, types: TypeCatalog): StreamSchema {
    const key = relationKey(relation, table)
    const ids = this.#ids.get(JSON.stringify(relation))
    const numbered = relation.columns.map((column, index) => {
      const attnum = ids?.[index] ?? null
      const initial = this.#initials.get(`${relation.id}.${attnum}`)
      return { ...column, attnum, ...(initial === undefined ? {} : { initial }) }
    })
    const columns = this.#describe(table.stream, numbered, key, types)
    return this.#register(table.stream, columns, key)
  }

  /** The columns of a table as the catalogue shows them, as `know` takes them. */
  columnsOf(table: TableFacts, types: TypeCatalog): readonly KnownColumn[] {
    return this.#published(table.columns).map(({ attnum, name, typeOid, typmod }) => ({
      id: attnum,
      name,
      type: sourceTypeName(typeOid, typmod, types),
    }))
  }

  /** The default that a column was added with: known before Postgres writes the table again. */
  knowInitial(oid: number, attnum: number, initial: string): void {
    this.#initials.set(`${oid}.${attnum}`, initial)
  }

  /** The layout without columns that are not read. */
  publishedLayout(layout: TableLayout): TableLayout {
    return { ...layout, columns: this.#published(layout.columns) }
  }

  /**
   * The columns of a table as they were before the next relation message about it; `highest` is the
   * attnum of one that was there, or had been.
   */
  know(oid: number, columns: readonly KnownColumn[], highest = 0): void {
    this.#shapes.set(oid, shapeOf(columns, highest))
  }

  /**
   * Finds out which columns a relation message is about, from the attributes that its table has
   * now; to be called before `fromRelation`, in the order of the stream. Returns false, and has
   * learned nothing, when the attributes cannot be those of a table that is announced so, unless it
   * is the last try.
   */
  learn(
    relation: RelationMessage,
    attributes: readonly AttributeRow[],
    types: TypeCatalog,
    isLastTry = true,
  ): boolean {
    for (const { attnum, initials } of attributes) {
      const [initial] = initials ?? []
      if (initial !== undefined) this.knowInitial(relation.id, attnum, initial)
    }
    const named = <Column extends { typeOid: number; typmod: number }>(column: Column) => ({
      ...column,
      type: sourceTypeName(column.typeOid, column.typmod, types),
    })
    const announced = relation.columns.map(named)
    const facts: readonly AttributeFacts[] = this.#published(attributes).map(named)
    const known = this.#shapes.get(relation.id) ?? null
    const { ids, shape, isPossible } =
      lastKnown(announced, known, facts) ?? identifyColumns(announced, known, facts)
    if (!isPossible && !isLastTry) return false
    this.#ids.set(JSON.stringify(relation), ids)
    this.#shapes.set(relation.id, shape)
    return true
  }

  #published<Column extends Pick<TableColumnFacts, 'isGenerated'>>(
    columns: readonly Column[],
  ): readonly Column[] {
    return columns.filter(({ isGenerated }) => this.publishesGenerated || !isGenerated)
  }

  #register(
    stream: string,
    columns: readonly SourceColumn[],
    key: readonly string[],
  ): StreamSchema {
    const shape = JSON.stringify([stream, columns, key])
    const known = this.#known.get(shape)
    if (known !== undefined) return known
    const schema: StreamSchema = { stream, schemaId: this.#known.size + 1, columns, key }
    this.#known.set(shape, schema)
    return schema
  }

  /** Columns lose NOT NULL without a word in the stream, so only key columns promise a value. */
  #describe(
    stream: string,
    columns: readonly DescribedColumn[],
    key: readonly string[],
    types: TypeCatalog,
  ): SourceColumn[] {
    const { columnTypes, unfitValues } = this.#choices
    return columns.map(({ attnum, name, typeOid, typmod, initial }) => {
      const column = `${stream}.${name}`
      const choice = Object.hasOwn(columnTypes, column) ? columnTypes[column] : undefined
      const type = columnType(typeOid, typmod, types)
      return {
        id: attnum,
        name,
        sourceType: sourceTypeName(typeOid, typmod, types),
        nullable: !key.includes(name),
        ...(choice === undefined ? { type } : forced(column, choice, typeOid, types)),
        ...(unfitValues === 'null' ? { unfit: 'null' as const } : {}),
        ...(initial === undefined ? {} : { initial }),
      }
    })
  }
}

/** A table that is gone has no attributes to compare with: the same columns are those of before. */
function lastKnown(
  announced: readonly AnnouncedColumn[],
  shape: KnownShape | null,
  facts: readonly AttributeFacts[],
): Identified | null {
  if (facts.length > 0 || shape === null || shape.columns.length !== announced.length) return null
  const isSame = shape.columns.every(
    ({ name, type }, index) => announced[index]?.name === name && announced[index]?.type === type,
  )
  return isSame ? { ids: agreedIds(shape), shape, isPossible: true } : null
}

function relationKey(relation: RelationMessage, table: TableFacts): readonly string[] {
  if (relation.identity === 'f' || relation.identity === 'n') {
    const names = new Set(relation.columns.map((column) => column.name))
    return table.key.every((name) => names.has(name)) ? table.key : []
  }
  const flagged = relation.columns.filter((column) => column.isKey).map((column) => column.name)
  const same =
    flagged.length === table.key.length && flagged.every((name) => table.key.includes(name))
  return same ? table.key : flagged
}

/** The type that the user chose for a column. Throws SLU-SRC-1222. */
function forced(
  column: string,
  choice: string,
  typeOid: number,
  types: TypeCatalog,
): Pick<SourceColumn, 'type' | 'isForced'> {
  const type = parseForcedType(choice)
  if (type === 'string') return { type }
  if (type !== null && isNumeric(typeOid, types)) return { type, isForced: true }
  throw new SluiceError('SLU-SRC-1222', {
    message: `${column} cannot become ${choice}: it is ${sourceTypeName(typeOid, -1, types)}`,
    context: { column, choice },
  })
}
