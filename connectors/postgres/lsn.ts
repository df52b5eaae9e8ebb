/** Log sequence numbers: PostgreSQL's text form `16/B374D848` ↔ the 64-bit position. */

import { SluiceError, type SourcePosition } from '../../src/model/index.ts'

const LSN_PATTERN = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/

/** Text → position. Throws SLU-SRC-1220 on anything else. */
export function parseLsn(text: string): SourcePosition {
  const match = LSN_PATTERN.exec(text)
  if (match === null) {
    throw new SluiceError('SLU-SRC-1220', { message: `not a log sequence number: ${text}` })
  }
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)
}

/** Position → text, as Postgres prints it. */
export function formatLsn(position: SourcePosition): string {
  const high = (position >> 32n).toString(16).toUpperCase()
  const low = (position & 0xffffffffn).toString(16).toUpperCase()
  return `${high}/${low}`
}
