/** Shapes of the streams as seen so far: gives each new shape of a stream the next schema id. */

import { SluiceError, type SourceColumn, type StreamSchema } from '../../src/model/index.ts'
import type { TableFacts } from './catalog.ts'
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

/** Lives as long as the source, so that ids stay unique when a session is opened again. */
export class SchemaRegistry {
  /** Shape as text → schema. Bounded by the number of shape changes of a run. */
  readonly #known = new Map<string, StreamSchema>()
  readonly #choices: TypeChoices
  /** Whether the publication sends stored generated columns; only then they are read. */
  publishesGenerated = false

  constructor(choices: TypeChoices) {
    this.#choices = choices
  }

  /** The schema of a table as the catalogue shows it. */
  fromTable(table: TableFacts, types: TypeCatalog): StreamSchema {
    const { key } = table
    const columns = table.columns.filter((column) => this.publishesGenerated || !column.isGenerated)
    return this.#register(table.stream, this.#describe(table.stream, columns, key, types), key)
  }

  /**
   * The schema that a relation message announces. Order of the key comes from the catalogue where
   * both name the same columns: the message tells only which columns belong to it.
   */
  fromRelation(relation: RelationMessage, table: TableFacts, types: TypeCatalog): StreamSchema {
    const key = relationKey(relation, table)
    const columns = this.#describe(table.stream, relation.columns, key, types)
    return this.#register(table.stream, columns, key)
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
    columns: readonly { name: string; typeOid: number; typmod: number }[],
    key: readonly string[],
    types: TypeCatalog,
  ): SourceColumn[] {
    const { columnTypes, unfitValues } = this.#choices
    return columns.map(({ name, typeOid, typmod }) => {
      const column = `${stream}.${name}`
      const choice = Object.hasOwn(columnTypes, column) ? columnTypes[column] : undefined
      const type = columnType(typeOid, typmod, types)
      return {
        name,
        sourceType: sourceTypeName(typeOid, typmod, types),
        nullable: !key.includes(name),
        ...(choice === undefined ? { type } : forced(column, choice, typeOid, types)),
        ...(unfitValues === 'null' ? { unfit: 'null' as const } : {}),
      }
    })
  }
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
