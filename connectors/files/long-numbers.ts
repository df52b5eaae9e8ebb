/** Tells whether JSON lines have numbers that a double does not hold, where that counts. Pure. */

/** Digits that every double tells apart, printed and read again. */
const DIGITS_MAX = 15
const RUN_MIN = DIGITS_MAX + 1

const POINT = 0x2e
const SMALL_E = 0x65
const LARGE_E = 0x45
const MINUS = 0x2d
const COLON = 0x3a
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** What very small numbers have in them, and little else. */
const SMALL_EXPONENTS = [Buffer.from('e-'), Buffer.from('E-')]

/**
 * True when a member of one of these names may be a number with a fraction or exponent that reading
 * it as a double would change: one of more digits, or one so small that it becomes 0.
 */
export function mayHaveLongNumber(bytes: Buffer, names: ReadonlySet<string>): boolean {
  return hasManyDigits(bytes, names) || SMALL_EXPONENTS.some((e) => isTiny(bytes, names, e))
}

/**
 * A run of so many digits cannot hide between two looks that lie less than its length apart, so few
 * bytes are looked at.
 */
function hasManyDigits(bytes: Buffer, names: ReadonlySet<string>): boolean {
  for (let at = RUN_MIN - 1; at < bytes.length; at += RUN_MIN) {
    if (!isOfNumber(bytes[at])) continue
    let start = at
    let end = at + 1
    let hasPoint = bytes[at] === POINT
    for (; isOfNumber(bytes[start - 1]); start--) hasPoint ||= bytes[start - 1] === POINT
    for (; isOfNumber(bytes[end]); end++) hasPoint ||= bytes[end] === POINT
    const hasExponent = bytes[end] === SMALL_E || bytes[end] === LARGE_E
    const digits = end - start - (hasPoint ? 1 : 0)
    const isLong = digits > DIGITS_MAX && (hasPoint || hasExponent)
    if (isLong && isMember(bytes, start, names)) return true
    at = Math.max(at, end - RUN_MIN)
  }
  return false
}

/** An exponent of three digits may be beyond what a double reaches. */
function isTiny(bytes: Buffer, names: ReadonlySet<string>, exponent: Buffer): boolean {
  for (let at = bytes.indexOf(exponent); at >= 0; at = bytes.indexOf(exponent, at + 2)) {
    let end = at + 2
    while (isDigit(bytes[end])) end++
    if (end < at + 5) continue
    let start = at
    while (isOfNumber(bytes[start - 1])) start--
    if (start < at && isMember(bytes, start, names)) return true
  }
  return false
}

/** True when the number that starts at `start` is the value of a member of one of the names. */
function isMember(bytes: Buffer, start: number, names: ReadonlySet<string>): boolean {
  let at = bytes[start - 1] === MINUS ? start - 2 : start - 1
  while (isSpace(bytes[at])) at--
  if (bytes[at] !== COLON) return false
  at--
  while (isSpace(bytes[at])) at--
  // No member: the inside of a text.
  if (bytes[at] !== QUOTE) return false
  const from = bytes.lastIndexOf(QUOTE, at - 1) + 1
  // What stands behind a backslash is not looked into: it may be a name.
  return bytes[from - 2] === BACKSLASH || isNamed(bytes.toString('utf8', from, at), names)
}

const isNamed = (text: string, names: ReadonlySet<string>): boolean =>
  text.includes('\\') || names.has(text)

const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

function isOfNumber(byte: number | undefined): boolean {
  return isDigit(byte) || byte === POINT
}
