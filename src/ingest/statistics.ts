/** File statistics from what COPY … RETURN_STATS tells. Pure. */

import { identifier } from '../engine/index.ts'
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
 * Statistics of one leaf as DuckDB returns them: `min`, `max`, `null_count`, `has_nan`, as text.
 */
export type ColumnFacts = ReadonlyMap<string, string>

type Bounds = Record<string, JsonValue>

/** What is collected for one level of the schema. */
interface Level {
  readonly minValues: Bounds
  readonly maxValues: Bounds
  readonly nullCount: Bounds
}

/**
 * Delta statistics of a file, members of structs nested as in the schema. A bound that cannot be
 * written so that every reader finds it true (NaN, an infinity, a year outside 1..9999) is left
 * out, which readers take as "unknown"; so are lists and maps, whose NULLs the engine does not
 * count. `facts` are by path, each part quoted: `"address"."city"`.
 */
export function fileStatistics(
  schema: TableSchema,
  recordCount: number,
  facts: ReadonlyMap<string, ColumnFacts>,
): FileStatistics {
  const level: Level = { minValues: {}, maxValues: {}, nullCount: {} }
  let leavesLeft = STATISTICS_COLUMNS_MAX
  for (const column of schema.columns) {
    if (schema.partitionBy.includes(column.name)) continue
    const leaves = leafCount(column.type)
    const isWanted = leaves <= leavesLeft || isMetaColumn(column.name)
    leavesLeft -= leaves
    if (isWanted) addField(level, { ...column, path: identifier(column.physicalName) }, facts)
  }
  return {
    recordCount,
    minValues: level.minValues as JsonObject,
    maxValues: level.maxValues as JsonObject,
    nullCount: level.nullCount as JsonObject,
    tightBounds: true,
  }
}

function addField(
  level: Level,
  field: { readonly physicalName: string; readonly type: ColumnType; readonly path: string },
  facts: ReadonlyMap<string, ColumnFacts>,
): void {
  const { physicalName, type, path } = field
  if (typeof type !== 'string' && type.kind === 'struct') {
    const inner: Level = { minValues: {}, maxValues: {}, nullCount: {} }
    for (const member of type.fields) {
      const name = member.physicalName ?? member.name
      const within = `${path}.${identifier(name)}`
      addField(inner, { physicalName: name, type: member.type, path: within }, facts)
    }
    for (const name of ['minValues', 'maxValues', 'nullCount'] as const) {
      if (Object.keys(inner[name]).length > 0) level[name][physicalName] = inner[name] as JsonObject
    }
    return
  }
  const fact = facts.get(path)
  const nulls = fact?.get('null_count')
  if (nulls !== undefined) level.nullCount[physicalName] = Number(nulls)
  if (fact === undefined || fact.get('has_nan') === 'true') return
  const min = bound(type, fact.get('min'), 'min')
  const max = bound(type, fact.get('max'), 'max')
  if (min !== null) level.minValues[physicalName] = min
  if (max !== null) level.maxValues[physicalName] = max
}

function leafCount(type: ColumnType): number {
  if (typeof type === 'string' || type.kind !== 'struct') return 1
  return type.fields.reduce((sum, field) => sum + leafCount(field.type), 0)
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
    case 'double':
      return floatBound(text, type, side)
    case 'date':
      return /^\d{4}-\d{2}-\d{2}$/.test(text) ? text : null
    case 'timestamp':
    case 'timestamp_ntz':
      return timestampBound(text, side, type === 'timestamp' ? 'Z' : '')
    case 'string':
      return stringBound(text, side)
    case 'boolean':
    case 'binary':
    case 'void':
      return null
    default: {
      const never: never = type
      return never
    }
  }
}

/**
 * Whole or decimal text as a number where that is exact, else as its digits. The engine leaves the
 * zero before the point out where a type has no digit there.
 */
function exactNumber(text: string): number | string | null {
  const parts = /^(-?)(\d*)(\.\d+)?$/.exec(text)
  if (parts === null) return null
  const [, sign = '', whole = '', fraction = ''] = parts
  const digits = (whole + fraction.slice(1)).replace(/^0+/, '')
  const plain = `${sign}${whole === '' ? '0' : whole}${fraction}`
  return digits.length <= 15 ? Number(plain) : plain
}

/**
 * A FLOAT as the double that it is: its shortest text may lie on the other side of it. A smallest
 * value of zero is the negative one, which some readers sort below the other.
 */
function floatBound(
  text: string,
  type: 'float' | 'double',
  side: 'min' | 'max',
): number | string | null {
  const value = type === 'float' ? Math.fround(Number(text)) : Number(text)
  if (!Number.isFinite(value)) return null
  if (value === 0) return side === 'min' ? '-0.0' : 0
  return value
}

/** The last millisecond whose year has four digits. */
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

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
  if (ms > LAST_MS) return null
  return `${new Date(ms).toISOString().slice(0, 23)}${zone}`
}

const LAST_CODE_POINT = '\u{10FFFF}'

/**
 * The first 32 characters; a cut maximum gets the highest code point so that it stays above what it
 * stands for, and is left out where that very code point was cut off.
 */
function stringBound(text: string, side: 'min' | 'max'): string | null {
  const characters = [...text.slice(0, 4 * STATISTICS_STRING_LENGTH_MAX)]
  if (characters.length <= STATISTICS_STRING_LENGTH_MAX) return text
  const cut = characters.slice(0, STATISTICS_STRING_LENGTH_MAX).join('')
  if (side === 'min') return cut
  return characters[STATISTICS_STRING_LENGTH_MAX] === LAST_CODE_POINT
    ? null
    : `${cut}${LAST_CODE_POINT}`
}
