import { describe, expect, it } from 'vitest'
import { parseColumnType, printColumnType } from '../../../../src/model/index.ts'

describe('column types', () => {
  it('reads the names that people write and prints them again', () => {
    const names = ['bigint', 'integer', 'smallint', 'tinyint', 'double', 'float', 'string']
    for (const name of [
      ...names,
      'boolean',
      'date',
      'timestamp',
      'timestamp_ntz',
      'decimal(10,2)',
    ]) {
      const type = parseColumnType(name)
      expect(type === null ? null : printColumnType(type)).toBe(name)
    }
    expect(parseColumnType(' Decimal ( 38 , 38 ) ')).toEqual({
      kind: 'decimal',
      precision: 38,
      scale: 38,
    })
    expect(parseColumnType('numeric(5)')).toMatchObject({ precision: 5, scale: 0 })
  })

  it('knows no other', () => {
    for (const name of [
      '',
      'uuid',
      'decimal',
      'decimal(39,0)',
      'decimal(0)',
      'decimal(2,3)',
      'constructor',
    ]) {
      expect(parseColumnType(name)).toBeNull()
    }
  })
})
