/**
 * Columns for the members of JSON lines. Pure; looks at names and at what kind of value stands
 * behind them, and passes over what is no JSON object: that is judged where records are decoded.
 */

import { fitsLong, printColumnType } from './column-type-names.ts'
import { SluiceError } from './errors.ts'
import { LF, OPENING_BRACE, skipSpace } from './line-bytes.ts'
import type { ColumnType, SourceColumn } from './schema.ts'

/** Members that have no column yet. */
export interface UnknownMembers {
  /** Start of the first line that has one. */
  readonly startBytes: number
  /**
   * A column for each, in the order of their first appearance. All are nullable: other lines may
   * lack them. Integers become `bigint`, a mix with fractions `double`; strings, objects, arrays
   * and other mixes become `string` (objects and arrays as JSON text).
   */
  readonly columns: readonly SourceColumn[]
}

/** What was seen behind a name. */
type Seen = 'null' | 'boolean' | 'integer' | 'number' | 'text'

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c
const OPENING_BRACKET = 0x5b
const CLOSING_BRACKET = 0x5d
const CLOSING_BRACE = 0x7d

/**
 * Finds the members of whole lines whose names are not `known`; null when there are none. Throws
 * SLU-SRC-1402, naming the place, for one that has no name or that no column type holds.
 */
export function findUnknownMembers(
  bytes: Buffer,
  known: ReadonlySet<string>,
  place: { readonly file: string; readonly firstLine: number },
): UnknownMembers | null {
  const found = new Map<string, Seen>()
  let startBytes = -1
  let line = place.firstLine
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(LF, start) + 1 || bytes.length
    for (const { name, value } of membersOf(bytes, start, end)) {
      if (known.has(name)) continue
      if (startBytes < 0) startBytes = start
      const seen = seenIn(value, name, `${place.file}:${line}`)
      found.set(name, combine(found.get(name) ?? 'null', seen))
    }
    start = end
  }
  if (startBytes < 0) return null
  return { startBytes, columns: [...found].map(([name, seen]) => columnOf(name, seen)) }
}

/** The members of the object on a line; none of what is no object, or from what is no member on. */
export function* membersOf(
  bytes: Buffer,
  start: number,
  end: number,
): Generator<{ readonly name: string; readonly value: string }> {
  let at = skipSpace(bytes, start, end)
  if (bytes[at] !== OPENING_BRACE) return
  do {
    const nameStart = skipSpace(bytes, at + 1, end)
    if (bytes[nameStart] !== QUOTE) return
    const nameEnd = skipText(bytes, nameStart, end)
    const colon = skipSpace(bytes, nameEnd, end)
    if (bytes[colon] !== COLON) return
    const valueStart = skipSpace(bytes, colon + 1, end)
    at = skipValue(bytes, valueStart, end)
    const name = textOf(bytes.toString('utf8', nameStart, nameEnd))
    if (name !== null) yield { name, value: bytes.toString('utf8', valueStart, at).trimEnd() }
  } while (bytes[at] === COMMA)
}

/** The place after the text that begins at `start`. */
function skipText(bytes: Buffer, start: number, end: number): number {
  for (let at = start + 1; at < end; at++) {
    if (bytes[at] === BACKSLASH) at++
    else if (bytes[at] === QUOTE) return at + 1
  }
  return end
}

/** The place of the comma or brace after the value that begins at `start`. */
function skipValue(bytes: Buffer, start: number, end: number): number {
  let depth = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) at = skipText(bytes, at, end) - 1
    else if (byte === OPENING_BRACE || byte === OPENING_BRACKET) depth++
    else if (depth === 0 && (byte === COMMA || byte === CLOSING_BRACE)) return at
    else if (byte === CLOSING_BRACE || byte === CLOSING_BRACKET) depth--
  }
  return end
}

function textOf(quoted: string): string | null {
  if (!quoted.includes('\\')) return quoted.slice(1, -1)
  try {
    return JSON.parse(quoted) as string
  } catch {
    return null
  }
}

function seenIn(value: string, name: string, place: string): Seen {
  if (name === '') {
    throw new SluiceError('SLU-SRC-1402', {
      message: `${place}: a member has no name, and no column can have none.`,
      remedy: 'Give it a name, or declare `columns` and set undeclared: ignore to leave it out.',
    })
  }
  const first = value[0]
  if (first === undefined || first === 'n') return 'null'
  if (first === 't' || first === 'f') return 'boolean'
  if (first === '"' || first === '{' || first === '[') return 'text'
  if (!/^-?\d+$/.test(value)) return 'number'
  if (fitsLong(BigInt(value))) return 'integer'
  throw new SluiceError('SLU-SRC-1402', {
    message: `${place}: column "${name}" holds an integer beyond 64 bits.`,
    remedy: `Declare it under \`columns\`: ${JSON.stringify(name)}: decimal(38,0), or double.`,
  })
}

function combine(left: Seen, right: Seen): Seen {
  if (left === right || right === 'null') return left
  if (left === 'null') return right
  const bothNumbers =
    (left === 'integer' || left === 'number') && (right === 'integer' || right === 'number')
  return bothNumbers ? 'number' : 'text'
}

const TYPES: Readonly<Record<Seen, ColumnType>> = {
  boolean: 'boolean',
  integer: 'long',
  number: 'double',
  null: 'string',
  text: 'string',
}

function columnOf(name: string, seen: Seen): SourceColumn {
  const type = TYPES[seen]
  return { name, type, sourceType: printColumnType(type), nullable: true }
}
