/** Tells whether JSON lines have numbers that a double does not hold. Pure. */

/** Digits that every double tells apart, printed and read again. */
const DIGITS_MAX = 15
const RUN_MIN = DIGITS_MAX + 1

const POINT = 0x2e
const SMALL_E = 0x65
const LARGE_E = 0x45

/**
 * True when a number with a fraction or an exponent may have more digits. A run of so many digits
 * cannot hide between two looks that lie less than its length apart, so few bytes are looked at.
 */
export function mayHaveLongNumber(bytes: Uint8Array): boolean {
  for (let at = RUN_MIN - 1; at < bytes.length; at += RUN_MIN) {
    if (!isOfNumber(bytes[at])) continue
    let start = at
    let end = at + 1
    let hasPoint = bytes[at] === POINT
    for (; isOfNumber(bytes[start - 1]); start--) hasPoint ||= bytes[start - 1] === POINT
    for (; isOfNumber(bytes[end]); end++) hasPoint ||= bytes[end] === POINT
    const hasExponent = bytes[end] === SMALL_E || bytes[end] === LARGE_E
    const digits = end - start - (hasPoint ? 1 : 0)
    if (digits > DIGITS_MAX && (hasPoint || hasExponent)) return true
    at = Math.max(at, end - RUN_MIN)
  }
  return false
}

function isOfNumber(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x30 && byte <= 0x39) || byte === POINT)
}
