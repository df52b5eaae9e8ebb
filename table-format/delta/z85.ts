/** Z85 (ZeroMQ RFC 32): four bytes, big-endian, as five printable characters. */

const ALPHABET =
  '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]))

/** Bytes → text. Zero bytes are added up to a multiple of four. */
export function encodeZ85(bytes: Uint8Array): string {
  const padded = Buffer.alloc(Math.ceil(bytes.length / 4) * 4)
  padded.set(bytes)
  let text = ''
  for (let offset = 0; offset < padded.length; offset += 4) {
    let value = padded.readUInt32BE(offset)
    let group = ''
    for (let digit = 0; digit < 5; digit++) {
      group = ALPHABET[value % 85] + group
      value = Math.floor(value / 85)
    }
    text += group
  }
  return text
}

/** Text → bytes; null when it is not Z85. */
export function decodeZ85(text: string): Buffer | null {
  if (text.length % 5 !== 0) return null
  const bytes = Buffer.alloc((text.length / 5) * 4)
  for (let group = 0; group < text.length / 5; group++) {
    let value = 0
    for (let digit = 0; digit < 5; digit++) {
      const part = VALUES.get(text[group * 5 + digit]!)
      if (part === undefined) return null
      value = value * 85 + part
    }
    if (value > 0xffff_ffff) return null
    bytes.writeUInt32BE(value, group * 4)
  }
  return bytes
}
