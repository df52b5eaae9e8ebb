import { describe, expect, it } from 'vitest'
import {
  inferColumns,
  parseColumnType,
  printColumnType,
} from '../../../../connectors/files/column-types.ts'

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

describe('inferred columns', () => {
  const typesOf = (...lines: string[]) =>
    inferColumns(lines, 'a.ndjson').map(({ name, type }) => `${name} ${printColumnType(type)}`)

  it('follow the values, in the order of first appearance', () => {
    expect(typesOf('{"n":1,"t":"x","b":true}', '{"d":1.5,"n":2}')).toEqual([
      'n bigint',
      't string',
      'b boolean',
      'd double',
    ])
  })

  it('keep 64-bit integers whole', () => {
    expect(typesOf('{"n":9223372036854775807}', '{"n":-9223372036854775808}')).toEqual(['n bigint'])
  })

  it('take the wider of two types', () => {
    expect(typesOf('{"a":1,"b":1,"c":null}', '{"a":1e3,"b":"x","c":2}')).toEqual([
      'a double',
      'b string',
      'c bigint',
    ])
    expect(typesOf('{"a":true,"b":1}', '{"a":1,"b":null}')).toEqual(['a string', 'b bigint'])
  })

  it('are text where there are objects, arrays, dates or only nulls', () => {
    expect(typesOf('{"o":{"x":1},"a":[1],"d":"2026-01-01T00:00:00Z","n":null}')).toEqual([
      'o string',
      'a string',
      'd string',
      'n string',
    ])
  })

  it('refuse an integer beyond 64 bits instead of rounding it', () => {
    expect(() => typesOf('{"n":9223372036854775808}')).toThrowError(
      expect.objectContaining({ code: 'SLU-SRC-1402' }),
    )
  })

  it('refuse a line that is not JSON, naming it', () => {
    expect(() => typesOf('{"n":1}', '{"n":')).toThrowError(
      expect.objectContaining({ code: 'SLU-SRC-1407', message: 'a.ndjson:2 is not valid JSON.' }),
    )
  })

  it('refuse lines that name no column', () => {
    expect(() => typesOf('{}')).toThrowError(expect.objectContaining({ code: 'SLU-SRC-1402' }))
  })
})
