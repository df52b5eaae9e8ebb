/** Column types as DuckDB names them, and Parquet field ids. */

import type { ColumnType, TableColumn } from '../model/index.ts'
import { identifier } from './sql.ts'

const PRIMITIVES = {
  boolean: 'BOOLEAN',
  byte: 'TINYINT',
  short: 'SMALLINT',
  integer: 'INTEGER',
  long: 'BIGINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  string: 'VARCHAR',
  binary: 'BLOB',
  date: 'DATE',
  timestamp: 'TIMESTAMPTZ',
  timestamp_ntz: 'TIMESTAMP',
  void: '"NULL"',
} as const

/** DuckDB's name of a column type. */
export function duckType(type: ColumnType): string {
  if (typeof type === 'string') return PRIMITIVES[type]
  switch (type.kind) {
    case 'decimal':
      return `DECIMAL(${type.precision},${type.scale})`
    case 'array':
      return `${duckType(type.element)}[]`
    case 'struct':
      return `STRUCT(${type.fields
        .map((field) => `${identifier(field.name)} ${duckType(field.type)}`)
        .join(', ')})`
    case 'map':
      return `MAP(${duckType(type.key)}, ${duckType(type.value)})`
    default: {
      const never: never = type
      return never
    }
  }
}

/** Key under which DuckDB's FIELD_IDS takes the id of a nested column itself. */
export const FIELD_ID_ROOT = '__duckdb_field_id'

/**
 * The FIELD_IDS option of COPY for the given columns, members of structs at any depth included.
 * Elements of lists and keys and values of maps have no id in Delta, so they carry none.
 */
export function fieldIds(columns: readonly TableColumn[]): string {
  const entries = columns.map(
    (column) => `${identifier(column.physicalName)}: ${idOf(column.fieldId, column.type)}`,
  )
  return `{${entries.join(', ')}}`
}

function idOf(fieldId: number | undefined, type: ColumnType): string {
  const own = fieldId === undefined ? [] : [`${FIELD_ID_ROOT}: ${fieldId}`]
  const children = childIds(type)
  if (children === null) return fieldId === undefined ? '{}' : String(fieldId)
  return `{${[...own, ...children].join(', ')}}`
}

/** Null for a type without parts. */
function childIds(type: ColumnType): readonly string[] | null {
  if (typeof type === 'string') return null
  switch (type.kind) {
    case 'decimal':
      return null
    case 'array':
      return named('element', idOf(undefined, type.element))
    case 'map':
      return [
        ...named('key', idOf(undefined, type.key)),
        ...named('value', idOf(undefined, type.value)),
      ]
    case 'struct':
      return type.fields.flatMap((field) =>
        named(identifier(field.physicalName ?? field.name), idOf(field.fieldId, field.type)),
      )
    default: {
      const never: never = type
      return never
    }
  }
}

const named = (name: string, ids: string): readonly string[] =>
  ids === '{}' ? [] : [`${name}: ${ids}`]
