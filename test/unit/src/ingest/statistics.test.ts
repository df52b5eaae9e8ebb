import { describe, expect, it } from 'vitest'
import { bound, fileStatistics } from '../../../../src/ingest/statistics.ts'
import type { ColumnType, TableColumn } from '../../../../src/model/index.ts'

describe('bound', () => {
  it('writes numbers that a double holds exactly as numbers and others as their digits', () => {
    expect(bound('long', '9007199254740993', 'min')).toBe('9007199254740993')
    expect(bound('long', '-123456789012345', 'min')).toBe(-123456789012345)
    expect(bound({ kind: 'decimal', precision: 10, scale: 2 }, '12.50', 'max')).toBe(12.5)
    expect(
      bound({ kind: 'decimal', precision: 38, scale: 9 }, '12345678901234567890.1', 'max'),
    ).toBe('12345678901234567890.1')
    const fraction = { kind: 'decimal', precision: 38, scale: 38 } as const
    expect(bound(fraction, '-.5', 'min')).toBe(-0.5)
    expect(bound(fraction, `.${'1'.repeat(38)}`, 'min')).toBe(`0.${'1'.repeat(38)}`)
  })

  it('writes a FLOAT as the double it is, and zero so that both zeros lie within', () => {
    expect(bound('float', '0.7', 'min')).toBe(0.699999988079071)
    expect(bound('double', '0.7', 'min')).toBe(0.7)
    expect(bound('double', '0.0', 'min')).toBe('-0.0')
    expect(Object.is(bound('double', '-0.0', 'max'), 0)).toBe(true)
  })

  it('rounds times outwards to milliseconds', () => {
    expect(bound('timestamp', '2024-01-01 00:00:00.123456+00', 'min')).toBe(
      '2024-01-01T00:00:00.123Z',
    )
    expect(bound('timestamp', '2024-01-01 00:00:00.999001+00', 'max')).toBe(
      '2024-01-01T00:00:01.000Z',
    )
    expect(bound('timestamp_ntz', '2024-01-01 00:00:00', 'max')).toBe('2024-01-01T00:00:00.000')
    expect(bound('timestamp', '9999-12-31 23:59:59.999001+00', 'max')).toBeNull()
    expect(bound('timestamp', '9999-12-31 23:59:59.999+00', 'max')).toBe('9999-12-31T23:59:59.999Z')
    expect(bound('timestamp', '4714-11-24 (BC) 00:00:00+00', 'min')).toBeNull()
  })

  it('cuts long text so that the bounds still hold', () => {
    const text = 'é'.repeat(40)
    expect(bound('string', text, 'min')).toBe('é'.repeat(32))
    expect(bound('string', text, 'max')).toBe(`${'é'.repeat(32)}\u{10FFFF}`)
    expect(bound('string', 'short', 'max')).toBe('short')
    expect(bound('string', '😀'.repeat(32), 'max')).toBe('😀'.repeat(32))
    expect(bound('string', `${'a'.repeat(32)}\u{10FFFF}z`, 'max')).toBeNull()
  })

  it('has none for NaN, infinities, booleans and bytes', () => {
    expect(bound('double', 'inf', 'max')).toBeNull()
    expect(bound('boolean', 'true', 'max')).toBeNull()
    expect(bound('binary', 'x', 'max')).toBeNull()
  })
})

describe('fileStatistics', () => {
  const column = (name: string, type: ColumnType): TableColumn => ({
    name,
    physicalName: name,
    fieldId: 1,
    type,
    nullable: true,
  })
  const member = (name: string, type: ColumnType) => ({ name, type, nullable: true })
  const statistics = (columns: readonly TableColumn[], facts: Record<string, object>) =>
    fileStatistics(
      { columns, partitionBy: [], key: [], maxFieldId: 9 },
      7,
      new Map(Object.entries(facts).map(([path, fact]) => [path, new Map(Object.entries(fact))])),
    )

  it('nests the members of structs and leaves lists, maps and columns with NaN out', () => {
    const place: ColumnType = {
      kind: 'struct',
      fields: [member('a"b', 'integer'), member('in', { kind: 'struct', fields: [] })],
    }
    const list: ColumnType = { kind: 'array', element: 'integer', containsNull: true }
    const found = statistics([column('place', place), column('list', list), column('x', 'float')], {
      '"place"."a""b"': { min: '1', max: '2', null_count: '3' },
      '"list"."element"': { min: '1', max: '2', null_count: '3' },
      '"x"': { min: '1', max: '2', null_count: '0', has_nan: 'true' },
    })
    expect(found).toEqual({
      recordCount: 7,
      minValues: { place: { 'a"b': 1 } },
      maxValues: { place: { 'a"b': 2 } },
      nullCount: { place: { 'a"b': 3 }, x: 0 },
      tightBounds: true,
    })
  })

  it('stops after 32 leaves, except for the meta columns', () => {
    const wide: ColumnType = {
      kind: 'struct',
      fields: Array.from({ length: 30 }, (_, index) => member(`m${index}`, 'long')),
    }
    const names = ['a', 'b', 'c', '_sluice_position']
    const columns = [column('wide', wide), ...names.map((name) => column(name, 'long'))]
    const facts = Object.fromEntries(
      names.map((name) => [`"${name}"`, { min: '1', max: '2', null_count: '0' }]),
    )
    const found = statistics(columns, facts)
    expect(Object.keys(found.minValues)).toEqual(['a', 'b', '_sluice_position'])
  })
})
