/** Times that are finer than the microseconds which columns hold. */

import { literal } from '../engine/index.ts'
import type { ColumnType, SourceColumn } from '../model/index.ts'
import { ENDS_QUERY } from './refusal.ts'

/** True for types of points in time, days among them. */
export function isTime(type: ColumnType): boolean {
  return type === 'date' || isTimestamp(type)
}

/** True for types of points in time within a day. */
export function isTimestamp(type: ColumnType): boolean {
  return type === 'timestamp' || type === 'timestamp_ntz'
}

/** The text itself where the column's type holds its digits; any other is refused. */
export function exactTime(text: string, column: SourceColumn, refusal = ENDS_QUERY): string {
  if (!isTimestamp(column.type) || column.nanoseconds === 'cut') return text
  const sentence = `${literal(`${column.name}: no microsecond is exactly `)} || ${text}[1:60]`
  return `CASE WHEN ${isTooFine(text)} THEN ${refusal(sentence)} ELSE ${text} END`
}

/** True for texts of a time with more than six decimals that are not zero. */
export function isTooFine(text: string): string {
  return `(strlen(${text}) > ${EXACT_BYTES_MAX} AND regexp_matches(${text}, ${literal(TOO_FINE)}))`
}

/** The shortest text that is too fine has one byte more: `2026-1-1 1:00:00.1234567`. */
const EXACT_BYTES_MAX = 23
const TOO_FINE = ':[0-9]{2}[.][0-9]{6}[0-9]*[1-9]'
