/**
 * Which records of a landed file cannot be decoded, and why, as SQL. For files whose decoding
 * failed: slower than decoding, since every value of every record is tried by itself.
 */

import { duckType, identifier, literal } from '../engine/index.ts'
import {
  type ColumnType,
  isWholeNumber,
  type RejectCode,
  type SourceColumn,
  type TableColumn,
} from '../model/index.ts'
import { csvText } from './csv.ts'
import { hasMoreDecimals, isDecimal, triedDecimal } from './decimal-text.ts'
import { isExact, quotedMembers, quotedText } from './json-lines.ts'
import { ROW_NUMBER } from './marks.ts'
import { recordColumns } from './record-columns.ts'
import { IS_NULL } from './refusal.ts'
import { rowSource } from './row-source.ts'
import type { LandedSegment } from './segment.ts'
import { exactTime, isTime, isTooFine } from './time-text.ts'
import { PRINTED_DIGITS_MAX, wholeForm, wholeText } from './whole-number.ts'

/** What to try the records of a segment for. */
export interface VerdictQuery {
  readonly segment: LandedSegment
  /** Columns of the table, without meta columns. */
  readonly columns: readonly TableColumn[]
  /** Field id of a column → its place among the columns of the segment's schema. */
  readonly places: ReadonlyMap<number, number>
  /** Names of the columns that must have a value. */
  readonly key: readonly string[]
}

/** Characters of a value that a reason shows. */
const VALUE_SHOWN_MAX = 60

/**
 * SELECT of the records that `changeSql` cannot decode: `row` (from 0), `code` (`RejectCode`),
 * `column_name` and `value`, the last two NULL where the record as a whole is at fault. Null for
 * formats whose records cannot be told apart when they fail.
 */
export function verdictSql(query: VerdictQuery): string | null {
  const { format } = query.segment
  switch (format) {
    case 'json-lines':
      return jsonLinesSql(query)
    case 'csv':
    case 'parquet':
      return rowsSql(query)
    case 'copy-text':
    case 'debezium-json':
      return null
    default: {
      const never: never = format
      return never
    }
  }
}

/** Of rows every value is decoded as it would be, each by itself. */
function rowsSql({ segment, columns, places, key }: VerdictQuery): string {
  const { relation, value } = rowSource(segment)
  const cases = columns.flatMap((column) => {
    const source = segment.schema.columns[places.get(column.fieldId) ?? -1]
    if (source === undefined || source.metadata !== undefined) return []
    const found = fieldOf(segment, source)
    const missing = key.includes(column.name)
      ? [
          `WHEN ${found ?? 'NULL'} IS NULL THEN ${verdict(
            code(found === null ? 'missing-key' : 'null-key'),
            source,
          )}`,
        ]
      : []
    if (found === null) return missing
    const tried = `TRY(CAST(${value(source, IS_NULL)} AS ${duckType(column.type)}))`
    const shown = `(${found}::VARCHAR)`
    const why = whySql(shown, source)
    const unfit = `WHEN ${found} IS NOT NULL AND ${tried} IS NULL
      THEN ${verdict(why, source, shown)}`
    return [unfit, ...missing]
  })
  if (cases.length === 0) return NOTHING_REJECTED
  return verdictsOf(cases, `SELECT ${ROW_NUMBER}::UINTEGER AS "row", * FROM ${relation}`)
}

/** What a record has for a column before it is decoded; null when its file lacks the column. */
function fieldOf({ csv, file }: LandedSegment, column: SourceColumn): string | null {
  if (csv !== undefined) return csvText(csv, column)
  return file?.columns.includes(column.name) === true ? identifier(column.name) : null
}

const NOTHING_REJECTED = `SELECT NULL::UINTEGER AS "row", NULL::VARCHAR AS code,
  NULL::VARCHAR AS column_name, NULL::VARCHAR AS value WHERE false`

function verdictsOf(cases: readonly string[], records: string): string {
  return `SELECT "row", verdict.code AS code, verdict.column_name AS column_name,
      verdict.value AS value
    FROM (SELECT "row", CASE ${cases.join('\n      ')} END AS verdict FROM (${records}))
    WHERE verdict IS NOT NULL`
}

function jsonLinesSql({ segment, columns, places, key }: VerdictQuery): string {
  const lineBytesMax = segment.lineBytesMax + 4096
  // Malformed lines are rows of NULL here, so that the numbers of the others stay.
  const lines = `SELECT (row_number() OVER () - 1)::UINTEGER AS "row", json
    FROM read_ndjson_objects(${literal(segment.path)}, ignore_errors = true,
      maximum_object_size = ${lineBytesMax})`
  const stream = recordColumns(segment.schema)
  const structure = JSON.stringify(Object.fromEntries(stream.map(({ name }) => [name, 'JSON'])))
  const quoted = stream.some(isExact) ? quotedMembers('json', segment) : 'NULL'
  const members = `SELECT "row", json, from_json(json, ${literal(structure)}) AS member,
      ${quoted} AS quoted FROM (${lines})`
  const names = `[${stream.map(({ name }) => literal(name)).join(', ')}]`
  const known = `list_filter(json_keys(json), lambda name: list_contains(${names}, name))`
  const cases = [
    `WHEN json IS NULL THEN ${verdict("'invalid-json'")}`,
    `WHEN json_type(json) <> 'OBJECT' THEN ${verdict("'not-an-object'")}`,
    `WHEN len(${known}) > len(list_distinct(${known})) THEN ${verdict("'duplicate-member'")}`,
    ...columns.flatMap((column) => {
      const source = segment.schema.columns[places.get(column.fieldId) ?? -1]
      if (source === undefined || source.metadata !== undefined) return []
      const isKey = key.includes(column.name)
      return [...memberCase(source, column.type), ...(isKey ? [keyCase(source)] : [])]
    }),
  ]
  return verdictsOf(cases, members)
}

/** The value of a member as text; NULL for null and for members that are not there. */
function textOf(column: SourceColumn): string {
  const { name } = column
  const text = `(member.${identifier(name)} ->> '$')`
  return isExact(column) ? `(${quotedText('quoted', name, text)})` : text
}

function memberCase(source: SourceColumn, type: ColumnType): readonly string[] {
  const isBad = unfitSql(source, type)
  if (isBad === null) return []
  const text = textOf(source)
  return [
    `WHEN ${text} IS NOT NULL AND ${isBad} THEN ${verdict(whySql(text, source), source, text)}`,
  ]
}

/** The code of a text that its column does not hold. */
function whySql(text: string, { type }: SourceColumn): string {
  const isNumber = `TRY_CAST(${text} AS DOUBLE) IS NOT NULL`
  const isFraction = isWholeNumber(type)
    ? `WHEN ${hasFraction(text)} AND NOT regexp_full_match(${text}, ${literal(wholeForm(null))})
        AND ${isNumber} THEN ${code('lossy-number')}`
    : ''
  const isCut = isDecimal(type)
    ? `WHEN ${hasMoreDecimals(text, type)} THEN ${code('lossy-number')}`
    : ''
  const isBeyond = isNumeric(type) ? `WHEN ${isNumber} THEN ${code('out-of-range')}` : ''
  const isFine = isTime(type)
    ? `WHEN TRY_CAST(${text} AS TIMESTAMP_NS) IS NOT NULL AND ${isTooFine(text)}
        THEN ${code('lossy-time')}`
    : ''
  return `CASE ${isFraction} ${isCut} ${isBeyond} ${isFine}
    WHEN true THEN ${code('mistyped')} END`
}

const isNumeric = (type: ColumnType): boolean =>
  isWholeNumber(type) || isDecimal(type) || type === 'double' || type === 'float'

function keyCase(source: SourceColumn): string {
  const isThere = `list_contains(json_keys(json), ${literal(source.name)})`
  const found = `CASE WHEN ${isThere} THEN ${code('null-key')} ELSE ${code('missing-key')} END`
  return `WHEN ${textOf(source)} IS NULL THEN ${verdict(found, source)}`
}

/** True where a text that is not NULL does not fit the column; null where every text does. */
function unfitSql(source: SourceColumn, type: ColumnType): string | null {
  const text = textOf(source)
  const target = duckType(type)
  if (source.type === 'string')
    return type === 'string' ? null : `TRY_CAST(${text} AS ${target}) IS NULL`
  if (isWholeNumber(source.type)) {
    const tried = (whole: string, digitsMax: number | null): string =>
      `CASE WHEN NOT ${hasFraction(whole)} THEN TRY_CAST(${whole} AS ${target}) IS NULL
        WHEN regexp_full_match(${whole}, ${literal(wholeForm(digitsMax))})
        THEN TRY_CAST(split_part(${whole}, '.', 1) AS ${target}) IS NULL ELSE true END`
    return `CASE WHEN quoted IS NULL THEN ${tried(text, PRINTED_DIGITS_MAX)}
      ELSE ${tried(wholeText(text), null)} END`
  }
  if (isTime(source.type)) {
    return `TRY_CAST(${exactTime(text, source, IS_NULL)} AS ${target}) IS NULL`
  }
  if (isDecimal(source.type)) {
    return `TRY_CAST(${triedDecimal(text, source.type)} AS ${target}) IS NULL`
  }
  if (typeof source.type !== 'string') return null
  const structure = literal(JSON.stringify(duckType(source.type)))
  const value = `from_json_strict(member.${identifier(source.name)}, ${structure})`
  return `TRY(CAST(${value} AS ${target})) IS NULL`
}

/** True where `wholeNumber` looks twice. */
const hasFraction = (text: string): string => `regexp_matches(${text}, '[.eE]')`

const code = (name: RejectCode): string => literal(name)

function verdict(codeSql: string, source?: SourceColumn, value?: string): string {
  const column = source === undefined ? 'NULL::VARCHAR' : literal(source.name)
  const shown = value === undefined ? 'NULL::VARCHAR' : shownSql(value)
  return `{code: ${codeSql}, column_name: ${column}, value: ${shown}}`
}

/** The beginning of a text, on one line and without what a terminal would obey. */
function shownSql(text: string): string {
  const cut = `CASE WHEN length(${text}) > ${VALUE_SHOWN_MAX}
    THEN ${text}[1:${VALUE_SHOWN_MAX}] || '…' ELSE ${text} END`
  return `regexp_replace(${cut}, '[[:cntrl:]]', '?', 'g')`
}
