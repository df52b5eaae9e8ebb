import { describe, expect, it } from 'vitest'
import { mayHaveLongNumber } from '../../../../connectors/files/long-numbers.ts'

const found = (text: string) => mayHaveLongNumber(Buffer.from(text))

describe('long numbers', () => {
  it('are found wherever they stand', () => {
    for (const number of ['1.234567890123456', '1234567890.123456', '1234567890123456e-3']) {
      for (let before = 0; before < 40; before++) {
        expect(found(`${'x'.repeat(before)}:${number}}\n`), `${number} at ${before}`).toBe(true)
      }
    }
  })

  it('are no whole numbers, and no short ones', () => {
    for (const text of ['12345678901234567890', '1.23456789012345', '1.5,'.repeat(50), '', '1']) {
      for (let before = 0; before < 40; before++) {
        expect(found(`${'x'.repeat(before)}:${text}}\n`), `${text} at ${before}`).toBe(false)
      }
    }
  })
})
