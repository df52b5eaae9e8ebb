import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { escapedSizeMax, writeEscaped } from '../../../../connectors/postgres/copy-text.ts'

const LETTERS: Readonly<Record<string, number>> = {
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  '\\': 92,
}

function unescapeBytes(bytes: Uint8Array): number[] {
  const plain: number[] = []
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]!
    plain.push(byte === 92 ? LETTERS[String.fromCharCode(bytes[++index]!)]! : byte)
  }
  return plain
}

describe('escaping', () => {
  it('loses nothing and leaves no separator in a value, whatever its bytes', () => {
    const bytes = fc.array(
      fc.oneof(fc.constantFrom(8, 9, 10, 11, 12, 13, 92, 78, 85), fc.integer({ min: 1, max: 255 })),
    )
    fc.assert(
      fc.property(bytes, fc.nat(5), (value, offset) => {
        const source = Uint8Array.from([0, 0, ...value, 0])
        const target = new Uint8Array(offset + escapedSizeMax(value.length))
        const end = writeEscaped(target, offset, source, 2, 2 + value.length)
        const written = target.subarray(offset, end)
        expect(unescapeBytes(written)).toEqual(value)
        expect(written.includes(9) || written.includes(10)).toBe(false)
        const text = String.fromCharCode(...written)
        expect(text === '\\N' || text === '\\U').toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})
