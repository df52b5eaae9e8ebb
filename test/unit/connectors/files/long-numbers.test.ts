import { describe, expect, it } from 'vitest'
import { mayHaveLongNumber } from '../../../../connectors/files/long-numbers.ts'

const NAMES = new Set(['id', 'größe'])
const found = (text: string) => mayHaveLongNumber(Buffer.from(text), NAMES)
const LONG = ['1.234567890123456', '1234567890.123456', '1234567890123456e-3', '1e-400', '2.5E-324']

describe('long numbers', () => {
  it('are found wherever they stand', () => {
    for (const number of LONG) {
      for (const sign of ['', '-']) {
        for (let before = 0; before < 40; before++) {
          const filler = 'x'.repeat(before)
          for (const member of [`"id":${sign}${number}`, `"größe" : ${sign}${number}`]) {
            const text = `{"x":"${filler}",${member}}\n`
            expect(found(text), text).toBe(true)
          }
        }
      }
    }
  })

  it('are found under names that are written in an unusual way', () => {
    for (const name of ['\\u0069d', 'a\\"id', '\\\\'])
      expect(found(`{"${name}":1e-400}`)).toBe(true)
  })

  it('do not count for other members, in lists and in texts', () => {
    for (const number of LONG) {
      for (let before = 0; before < 40; before++) {
        const filler = 'x'.repeat(before)
        for (const rest of [
          `"di":${number}`,
          `"id":[${number}]`,
          `"id":"${number}"`,
          `"t":"a:${number}"`,
        ]) {
          const text = `{"x":"${filler}",${rest}}\n`
          expect(found(text), text).toBe(false)
        }
      }
    }
    const uuids = '"id":"4f3e-1234-8e-999","u":"123e-4567"'
    expect(found(`{${uuids}}\n`.repeat(50))).toBe(false)
  })

  it('are no whole numbers, and no short ones', () => {
    for (const number of [
      '12345678901234567890',
      '1.23456789012345',
      '1e-99',
      '1.5',
      '1',
      '1e400',
    ]) {
      for (let before = 0; before < 40; before++) {
        const text = `{"x":"${'x'.repeat(before)}","id":${number}}\n`
        expect(found(text), text).toBe(false)
      }
    }
    expect(found('')).toBe(false)
  })
})
