/** Column types as people write them. */

import type { ColumnType } from './schema.ts'

const TYPE_NAMES: Readonly<Record<string, ColumnType>> = {
  bigint: 'long',
  long: 'long',
  int: 'integer',
  integer: 'integer',
  smallint: 'short',
  short: 'short',
  tinyint: 'byte',
  byte: 'byte',
  double: 'double',
  float: 'float',
  real: 'float',
  string: 'string',
  varchar: 'string',
  text: 'string',
  boolean: 'boolean',
  bool: 'boolean',
  date: 'date',
  timestamp: 'timestamp',
  timestamptz: 'timestamp',
  timestamp_ntz: 'timestamp_ntz',
}

const DECIMAL_DIGITS_MAX = 38
const LONG_MIN = -(2n ** 63n)
const LONG_MAX = 2n ** 63n - 1n

/** `bigint`, `Decimal(10, 2)` → type; null when there is no such type. */
export function parseColumnType(text: string): ColumnType | null {
  const name = text.trim().toLowerCase()
  const known = Object.hasOwn(TYPE_NAMES, name) ? TYPE_NAMES[name] : undefined
  if (known !== undefined) return known
  const match = /^(?:decimal|numeric)\s*\(\s*(\d{1,2})\s*(?:,\s*(\d{1,2})\s*)?\)$/.exec(name)
  if (match === null) return null
  const precision = Number(match[1])
  const scale = Number(match[2] ?? 0)
  if (precision < 1 || precision > DECIMAL_DIGITS_MAX || scale > precision) return null
  return { kind: 'decimal', precision, scale }
}

/** True for what a `bigint` column can hold. */
export function fitsLong(value: bigint): boolean {
  return value >= LONG_MIN && value <= LONG_MAX
}

/** Type → the name people write; the inverse of `parseColumnType` for the types it knows. */
export function printColumnType(type: ColumnType): string {
  if (type === 'long') return 'bigint'
  if (type === 'short') return 'smallint'
  if (type === 'byte') return 'tinyint'
  if (typeof type === 'string') return type
  if (type.kind === 'decimal') return `decimal(${type.precision},${type.scale})`
  return type.kind
}
