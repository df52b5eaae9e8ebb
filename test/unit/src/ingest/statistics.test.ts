import { describe, expect, it } from 'vitest'
import { bound } from '../../../../src/ingest/statistics.ts'

describe('bound', () => {
  it('writes numbers that a double holds exactly and leaves others out', () => {
    expect(bound('long', '9007199254740993', 'min')).toBeNull()
    expect(bound('long', '-123456789012345', 'min')).toBe(-123456789012345)
    expect(bound({ kind: 'decimal', precision: 10, scale: 2 }, '12.50', 'max')).toBe(12.5)
    expect(
      bound({ kind: 'decimal', precision: 38, scale: 9 }, '12345678901234567890.1', 'max'),
    ).toBeNull()
  })

  it('rounds times outwards to milliseconds', () => {
    expect(bound('timestamp', '2024-01-01 00:00:00.123456+00', 'min')).toBe(
      '2024-01-01T00:00:00.123Z',
    )
    expect(bound('timestamp', '2024-01-01 00:00:00.999001+00', 'max')).toBe(
      '2024-01-01T00:00:01.000Z',
    )
    expect(bound('timestamp_ntz', '2024-01-01 00:00:00', 'max')).toBe('2024-01-01T00:00:00.000')
    expect(bound('timestamp', '4714-11-24 (BC) 00:00:00+00', 'min')).toBeNull()
  })

  it('cuts long text so that the bounds still hold', () => {
    const text = 'é'.repeat(40)
    expect(bound('string', text, 'min')).toBe('é'.repeat(32))
    expect(bound('string', text, 'max')).toBe(`${'é'.repeat(32)}\u{10FFFF}`)
    expect(bound('string', 'short', 'max')).toBe('short')
  })

  it('has none for NaN, infinities, booleans and bytes', () => {
    expect(bound('double', 'inf', 'max')).toBeNull()
    expect(bound('boolean', 'true', 'max')).toBeNull()
    expect(bound('binary', 'x', 'max')).toBeNull()
  })
})
