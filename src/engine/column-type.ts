/** DuckDB's types as column types: the one that holds every value of a type. */

import {
  DuckDBDecimalType,
  DuckDBListType,
  DuckDBMapType,
  DuckDBStructType,
  type DuckDBType,
} from '@duckdb/node-api'
import type { ColumnType, StructField } from '../model/index.ts'

/** By DuckDB's name; those without a type of their own become text or a wider number. */
const TYPES: Readonly<Record<string, ColumnType>> = {
  BOOLEAN: 'boolean',
  TINYINT: 'byte',
  SMALLINT: 'short',
  INTEGER: 'integer',
  BIGINT: 'long',
  UTINYINT: 'short',
  USMALLINT: 'integer',
  UINTEGER: 'long',
  UBIGINT: { kind: 'decimal', precision: 20, scale: 0 },
  FLOAT: 'float',
  DOUBLE: 'double',
  VARCHAR: 'string',
  JSON: 'string',
  UUID: 'string',
  TIME: 'string',
  INTERVAL: 'string',
  BLOB: 'binary',
  DATE: 'date',
  TIMESTAMP: 'timestamp_ntz',
  TIMESTAMP_S: 'timestamp_ntz',
  TIMESTAMP_MS: 'timestamp_ntz',
  'TIMESTAMP WITH TIME ZONE': 'timestamp',
}

/** Null where no column type holds all values of the type. */
export function columnTypeOf(type: DuckDBType): ColumnType | null {
  if (type instanceof DuckDBDecimalType) {
    return { kind: 'decimal', precision: type.width, scale: type.scale }
  }
  if (type instanceof DuckDBListType) {
    const element = columnTypeOf(type.valueType)
    return element && { kind: 'array', element, containsNull: true }
  }
  if (type instanceof DuckDBMapType) {
    const key = columnTypeOf(type.keyType)
    const value = columnTypeOf(type.valueType)
    return key && value && { kind: 'map', key, value, valueContainsNull: true }
  }
  if (type instanceof DuckDBStructType) return structTypeOf(type)
  return TYPES[String(type)] ?? null
}

function structTypeOf({ entryNames, entryTypes }: DuckDBStructType): ColumnType | null {
  const fields: StructField[] = []
  for (const [index, name] of entryNames.entries()) {
    const type = columnTypeOf(entryTypes[index] as DuckDBType)
    if (type === null) return null
    fields.push({ name, type, nullable: true })
  }
  return { kind: 'struct', fields }
}
