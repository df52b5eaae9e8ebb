/** Bytes of NDJSON lines that the scans look for. */

/** Ends a line. */
export const LF = 0x0a
/** Opens a record. */
export const OPENING_BRACE = 0x7b

/** First place in `start..end` that is no JSON white space. */
export function skipSpace(bytes: Buffer, start: number, end: number): number {
  let at = start
  while (at < end) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x09 && byte !== LF && byte !== 0x0d) break
    at++
  }
  return at
}
