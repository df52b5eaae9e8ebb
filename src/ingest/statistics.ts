/** File statistics from what COPY … RETURN_STATS tells. Pure. */

import type {
  ColumnType,
  FileStatistics,
  JsonObject,
  JsonValue,
  TableSchema,
} from '../model/index.ts'
import { isMetaColumn } from '../model/index.ts'
import { STATISTICS_COLUMNS_MAX, STATISTICS_STRING_LENGTH_MAX } from './limits.ts'

/**
 * Statistics of one column as DuckDB returns them: `min`, `max`, `null_count`, `has_nan`, as text.
 */
export type ColumnFacts = ReadonlyMap<string, string>

/**
 * Delta statistics of a file. A bound that cannot be written exactly (a 64-bit number beyond 2^53,
 * a decimal of many digits, NaN, a year outside 1..9999) is left out, which readers must take as
 * "unknown".
 */
export function fileStatistics(
  schema: TableSchema,
  recordCount: number,
  facts: ReadonlyMap<string, ColumnFacts>,
): FileStatistics {
  const minValues: Record<string, JsonValue> = {}
  const maxValues: Record<string, JsonValue> = {}
  const nullCount: Record<string, JsonValue> = {}
  const wanted = schema.columns
    .slice(0, STATISTICS_COLUMNS_MAX)
    .concat(schema.columns.slice(STATISTICS_COLUMNS_MAX).filter((c) => isMetaColumn(c.name)))
  for (const column of wanted) {
    if (schema.partitionBy.includes(column.name)) continue
    const fact = facts.get(column.physicalName)
    if (fact === undefined) continue
    const nulls = fact.get('null_count')
    if (nulls !== undefined) nullCount[column.physicalName] = Number(nulls)
    if (fact.get('has_nan') === 'true') continue
    const min = bound(column.type, fact.get('min'), 'min')
    const max = bound(column.type, fact.get('max'), 'max')
    if (min !== null) minValues[column.physicalName] = min
    if (max !== null) maxValues[column.physicalName] = max
  }
  return {
    recordCount,
    minValues: minValues as JsonObject,
    maxValues: maxValues as JsonObject,
    nullCount: nullCount as JsonObject,
    tightBounds: true,
  }
}

/** One bound as JSON; null when it has none that is exact or safely wide. */
export function bound(type: ColumnType, text: string | undefined, side: 'min' | 'max'): JsonValue {
  if (text === undefined) return null
  if (typeof type !== 'string') return type.kind === 'decimal' ? exactNumber(text) : null
  switch (type) {
    case 'byte':
    case 'short':
    case 'integer':
    case 'long':
      return exactNumber(text)
    case 'float':
    case 'double': {
      const value = Number(text)
      return Number.isFinite(value) ? value : null
    }
    case 'date':
      return /^\d{4}-\d{2}-\d{2}$/.test(text) ? text : null
    case 'timestamp':
    case 'timestamp_ntz':
      return timestampBound(text, side, type === 'timestamp' ? 'Z' : '')
    case 'string':
      return stringBound(text, side)
    case 'boolean':
    case 'binary':
      return null
    default: {
      const never: never = type
      return never
    }
  }
}

/** Whole or decimal text as a number when at most 15 significant digits make it exact. */
function exactNumber(text: string): number | null {
  const digits = text.replace(/^-/, '').replace('.', '').replace(/^0+/, '')
  return /^-?\d+(\.\d+)?$/.test(text) && digits.length <= 15 ? Number(text) : null
}

/**
 * Milliseconds, the minimum rounded down and the maximum up, so that the bounds hold for every
 * reader.
 */
function timestampBound(text: string, side: 'min' | 'max', zone: string): string | null {
  const parts = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(?:\+00)?$/.exec(text)
  if (parts === null) return null
  const micros = Number((parts[3] ?? '').padEnd(6, '0'))
  const wholeSecondMs = Date.parse(`${parts[1]}T${parts[2]}Z`)
  const ms = wholeSecondMs + (side === 'min' ? Math.floor(micros / 1000) : Math.ceil(micros / 1000))
  return `${new Date(ms).toISOString().slice(0, 23)}${zone}`
}

/**
 * The first 32 characters; a cut maximum gets the highest code point so that it stays above what it
 * stands for.
 */
function stringBound(text: string, side: 'min' | 'max'): string | null {
  const characters = [...text.slice(0, 4 * STATISTICS_STRING_LENGTH_MAX)]
  if (characters.length <= STATISTICS_STRING_LENGTH_MAX && text.length <= characters.length * 2) {
    return characters.join('') === text ? text : null
  }
  const cut = characters.slice(0, STATISTICS_STRING_LENGTH_MAX).join('')
  return side === 'min' ? cut : `${cut}\u{10FFFF}`
}
