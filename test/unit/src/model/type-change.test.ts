import { describe, expect, it } from 'vitest'
import { type ColumnType, compareTypes } from '../../../../src/model/index.ts'

const decimal = (precision: number, scale: number): ColumnType => ({
  kind: 'decimal',
  precision,
  scale,
})
const list = (element: ColumnType): ColumnType => ({ kind: 'array', element, containsNull: true })

describe('compareTypes', () => {
  const widens: readonly (readonly [ColumnType, ColumnType, ColumnType])[] = [
    ['short', 'integer', 'integer'],
    ['integer', 'long', 'long'],
    ['float', 'double', 'double'],
    ['integer', 'double', 'double'],
    ['date', 'timestamp_ntz', 'timestamp_ntz'],
    [decimal(10, 2), decimal(12, 2), decimal(12, 2)],
    [decimal(10, 2), decimal(12, 4), decimal(12, 4)],
    // Both digits before the point and behind it must have room.
    [decimal(10, 2), decimal(10, 4), decimal(12, 4)],
    ['integer', decimal(6, 2), decimal(12, 2)],
    ['long', decimal(30, 4), decimal(30, 4)],
    ['long', decimal(12, 2), decimal(22, 2)],
  ]
  it.each(widens)('lets %j become %j as %j', (stored, source, type) => {
    expect(compareTypes(stored, source)).toEqual({ kind: 'widens', type })
  })

  const fits: readonly (readonly [ColumnType, ColumnType])[] = [
    ['long', 'integer'],
    ['integer', 'short'],
    [decimal(12, 2), decimal(10, 2)],
  ]
  it.each(fits)('lets a column of %j hold %j', (stored, source) => {
    expect(compareTypes(stored, source)).toEqual({ kind: 'fits' })
  })

  const incompatible: readonly (readonly [ColumnType, ColumnType])[] = [
    ['string', 'long'],
    ['long', 'string'],
    ['long', 'double'],
    ['integer', 'float'],
    // The source has rounded the rows it had, and no record said so.
    ['double', 'float'],
    [decimal(10, 4), decimal(10, 2)],
    ['timestamp_ntz', 'date'],
    ['date', 'timestamp'],
    ['timestamp', 'timestamp_ntz'],
    [decimal(38, 0), decimal(38, 2)],
    [decimal(10, 2), 'integer'],
    [decimal(10, 2), 'string'],
    [list('integer'), list('long')],
    ['boolean', 'integer'],
  ]
  it.each(incompatible)('refuses %j for %j', (stored, source) => {
    expect(compareTypes(stored, source)).toEqual({ kind: 'incompatible' })
  })

  it('knows equal nested types', () => {
    expect(compareTypes(list(decimal(5, 1)), list(decimal(5, 1)))).toEqual({ kind: 'same' })
  })
})
