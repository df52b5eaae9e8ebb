/** Values of PostgreSQL's COPY text format and its array text, as SQL expressions. */

import { duckType } from '../engine/index.ts'
import type { ColumnType } from '../model/index.ts'

/**
 * Expression that turns a landed field into a value of `type`. Short types are typed by the reader
 * already; long ones arrive as escaped text, `\U` (not sent) becomes NULL.
 */
export function copyTextValue(field: string, type: ColumnType): string {
  if (type === 'string')
    return `CASE WHEN NOT contains(${field}, '\\') THEN ${field}
    WHEN ${field} = '\\U' THEN NULL ELSE ${unescaped(field)} END`
  // Hexadecimal text `\x6162` is landed as `\\x6162`: the digits start at the fourth character.
  if (type === 'binary') return `CASE WHEN ${field} = '\\U' THEN NULL ELSE unhex(${field}[4:]) END`
  if (typeof type === 'string' || type.kind === 'decimal') return field
  if (type.kind === 'array') {
    const list = arrayValue(unescaped(field), type.element)
    return `CASE WHEN ${field} = '\\U' THEN NULL ELSE ${list} END`
  }
  const value = `CAST(${unescaped(field)} AS ${duckType(type)})`
  return `CASE WHEN ${field} = '\\U' THEN NULL ELSE ${value} END`
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
function arrayValue(text: string, element: ColumnType): string {
  const tokens = `regexp_extract_all(substr(${text}, 2, length(${text}) - 2),
    '(?s)"(?:[^"\\\\]|\\\\.)*"|[^,]+')`
  const bare = "CASE WHEN token = 'NULL' THEN NULL ELSE token END"
  const quoted = `regexp_replace(token[2:-2], '(?s)\\\\(.)', '\\1', 'g')`
  const value = `CASE WHEN token[1] = '"' THEN ${quoted} ELSE ${bare} END`
  const typed =
    element === 'binary' ? `unhex((${value})[3:])` : `CAST(${value} AS ${duckType(element)})`
  // Anything but a one-dimensional array with default bounds has no list form here: refuse it
  // loudly.
  return `CASE WHEN ${text}[1] = '{' AND ${text}[2] <> '{' OR ${text} IS NULL
    THEN list_transform(${tokens}, lambda token: ${typed})
    ELSE error('a multi-dimensional array or one with bounds cannot be stored: '
      || ${text}[1:60]) END`
}
