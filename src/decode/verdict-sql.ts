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
import { hasMoreDecimals, isDecimal, triedDecimal } from './decimal-text.ts'
import { quotedMembers, quotedText } from './json-lines.ts'
import type { LandedSegment } from './segment.ts'

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
  return query.segment.format === 'json-lines' ? jsonLinesSql(query) : null
}

function jsonLinesSql({ segment, columns, places, key }: VerdictQuery): string {
  const lineBytesMax = segment.lineBytesMax + 4096
  // Malformed lines are rows of NULL here, so that the numbers of the others stay.
  const lines = `SELECT (row_number() OVER () - 1)::UINTEGER AS "row", json
    FROM read_ndjson_objects(${literal(segment.path)}, ignore_errors = true,
      maximum_object_size = ${lineBytesMax})`
  const stream = segment.schema.columns
  const structure = JSON.stringify(Object.fromEntries(stream.map(({ name }) => [name, 'JSON'])))
  const quoted = stream.some(({ type }) => isDecimal(type))
    ? quotedMembers('json', segment)
    : 'NULL'
  const members = `SELECT "row", json, from_json(json, ${literal(structure)}) AS member,
      ${quoted} AS quoted FROM (${lines})`
  const names = `[${stream.map(({ name }) => literal(name)).join(', ')}]`
  const known = `list_filter(json_keys(json), lambda name: list_contains(${names}, name))`
  const cases = [
    `WHEN json IS NULL THEN ${verdict("'invalid-json'")}`,
    `WHEN json_type(json) <> 'OBJECT' THEN ${verdict("'not-an-object'")}`,
    `WHEN len(${known}) > len(list_distinct(${known})) THEN ${verdict("'duplicate-member'")}`,
    ...columns.flatMap((column) => {
      const source = stream[places.get(column.fieldId) ?? -1]
      if (source === undefined) return []
      const isKey = key.includes(column.name)
      return [...memberCase(source, column.type), ...(isKey ? [keyCase(source)] : [])]
    }),
  ]
  return `SELECT "row", verdict.code AS code, verdict.column_name AS column_name,
      verdict.value AS value
    FROM (SELECT "row", CASE ${cases.join('\n      ')} END AS verdict FROM (${members}))
    WHERE verdict IS NOT NULL`
}

/** The value of a member as text; NULL for null and for members that are not there. */
function textOf({ name, type }: SourceColumn): string {
  const text = `(member.${identifier(name)} ->> '$')`
  return isDecimal(type) ? `(${quotedText('quoted', name, text)})` : text
}

function memberCase(source: SourceColumn, type: ColumnType): readonly string[] {
  const isBad = unfitSql(source, type)
  if (isBad === null) return []
  const text = textOf(source)
  const isFraction = isWholeNumber(source.type)
    ? `WHEN ${hasFraction(text)} AND TRY_CAST(${text} AS DOUBLE) IS NOT NULL
        THEN ${code('lossy-number')}`
    : ''
  const isCut = isDecimal(source.type)
    ? `WHEN ${hasMoreDecimals(text, source.type)} THEN ${code('lossy-number')}`
    : ''
  const isNumeric = isWholeNumber(source.type) || isDecimal(source.type)
  const isBeyond = isNumeric
    ? `WHEN TRY_CAST(${text} AS DOUBLE) IS NOT NULL THEN ${code('out-of-range')}`
    : ''
  const found = `CASE ${isFraction} ${isCut} ${isBeyond} WHEN true THEN ${code('mistyped')} END`
  return [`WHEN ${text} IS NOT NULL AND ${isBad} THEN ${verdict(found, source, text)}`]
}

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
    return `CASE WHEN NOT ${hasFraction(text)} THEN TRY_CAST(${text} AS ${target}) IS NULL
      WHEN regexp_full_match(${text}, '-?[0-9]+\\.0+')
      THEN TRY_CAST(split_part(${text}, '.', 1) AS ${target}) IS NULL ELSE true END`
  }
  if (isTime(source.type)) return `TRY_CAST(${text} AS ${target}) IS NULL`
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

const isTime = (type: ColumnType): boolean =>
  type === 'date' || type === 'timestamp' || type === 'timestamp_ntz'

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
