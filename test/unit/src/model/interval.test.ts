/** Durations as table properties say them. */

import { describe, expect, it } from 'vitest'
import { parseInterval } from '../../../../src/model/index.ts'

const DAY_MS = 86_400_000

describe('intervals', () => {
  it.each([
    ['interval 7 days', 7 * DAY_MS],
    ['interval 1 week 2 days', 9 * DAY_MS],
    ['30 hours', 30 * 3_600_000],
    ['nonsense', null],
  ])('reads %j', (text, ms) => {
    expect(parseInterval(text)).toBe(ms)
  })
})
