/**
 * Gives each JSON line its source position, as its first member, so that the engine can read lines
 * in parallel.
 */

import { SluiceError } from '../model/index.ts'

/** Name of the member that carries the position in a landed JSON line. */
export const LINE_POSITION = '__sluice_position'

const PREFIX = Buffer.from(`{"${LINE_POSITION}":`)
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const COMMA = 0x2c
const LINE_FEED = 0x0a
const ZERO = 0x30
const NINE = 0x39
/** Digits of a 64-bit position. */
const DIGITS_MAX = 20

/** What `numberLines` has written. */
export interface NumberedLines {
  readonly byteCount: number
  readonly lineBytesMax: number
}

/** Bytes that `numberLines` may need for `byteCount` bytes of `lineCount` lines. */
export function numberedBytesMax(byteCount: number, lineCount: number): number {
  return byteCount + lineCount * (PREFIX.length + DIGITS_MAX + 1)
}

/**
 * Copies whole lines from `lines` to `into`, each with its position; returns the number of bytes
 * written. A JSON reader takes the first of two members of one name, so a member of the user's
 * cannot hide the position.
 * Throws SLU-ING-4003 for a line that is no JSON object, naming its position.
 */
export function numberLines(lines: Buffer, firstPosition: bigint, into: Buffer): NumberedLines {
  const prefix = Buffer.alloc(PREFIX.length + DIGITS_MAX + 1)
  let prefixLength = writePrefix(prefix, firstPosition)
  let to = 0
  let lineCount = 0
  let lineBytesMax = 0
  for (let from = 0; from < lines.length; lineCount++) {
    const newline = lines.indexOf(LINE_FEED, from)
    const end = newline < 0 ? lines.length : newline + 1
    const brace = lines[from] === OPEN_BRACE ? from : skipSpace(lines, from, end)
    if (lines[brace] !== OPEN_BRACE) throw notAnObject(firstPosition + BigInt(lineCount))
    for (let at = 0; at < prefixLength; at++) into[to++] = prefix[at] as number
    if (lines[skipSpace(lines, brace + 1, end)] === CLOSE_BRACE) to--
    to += lines.copy(into, to, brace + 1, end)
    lineBytesMax = Math.max(lineBytesMax, end - from + prefixLength)
    from = end
    if (!increment(prefix, prefixLength - 2)) {
      prefixLength = writePrefix(prefix, firstPosition + BigInt(lineCount + 1))
    }
  }
  return { byteCount: to, lineBytesMax }
}

/** Writes `{"name":position,` and returns its length. */
function writePrefix(prefix: Buffer, position: bigint): number {
  const start = PREFIX.copy(prefix)
  const digits = prefix.write(position.toString(), start, 'latin1')
  prefix[start + digits] = COMMA
  return start + digits + 1
}

/** Adds one to the decimal digits that end at `last`; false when that takes one digit more. */
function increment(prefix: Buffer, last: number): boolean {
  let at = last
  while (prefix[at] === NINE) prefix[at--] = ZERO
  const digit = prefix[at] as number
  if (digit < ZERO || digit > NINE) return false
  prefix[at] = digit + 1
  return true
}

function skipSpace(lines: Buffer, from: number, end: number): number {
  let at = from
  while (at < end && (lines[at] === 0x20 || lines[at] === 0x09 || lines[at] === 0x0d)) at++
  return at
}

function notAnObject(position: bigint): SluiceError {
  return new SluiceError('SLU-ING-4003', {
    message: `the record at position ${position} is not a JSON object`,
    context: { position },
  })
}
