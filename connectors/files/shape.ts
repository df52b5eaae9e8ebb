/** The columns of the stream as they are known so far; they only grow while a session lives. */

import type { ColumnOrigin, SourceColumn, StreamSchema } from '../../src/model/index.ts'
import { parseColumnType } from './column-types.ts'

/** The stream's columns in a session. */
export interface Shape {
  readonly current: StreamSchema
  /** Adds the columns whose names are not there yet; the schema is another one then. */
  add(columns: readonly SourceColumn[]): StreamSchema
}

/** A shape that begins with `columns`. */
export function createShape(stream: string, columns: readonly SourceColumn[]): Shape {
  let current: StreamSchema = { stream, schemaId: 1, columns, key: [] }
  return {
    get current() {
      return current
    },
    add: (found) => {
      const names = new Set(current.columns.map(({ name }) => name))
      const added = found.filter(({ name }) => !names.has(name))
      if (added.length > 0) {
        const schemaId = current.schemaId + 1
        current = { ...current, schemaId, columns: [...current.columns, ...added] }
      }
      return current
    },
  }
}

/** The columns that a table has of the stream already, in the types it has them in. */
export function knownColumns(origins: readonly ColumnOrigin[]): readonly SourceColumn[] {
  return origins.flatMap(({ name, type: sourceType }) => {
    const type = parseColumnType(sourceType)
    return type === null ? [] : [{ name, type, sourceType, nullable: true }]
  })
}
