/**
 * JSON lines as SQL: the relation of a landed file, and its members as values of a type.
 *
 * The engine's JSON reader takes a number with a fraction or exponent for a double and prints that:
 * the same number up to 15 digits, which every double tells apart, unless it is so small that it
 * becomes 0. Lines with others are looked at twice where a column must hold numbers exactly: there
 * the numbers are put between quotes first, which keeps their text.
 *
 * Given columns, the reader passes over members that are none of them. It refuses such members
 * where it has found the columns itself, so a segment that must not lose any is read behind a file
 * whose one line shows every column: that costs nothing, since names are looked up in any case.
 */

import { duckType, identifier, literal } from '../engine/index.ts'
import {
  type ColumnType,
  isWholeNumber,
  type SourceColumn,
  type StreamSchema,
} from '../model/index.ts'
import { exactDecimal, isDecimal } from './decimal-text.ts'
import { recordColumns } from './record-columns.ts'
import type { LandedSegment } from './segment.ts'
import { exactTime, isTime } from './time-text.ts'
import { PRINTED_DIGITS_MAX, wholeNumber, wholeText } from './whole-number.ts'

/** Small enough to stay in the processor's cache, measured 10 % faster than 8 MiB. */
const BUFFER_BYTES_MIN = 1024 * 1024

/** Column of the relation: members of lines that were looked at twice; NULL for the others. */
const QUOTED = '__sluice_quoted'

/** Column of the relation of a segment with a shape: number of the line, the shape being 1. */
const LINE = '__sluice_line'

/** The one line of a segment's shape file: a member for each column, of the type it is read as. */
export function jsonLinesShape(schema: StreamSchema): string {
  const members = recordColumns(schema).map(({ name, type }) => [
    name,
    SHAPE_VALUES[readType(type)] ?? 'text',
  ])
  return `${JSON.stringify(Object.fromEntries(members))}\n`
}

const SHAPE_VALUES: Readonly<Record<string, unknown>> = { BOOLEAN: true, DOUBLE: 0.5, FLOAT: 0.5 }

/** `read_json` over a segment, and what `jsonLineValue` needs beside it. */
export function jsonLinesRelation(segment: LandedSegment): string {
  const { shapePath } = segment
  const relation = `${membersRelation(segment)}${quotedRelation(segment)}`
  if (shapePath === undefined) return relation
  return `(SELECT *, row_number() OVER () AS ${LINE} FROM ${relation}) WHERE ${LINE} > 1`
}

/** The number of a row of the relation, from 0. */
export function jsonLineNumber({ shapePath }: LandedSegment): string {
  return shapePath === undefined ? 'row_number() OVER () - 1' : `${LINE} - 2`
}

function membersRelation(segment: LandedSegment): string {
  if (segment.shapePath !== undefined) {
    return `read_json(${files(segment)}, format = 'newline_delimited', records = 'true',
    auto_detect = true, sample_size = 1, maximum_sample_files = 1, map_inference_threshold = -1,
    maximum_object_size = ${objectBytesMax(segment)})`
  }
  const columns = recordColumns(segment.schema).map(
    (column) => `${identifier(column.name)}: ${literal(readType(column.type))}`,
  )
  return `read_json(${files(segment)}, format = 'newline_delimited',
    columns = {${columns.join(', ')}}, maximum_object_size = ${objectBytesMax(segment)})`
}

function quotedRelation(segment: LandedSegment): string {
  if (!isLookedAtTwice(segment)) return ''
  return ` POSITIONAL JOIN (SELECT ${quotedMembers('json', segment)} AS ${QUOTED}
    FROM read_ndjson_objects(${files(segment)}, maximum_object_size = ${objectBytesMax(segment)}))`
}

function files({ path, shapePath }: LandedSegment): string {
  return shapePath === undefined ? literal(path) : `[${literal(shapePath)}, ${literal(path)}]`
}

const objectBytesMax = ({ lineBytesMax }: LandedSegment): number =>
  Math.max(BUFFER_BYTES_MIN, lineBytesMax + 4096)

/**
 * SELECT of the names of members that no column of the segment's schema has: some of them, as
 * `name`. Null for segments that may have such members.
 */
export function unknownMembersSql(segment: LandedSegment): string | null {
  if (segment.shapePath === undefined) return null
  const names = recordColumns(segment.schema)
    .map(({ name }) => literal(name))
    .join(', ')
  return `SELECT DISTINCT name FROM (SELECT unnest(json_keys(json)) AS name
      FROM read_ndjson_objects(${literal(segment.path)}, ignore_errors = true,
        maximum_object_size = ${objectBytesMax(segment)})
      WHERE json_type(json) = 'OBJECT')
    WHERE name NOT IN (${names}) ORDER BY name LIMIT ${NAMES_SHOWN_MAX}`
}

/** Names that a message can show. */
const NAMES_SHOWN_MAX = 5

/** The value of a member. What the type would round is refused; 2.0 is a whole number. */
export function jsonLineValue(segment: LandedSegment, column: SourceColumn): string {
  const { name, type } = column
  const value = identifier(name)
  const isTwice = isLookedAtTwice(segment)
  if (isWholeNumber(type)) {
    const printed = wholeNumber(value, name, { digitsMax: PRINTED_DIGITS_MAX })
    if (!isTwice) return printed
    const written = wholeNumber(wholeText(quotedText(QUOTED, name, value)), name, {})
    return `CASE WHEN ${QUOTED} IS NULL THEN ${printed} ELSE ${written} END`
  }
  if (!isDecimal(type)) return isTime(type) ? exactTime(value, column) : value
  return exactDecimal(isTwice ? quotedText(QUOTED, name, value) : value, type, name)
}

/** The exact members of a line with a long number, numbers as texts; NULL for other lines. */
export function quotedMembers(json: string, { schema }: LandedSegment): string {
  const exact = recordColumns(schema).filter(isExact)
  const structure = JSON.stringify(Object.fromEntries(exact.map(({ name }) => [name, 'JSON'])))
  const line = `${json}::VARCHAR`
  return `CASE WHEN regexp_matches(${line}, ${literal(LONG_NUMBER)})
    THEN from_json(regexp_replace(${line}, ${literal(MEMBER_NUMBER)}, '\\1"\\2"', 'g')::JSON,
      ${literal(structure)}) END`
}

/** True for columns whose values have every digit of the number. */
export function isExact({ type }: SourceColumn): boolean {
  return isWholeNumber(type) || isDecimal(type)
}

/** The text of an exact member: as the line has it where that was looked at, else `otherwise`. */
export function quotedText(quoted: string, name: string, otherwise: string): string {
  const member = `${quoted}.${identifier(name)}`
  // A number that is none between quotes stands behind an unusual name. What it was is not known.
  return `CASE WHEN ${quoted} IS NULL THEN ${otherwise}
    WHEN json_type(${member}) = 'DOUBLE' THEN 'a number beyond 15 digits, near ' || ${otherwise}
    ELSE ${member} ->> '$' END`
}

/** True when a segment has exact columns and may have numbers that the reader would change. */
function isLookedAtTwice({ schema, hasShortNumbers }: LandedSegment): boolean {
  return hasShortNumbers !== true && recordColumns(schema).some(isExact)
}

/**
 * What every number of 16 digits or more with a fraction or an exponent has in it, at least, or one
 * that may be too small for a double.
 */
const LONG_NUMBER = '[0-9.]{16}|[0-9.][eE]-[0-9]{3}'

/**
 * A number that is a member's value. Inside a text no quote stands without a backslash before it;
 * and before the opening quote of a text stands one of the other characters that are left out, so
 * that what is found is the end of a name.
 */
const MEMBER_NUMBER = '([^\\\\:,{\\[\\s]"\\s*:\\s*)(-?[0-9][-+.0-9eE]*)'

/** Numbers that must be exact are read as text: the JSON reader would round them. */
function readType(type: ColumnType): string {
  // Casting a text is cheaper than the JSON reader's own way to a time.
  const isText = isWholeNumber(type) || isDecimal(type) || isTime(type)
  return isText ? 'VARCHAR' : duckType(type)
}
