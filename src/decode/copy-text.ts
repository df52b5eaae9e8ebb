/** Values of PostgreSQL's COPY text format and its array text, as SQL expressions. */

import { duckType, literal } from '../engine/index.ts'
import type { ColumnType, SourceColumn } from '../model/index.ts'

/**
 * Type in which the file reader hands a field over. Only what its parser gets right is typed there:
 * it takes years BC for years AD, and a time that it cannot read for NULL.
 */
export function copyTextFieldType(type: ColumnType): string {
  return typeof type === 'string' && READ_TYPED.has(type) ? duckType(type) : 'VARCHAR'
}

const READ_TYPED: ReadonlySet<ColumnType> = new Set([
  'boolean',
  'byte',
  'short',
  'integer',
  'long',
  'float',
  'double',
])

/**
 * Expression that turns a landed field into a value of the column's type. Short types are typed by
 * the reader already; others arrive as escaped text, `\U` (not sent) becomes NULL. A value that the
 * type cannot hold ends the query, or becomes NULL where the column says so.
 */
export function copyTextValue(field: string, column: SourceColumn): string {
  const { type } = column
  if (typeof type === 'string' && READ_TYPED.has(type)) return field
  if (type === 'string')
    return `CASE WHEN NOT contains(${field}, '\\') THEN ${field}
    WHEN ${field} = '\\U' THEN NULL ELSE ${unescaped(field)} END`
  // Hexadecimal text `\x6162` is landed as `\\x6162`: the digits start at the fourth character.
  if (type === 'binary') return `CASE WHEN ${field} = '\\U' THEN NULL ELSE unhex(${field}[4:]) END`
  if (type === 'date' || type === 'timestamp' || type === 'timestamp_ntz')
    return scalarValue(field, type, column)
  const value =
    typeof type !== 'string' && type.kind === 'array'
      ? arrayValue(unescaped(field), type.element, column)
      : scalarValue(field, type, column)
  return `CASE WHEN ${field} = '\\U' THEN NULL ELSE ${value} END`
}

/** Expression of `SourceColumn.initial`, in a type that the column's values fit. */
export function initialValue(column: SourceColumn, type: ColumnType): string {
  const text = literal((column.initial ?? '').replaceAll('\\', '\\\\'))
  const value =
    typeof column.type === 'string' && READ_TYPED.has(column.type)
      ? `CAST(${text} AS ${duckType(column.type)})`
      : copyTextValue(`CAST(${text} AS VARCHAR)`, column)
  return `CAST(${value} AS ${duckType(type)})`
}

/** Value of a text without escapes. */
function scalarValue(text: string, type: ColumnType, column: SourceColumn): string {
  const duck = duckType(type)
  const isLenient = column.unfit === 'null'
  const cast = `${isLenient ? 'TRY_CAST' : 'CAST'}(${text} AS ${duck})`
  const unfit = isLenient ? 'NULL' : unfitError(text, column)
  if (type === 'string') return text
  if (type === 'binary') return `unhex((${text})[3:])`
  if (type === 'date' || type === 'timestamp' || type === 'timestamp_ntz') {
    // Letters are rare: `infinity`, or `BC` after the last digit.
    return `CASE WHEN NOT contains(${text}, 'i') AND NOT contains(${text}, 'B') THEN ${cast}
      WHEN ends_with(${text}, ' BC') THEN CAST(${beforeChrist(text)} AS ${duck})
      WHEN ${text} IS NOT NULL THEN ${unfit} END`
  }
  if (typeof type !== 'string' && type.kind === 'decimal') {
    // A cast would round what does not fit the scale.
    const fits = column.isForced
      ? `regexp_full_match(${text}, '-?[0-9]+([.][0-9]{0,${type.scale}}0*)?')`
      : `${text} <> 'NaN'`
    return `CASE WHEN ${fits} THEN ${cast} WHEN ${text} IS NOT NULL THEN ${unfit} END`
  }
  return cast
}

/** Year 44 BC is the year -43 of the calendar that the engine reads. */
function beforeChrist(text: string): string {
  return `'-' || lpad((split_part(${text}, '-', 1)::INTEGER - 1)::VARCHAR, 4, '0')
    || substr(${text}, strpos(${text}, '-'), length(${text}) - strpos(${text}, '-') - 2)`
}

function unfitError(text: string, { name, sourceType }: SourceColumn): string {
  const where = literal(`${name} (${sourceType}) cannot be stored as it is: `)
  return `error(${where} || ${text}[1:60])`
}

/**
 * Undoes COPY's escapes. A run of backslashes always starts at the start of a pair, so splitting at
 * `\\` from the left never takes half of another escape.
 */
function unescaped(field: string): string {
  const escapes: readonly (readonly [string, number])[] = [
    ['n', 10],
    ['t', 9],
    ['r', 13],
    ['b', 8],
    ['f', 12],
    ['v', 11],
  ]
  const part = escapes.reduce(
    (sql, [letter, code]) => `replace(${sql}, '\\${letter}', chr(${code}))`,
    'part',
  )
  return `array_to_string(
    list_transform(string_split(${field}, '\\\\'), lambda part: ${part}), '\\')`
}

/**
 * Array text `{a,"b c",NULL}` → list. Elements are tokens: quoted with backslash escapes, or bare.
 */
function arrayValue(text: string, element: ColumnType, column: SourceColumn): string {
  const tokens = `regexp_extract_all(substr(${text}, 2, length(${text}) - 2),
    '(?s)"(?:[^"\\\\]|\\\\.)*"|[^,]+')`
  const bare = "CASE WHEN token = 'NULL' THEN NULL ELSE token END"
  const quoted = `regexp_replace(token[2:-2], '(?s)\\\\(.)', '\\1', 'g')`
  const value = `(CASE WHEN token[1] = '"' THEN ${quoted} ELSE ${bare} END)`
  const typed = scalarValue(value, element, column)
  // Only a one-dimensional array with default bounds has a list form.
  const unfit = column.unfit === 'null' ? 'NULL' : unfitError(text, column)
  return `CASE WHEN ${text}[1] = '{' AND ${text}[2] <> '{' OR ${text} IS NULL
    THEN list_transform(${tokens}, lambda token: ${typed})
    ELSE ${unfit} END`
}
