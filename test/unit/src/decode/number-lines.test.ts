import { describe, expect, it } from 'vitest'
import { numberedBytesMax, numberLines } from '../../../../src/decode/index.ts'

function number(text: string, first: bigint): string {
  const lines = Buffer.from(text)
  const into = Buffer.alloc(numberedBytesMax(lines.length, text.split('\n').length))
  return into.subarray(0, numberLines(lines, first, into).byteCount).toString()
}

describe('numberLines', () => {
  it('puts the position first, over carries of every digit', () => {
    expect(number('{"a":1}\n{"a":2}\n  {"a":3}\r\n', 98n)).toBe(
      '{"__sluice_position":98,"a":1}\n' +
        '{"__sluice_position":99,"a":2}\n' +
        '{"__sluice_position":100,"a":3}\r\n',
    )
  })

  it('leaves no comma in an empty object and starts at zero', () => {
    expect(number('{}\n{ }\n', 0n)).toBe('{"__sluice_position":0}\n{"__sluice_position":1 }\n')
  })

  it('refuses what is no object and names its position', () => {
    expect(() => number('{"a":1}\n[1]\n', 7n)).toThrowError(/position 8 is not a JSON object/)
  })

  it('holds the highest position', () => {
    expect(number('{"a":1}\n', 2n ** 63n - 1n)).toBe(
      '{"__sluice_position":9223372036854775807,"a":1}\n',
    )
  })
})
