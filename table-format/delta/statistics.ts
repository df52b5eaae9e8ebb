/**
 * Statistics of data files ↔ the JSON text of `add.stats` (PROTOCOL.md, "Per-file Statistics").
 * Numbers that JSON.stringify would not write as they are (wide long and decimal values, a negative
 * zero) are text in `FileStatistics` and JSON numbers in the log.
 */

import type {
  ColumnType,
  FileStatistics,
  JsonObject,
  JsonValue,
  TableSchema,
} from '../../src/model/index.ts'
import { parsePlainObject, printJson, rawNumber, withMember } from './json.ts'

/** Physical name → type, one level of a schema. */
type FieldTypes = ReadonlyMap<string, ColumnType>

/** Statistics → text. */
export function printStatistics(statistics: FileStatistics, schema: TableSchema): string {
  const types: FieldTypes = new Map(
    schema.columns.map((column) => [column.physicalName, column.type]),
  )
  return printJson({
    numRecords: statistics.recordCount,
    minValues: rawValues(statistics.minValues, types),
    maxValues: rawValues(statistics.maxValues, types),
    nullCount: statistics.nullCount,
    tightBounds: statistics.tightBounds,
  })
}

/** Text → statistics; null when the text is none or has no record count. */
export function parseStatistics(text: string | null): FileStatistics | null {
  const json = text === null ? null : parsePlainObject(text)
  if (json === null || typeof json.numRecords !== 'number') return null
  return {
    recordCount: json.numRecords,
    minValues: objectOf(json.minValues),
    maxValues: objectOf(json.maxValues),
    nullCount: objectOf(json.nullCount),
    tightBounds: json.tightBounds !== false,
  }
}

/** Physical rows of a file from its statistics' text, without parsing all of it. */
export function recordCountOf(text: string | null): number | null {
  if (text === null) return null
  const first = /^\s*\{\s*"numRecords"\s*:\s*(\d{1,15})\s*[,}]/.exec(text)
  if (first !== null) return Number(first[1])
  return parseStatistics(text)?.recordCount ?? null
}

/**
 * The same statistics, said to be wider than the live rows: what a deletion vector makes of them.
 */
export function withWideBounds(text: string): string {
  // Our own texts end so; nothing else can end a JSON object like this.
  if (text.endsWith(WIDE_END)) return text
  if (text.endsWith(TIGHT_END)) return text.slice(0, -TIGHT_END.length) + WIDE_END
  return withMember(text, 'tightBounds', false)
}

const TIGHT_END = ',"tightBounds":true}'
const WIDE_END = ',"tightBounds":false}'

function rawValues(values: JsonObject, types: FieldTypes): object {
  const entries = Object.entries(values).map(([name, value]): [string, unknown] => [
    name,
    rawValue(value, types.get(name)),
  ])
  return Object.fromEntries(entries)
}

function rawValue(value: JsonValue, type: ColumnType | undefined): unknown {
  if (type === undefined) return value
  const isDecimal = typeof type !== 'string' && type.kind === 'decimal'
  const isNumber = type === 'long' || type === 'float' || type === 'double' || isDecimal
  if (isNumber && typeof value === 'string') {
    return rawNumber(value) ?? value
  }
  if (typeof type !== 'string' && type.kind === 'struct' && isObject(value)) {
    const types: FieldTypes = new Map(
      type.fields.map((field) => [field.physicalName ?? field.name, field.type]),
    )
    return rawValues(value, types)
  }
  return value
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return value !== undefined && isObject(value) ? value : {}
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
