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

/** The FIELD_IDS option of COPY for the given columns: top-level ids; nested members carry none. */
export function fieldIds(columns: readonly TableColumn[]): string {
  const entries = columns.map((column) => {
    const id = column.fieldId
    const nested = typeof column.type !== 'string' && column.type.kind !== 'decimal'
    return `${identifier(column.physicalName)}: ${nested ? `{${FIELD_ID_ROOT}: ${id}}` : id}`
  })
  return `{${entries.join(', ')}}`
}
