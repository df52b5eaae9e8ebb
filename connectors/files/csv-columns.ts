/** Names and types of the columns of a CSV file, from its header and its first records. Pure. */

import {
  type ColumnType,
  type ErrorContext,
  fitsLong,
  printColumnType,
  SluiceError,
  type SourceColumn,
} from '../../src/model/index.ts'
import type { CsvField } from './csv.ts'

/** What a text may be; `wide` is an integer that no double keeps. */
type TextKind =
  | 'boolean'
  | 'integer'
  | 'wide'
  | 'number'
  | 'date'
  | 'timestamp'
  | 'timestamp_ntz'
  | 'text'

const WHOLE = /^-?(?:0|[1-9]\d*)$/
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d{1,2})?$/
const DATE = /^\d{4}-\d\d-\d\d$/
const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(Z|[-+]\d\d(?::?\d\d)?)?$/
/** A double keeps every number of so many digits. */
const DOUBLE_DIGITS = 15

const TYPES: Readonly<Record<TextKind, ColumnType>> = {
  boolean: 'boolean',
  integer: 'long',
  wide: 'long',
  number: 'double',
  date: 'date',
  timestamp: 'timestamp',
  timestamp_ntz: 'timestamp_ntz',
  text: 'string',
}

/** The names of a header's fields. Throws SLU-SRC-1409 when one is empty or stands twice. */
export function headerNames(header: readonly CsvField[], file: string): readonly string[] {
  const names = header.map(({ text }) => text)
  const context: ErrorContext = { file }
  const empty = names.indexOf('')
  if (empty >= 0) {
    throw new SluiceError('SLU-SRC-1409', {
      message: `Field ${empty + 1} of the header of ${file} has no name.`,
      context,
    })
  }
  const twice = names.find((name, index) => names.indexOf(name) < index)
  if (twice !== undefined) {
    throw new SluiceError('SLU-SRC-1409', {
      message: `The header of ${file} names "${twice}" twice.`,
      context,
    })
  }
  return names
}

/**
 * A column for each field. Its type is the narrowest that every sampled text of it has exactly:
 * `bigint` (no leading zeros), `double` (at most 15 digits), `boolean` (`true`, `false`), `date`,
 * `timestamp` (with a zone), `timestamp_ntz` (without); else, or without any text, `string`.
 */
export function inferCsvColumns(
  names: readonly string[],
  records: readonly (readonly CsvField[])[],
  nullTexts: readonly string[],
): readonly SourceColumn[] {
  return names.map((name, index) => {
    let kind: TextKind | null = null
    for (const record of records) {
      const field = record[index]
      if (field === undefined || (!field.isQuoted && nullTexts.includes(field.text))) continue
      kind = kind === null ? kindOf(field.text) : combine(kind, kindOf(field.text))
    }
    const type = TYPES[kind ?? 'text']
    return { name, type, sourceType: printColumnType(type), nullable: true }
  })
}

function kindOf(text: string): TextKind {
  if (text === 'true' || text === 'false') return 'boolean'
  if (WHOLE.test(text)) {
    if (text.length <= DOUBLE_DIGITS) return 'integer'
    return fitsLong(BigInt(text)) ? 'wide' : 'text'
  }
  if (NUMBER.test(text)) {
    const digits = text.replace(/[eE].*$/, '').replace(/[^\d]|^-?0\./g, '')
    return digits.length <= DOUBLE_DIGITS ? 'number' : 'text'
  }
  if (DATE.test(text)) return 'date'
  const time = TIME.exec(text)
  if (time === null) return 'text'
  return time[1] === undefined ? 'timestamp_ntz' : 'timestamp'
}

function combine(left: TextKind, right: TextKind): TextKind {
  if (left === right) return left
  const kinds = new Set([left, right])
  if (!kinds.has('integer')) return 'text'
  if (kinds.has('wide')) return 'wide'
  return kinds.has('number') ? 'number' : 'text'
}
