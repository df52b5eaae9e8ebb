/**
 * Zigzag varints of records: 7 bits a byte, the lowest first, the top bit set on all but the last.
 * Reading never leaves `end`; what does not fit is `MALFORMED`, which no number of a record can be.
 */

/** A place in bytes that moves on as they are read. */
export interface ByteCursor {
  readonly bytes: Uint8Array
  position: number
  end: number
}

/** What a read gives that met no number: outside of what 32 bits hold. */
export const MALFORMED = 2 ** 40

const INT32_BITS_OF_FIFTH_BYTE = 0x0f
const BYTES_OF_VARLONG_MAX = 10

/** A number of 32 bits, or `MALFORMED`. */
export function readVarint(cursor: ByteCursor): number {
  const { bytes, end } = cursor
  let position = cursor.position
  if (position >= end) return MALFORMED
  let byte = bytes[position++] as number
  let value = byte & 0x7f
  for (let shift = 7; byte >= 0x80; shift += 7) {
    if (position >= end) return MALFORMED
    byte = bytes[position++] as number
    if (shift === 28 && byte > INT32_BITS_OF_FIFTH_BYTE) return MALFORMED
    value |= (byte & 0x7f) << shift
  }
  cursor.position = position
  return (value >>> 1) ^ -(value & 1)
}

/** A number of 64 bits; null when there is none. */
export function readVarlong(cursor: ByteCursor): bigint | null {
  const { bytes, end } = cursor
  const first = cursor.position
  let value = 0n
  for (let index = 0; index < BYTES_OF_VARLONG_MAX; index++) {
    const position = first + index
    if (position >= end) return null
    const byte = bytes[position] as number
    value |= BigInt(byte & 0x7f) << BigInt(7 * index)
    if (byte < 0x80) {
      cursor.position = position + 1
      return BigInt.asIntN(64, (BigInt.asUintN(64, value) >> 1n) ^ -(value & 1n))
    }
  }
  return null
}
