/**
 * JSON lines as SQL: the relation of a landed file, and its members as values of a type.
 *
 * The engine's JSON reader takes a number with a fraction or exponent for a double and prints that:
 * the same number up to 15 digits, which every double tells apart. Lines with longer ones are
 * looked at twice: there the numbers are put between quotes first, which keeps their text.
 */

import { duckType, identifier, literal } from '../engine/index.ts'
import { type ColumnType, isWholeNumber, type SourceColumn } from '../model/index.ts'
import { exactDecimal, isDecimal } from './decimal-text.ts'
import type { LandedSegment } from './segment.ts'
import { wholeNumber } from './whole-number.ts'

/** Small enough to stay in the processor's cache, measured 10 % faster than 8 MiB. */
const BUFFER_BYTES_MIN = 1024 * 1024

/** Column of the relation: members of lines that were looked at twice; NULL for the others. */
const QUOTED = '__sluice_quoted'

/** `read_json` over a segment, and what `jsonLineValue` needs beside it. */
export function jsonLinesRelation(segment: LandedSegment): string {
  const { schema, path, lineBytesMax } = segment
  const columns = schema.columns.map(
    (column) => `${identifier(column.name)}: ${literal(readType(column.type))}`,
  )
  const objectBytesMax = Math.max(BUFFER_BYTES_MIN, lineBytesMax + 4096)
  const members = `read_json(${literal(path)}, format = 'newline_delimited',
    columns = {${columns.join(', ')}}, maximum_object_size = ${objectBytesMax})`
  if (!isLookedAtTwice(segment)) return members
  return `${members} POSITIONAL JOIN (SELECT ${quotedMembers('json', segment)} AS ${QUOTED}
    FROM read_ndjson_objects(${literal(path)}, maximum_object_size = ${objectBytesMax}))`
}

/** The value of a member. What the type would round is refused; 2.0 is a whole number. */
export function jsonLineValue(segment: LandedSegment, { name, type }: SourceColumn): string {
  const value = identifier(name)
  if (isWholeNumber(type)) return wholeNumber(value, name)
  if (!isDecimal(type)) return value
  const text = isLookedAtTwice(segment) ? quotedText(QUOTED, name, value) : value
  return exactDecimal(text, type, name)
}

/** The decimal members of a line with a long number, numbers as texts; NULL for other lines. */
export function quotedMembers(json: string, { schema }: LandedSegment): string {
  const decimals = schema.columns.filter(({ type }) => isDecimal(type))
  const structure = JSON.stringify(Object.fromEntries(decimals.map(({ name }) => [name, 'JSON'])))
  const line = `${json}::VARCHAR`
  return `CASE WHEN regexp_matches(${line}, ${literal(LONG_NUMBER)})
    THEN from_json(regexp_replace(${line}, ${literal(MEMBER_NUMBER)}, '\\1"\\2"', 'g')::JSON,
      ${literal(structure)}) END`
}

/** The text of a decimal member: as the line has it where that was looked at, else `otherwise`. */
export function quotedText(quoted: string, name: string, otherwise: string): string {
  const member = `${quoted}.${identifier(name)}`
  // A number that is none between quotes stands behind an unusual name. What it was is not known.
  return `CASE WHEN ${quoted} IS NULL THEN ${otherwise}
    WHEN json_type(${member}) = 'DOUBLE' THEN 'a number beyond 15 digits, near ' || ${otherwise}
    ELSE ${member} ->> '$' END`
}

/** True when a segment has decimals and may have numbers that the reader would change. */
function isLookedAtTwice({ schema, hasShortNumbers }: LandedSegment): boolean {
  return hasShortNumbers !== true && schema.columns.some(({ type }) => isDecimal(type))
}

/** What every number of 16 digits or more with a fraction or an exponent has in it, at least. */
const LONG_NUMBER = '[0-9.]{16}'

/**
 * A number that is a member's value. Inside a text no quote stands without a backslash before it;
 * and before the opening quote of a text stands one of the other characters that are left out, so
 * that what is found is the end of a name.
 */
const MEMBER_NUMBER = '([^\\\\:,{\\[\\s]"\\s*:\\s*)(-?[0-9][-+.0-9eE]*)'

/** Times are read as text: casting that is cheaper than the JSON reader's own way to a time. */
const TIMES: ReadonlySet<ColumnType> = new Set(['timestamp', 'timestamp_ntz', 'date'])

/** Numbers that must be exact are read as text: the JSON reader would round them. */
function readType(type: ColumnType): string {
  const isText = isWholeNumber(type) || isDecimal(type) || TIMES.has(type)
  return isText ? 'VARCHAR' : duckType(type)
}
