/**
 * Every reason for which a record is rejected: stable name and meaning. docs/dead-letters.md lists
 * them.
 */

/** Code → what is wrong with the record. Dead-letter tables store them: add, never change. */
export const REJECT_CODES = {
  'invalid-utf8': 'The bytes of the record are not valid UTF-8.',
  'invalid-json': 'The record is not JSON, or more follows after it.',
  'not-an-object': 'The record is no JSON object.',
  'too-long': 'The record is longer than 16 MiB; its first 64 KiB are kept.',
  'field-count': 'The record has another number of fields than its file.',
  'bad-quote': 'A quote does not enclose a field, or more follows after the one that closes it.',
  'open-quote': 'A quote is opened and not closed.',
  'bad-line-end': 'No line feed follows a carriage return.',
  'too-deep': 'Arrays and objects stand in each other more than 10,000 times.',
  'duplicate-member': 'A member that is a column stands in the object twice.',
  'missing-key': 'A key column is not in the record.',
  'null-key': 'A key column is null.',
  mistyped: 'The value is of another kind than its column.',
  'out-of-range': 'The value is a number that its column cannot hold.',
  'lossy-number': 'The value is a number with more decimals than its column holds.',
  'lossy-time': 'The value is a time with more decimals than microseconds.',
} as const

/** Why a record was rejected. */
export type RejectCode = keyof typeof REJECT_CODES

/** The codes in the order in which numbers stand for them in memory. */
export const REJECT_CODE_NAMES = Object.keys(REJECT_CODES) as readonly RejectCode[]

/** The number that stands for a code in memory; never stored. */
export function rejectCodeNumber(code: RejectCode): number {
  return REJECT_CODE_NAMES.indexOf(code)
}
