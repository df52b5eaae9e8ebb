import { expect, test } from 'vitest'
import { agoText, countText, positionText, timeText, typeText } from '../../../../src/cli/format.ts'

test('groups digits of counts, of 64 bits too', () => {
  expect(countText(0)).toBe('0')
  expect(countText(1_234_567)).toBe('1,234,567')
  expect(countText(2n ** 62n)).toBe('4,611,686,018,427,387,904')
  expect(countText(null)).toBe('–')
})

test('writes positions of Postgres as Postgres does', () => {
  expect(positionText(0x16_b374_d848n, 'postgres')).toBe('16/B374D848')
  expect(positionText(26_000_000n, 'files')).toBe('26,000,000')
  expect(positionText(null, 'postgres')).toBe('–')
})

test('writes times in UTC with milliseconds', () => {
  expect(timeText(1_767_225_600_123_456n)).toBe('2026-01-01 00:00:00.123Z')
  expect(timeText(null)).toBe('–')
})

test('never tells an age below zero', () => {
  expect(agoText(1000, 500)).toBe('0ms ago')
  expect(agoText(0, 90_000)).toBe('1m 30s ago')
})

test('writes nested types as SQL people do', () => {
  expect(typeText({ kind: 'decimal', precision: 10, scale: 2 })).toBe('decimal(10,2)')
  expect(
    typeText({
      kind: 'map',
      key: 'string',
      value: {
        kind: 'array',
        containsNull: true,
        element: { kind: 'struct', fields: [{ name: 'a', type: 'long', nullable: true }] },
      },
      valueContainsNull: true,
    }),
  ).toBe('map<string,array<struct<a:long>>>')
})
