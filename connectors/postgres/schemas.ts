/** Shapes of the streams as seen so far: gives each new shape of a stream the next schema id. */

import type { SourceColumn, StreamSchema } from '../../src/model/index.ts'
import type { TableFacts } from './catalog.ts'
import type { RelationMessage } from './pgoutput.ts'
import { columnType, sourceTypeName, type TypeCatalog } from './types.ts'

/** Lives as long as the source, so that ids stay unique when a session is opened again. */
export class SchemaRegistry {
  /** Shape as text → schema. Bounded by the number of shape changes of a run. */
  readonly #known = new Map<string, StreamSchema>()

  /** The schema of a table as the catalogue shows it. */
  fromTable(table: TableFacts, types: TypeCatalog): StreamSchema {
    return this.#register(table.stream, describe(table.columns, table.key, types), table.key)
  }

  /**
   * The schema that a relation message announces. Order of the key comes from the catalogue where
   * both name the same columns: the message tells only which columns belong to it.
   */
  fromRelation(relation: RelationMessage, table: TableFacts, types: TypeCatalog): StreamSchema {
    const key = relationKey(relation, table)
    return this.#register(table.stream, describe(relation.columns, key, types), key)
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

/** Columns may lose NOT NULL without a word in the stream, so only key columns promise a value. */
function describe(
  columns: readonly { name: string; typeOid: number; typmod: number }[],
  key: readonly string[],
  types: TypeCatalog,
): SourceColumn[] {
  return columns.map(({ name, typeOid, typmod }) => ({
    name,
    type: columnType(typeOid, typmod, types),
    sourceType: sourceTypeName(typeOid, typmod, types),
    nullable: !key.includes(name),
  }))
}
