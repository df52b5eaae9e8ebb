/** How deep the arrays and objects of a JSON line stand in each other. Pure. */

/** Far beyond any use, and far below what ends the engine's stack. */
export const DEPTH_MAX = 10_000

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPENING_BRACKET = 0x5b
const CLOSING_BRACKET = 0x5d
const OPENING_BRACE = 0x7b
const CLOSING_BRACE = 0x7d

/** True when the line is deeper than `DEPTH_MAX`; a shorter one is not looked at. */
export function isTooDeep(bytes: Buffer, start: number, end: number): boolean {
  return end - start > DEPTH_MAX && countsTooDeep(bytes, start, end)
}

function countsTooDeep(bytes: Buffer, start: number, end: number): boolean {
  let depth = 0
  let isText = false
  for (let at = start; at < end; at++) {
    const byte = bytes[at]
    if (isText) {
      if (byte === BACKSLASH) at++
      else if (byte === QUOTE) isText = false
    } else if (byte === QUOTE) isText = true
    else if (byte === OPENING_BRACKET || byte === OPENING_BRACE) {
      if (++depth > DEPTH_MAX) return true
    } else if (byte === CLOSING_BRACKET || byte === CLOSING_BRACE) depth--
  }
  return false
}
