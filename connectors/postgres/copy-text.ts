/**
 * COPY text format, written byte by byte.
 *
 * A line: fields separated by TAB, ended by LF. `\N` NULL · `\U` not sent · in values the bytes
 * `\` TAB LF CR BS FF VT are written as `\\ \t \n \r \b \f \v`.
 * Source: PostgreSQL 18 documentation, COPY, "Text Format"; `\U` is our own mark.
 */

/** Separates fields. */
export const TAB = 0x09
/** Ends a line. */
export const LINE_FEED = 0x0a
/** Begins an escape or a mark. */
export const BACKSLASH = 0x5c
/** After a backslash: the value is NULL. */
export const NULL_MARK = 0x4e
/** After a backslash: the value was not sent. */
export const UNSENT_MARK = 0x55

const ESCAPED_BYTES: readonly (readonly [number, string])[] = [
  [0x08, 'b'],
  [0x09, 't'],
  [0x0a, 'n'],
  [0x0b, 'v'],
  [0x0c, 'f'],
  [0x0d, 'r'],
  [BACKSLASH, '\\'],
]

/** Byte → letter of its escape; 0 where the byte stands for itself. */
const ESCAPES = buildEscapes()

/** Most bytes that `byteCount` bytes can become. */
export function escapedSizeMax(byteCount: number): number {
  return byteCount * 2
}

/**
 * Writes `source[start, end)` escaped at `offset` of the target, which has room; returns the end
 * offset. Most values need no escape: they are copied while being looked at, which runs twice as
 * fast.
 */
export function writeEscaped(
  target: Uint8Array,
  offset: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  const length = (end - start) | 0
  let found = 0
  for (let index = 0; index < length; index = (index + 1) | 0) {
    const byte = source[start + index]!
    found |= ESCAPES[byte]!
    target[offset + index] = byte
  }
  return found === 0 ? offset + length : writeWithEscapes(target, offset, source, start, end)
}

function writeWithEscapes(
  target: Uint8Array,
  offset: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  let at = offset
  for (let index = start; index < end; index++) {
    const byte = source[index]!
    const letter = ESCAPES[byte]!
    if (letter === 0) {
      target[at++] = byte
    } else {
      target[at++] = BACKSLASH
      target[at++] = letter
    }
  }
  return at
}

/** The value of a field that is neither of the marks. */
export function unescapeField(field: string): string {
  if (!field.includes('\\')) return field
  return field.replaceAll(/\\(.)/gs, (_, letter: string) => {
    const found = ESCAPED_BYTES.find(([, name]) => name === letter)
    return found === undefined ? letter : String.fromCharCode(found[0])
  })
}

function buildEscapes(): Uint8Array {
  const table = new Uint8Array(256)
  for (const [byte, letter] of ESCAPED_BYTES) table[byte] = letter.charCodeAt(0)
  return table
}
