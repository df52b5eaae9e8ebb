import { describe, expect, it } from 'vitest'
import {
  columnType,
  isNumeric,
  parseForcedType,
  sourceTypeName,
  type TypeRow,
} from '../../../../connectors/postgres/types.ts'

const row = (oid: number, name: string, more: Partial<TypeRow> = {}): [number, TypeRow] => [
  oid,
  { oid, name, kind: 'b', elementOid: 0, baseOid: 0, baseTypmod: -1, ...more },
]

const catalog = new Map([
  row(1700, 'numeric'),
  row(1231, 'numeric[]', { elementOid: 1700 }),
  row(1043, 'character varying'),
  row(2950, 'uuid'),
  row(2951, 'uuid[]', { elementOid: 2950 }),
  row(1007, 'integer[]', { elementOid: 23 }),
  row(90001, 'money_amount', { kind: 'd', baseOid: 1700, baseTypmod: ((12 << 16) | 3) + 4 }),
  row(90002, 'mood', { kind: 'e' }),
  row(90003, 'int_list', { kind: 'd', baseOid: 1007 }),
  row(90004, 'int_list[]', { elementOid: 90003 }),
])
const numeric = (precision: number, scale: number): number =>
  ((precision << 16) | (scale & 0x7ff)) + 4

describe('types', () => {
  it.each([
    [16, -1, 'boolean'],
    [17, -1, 'binary'],
    [20, -1, 'long'],
    [21, -1, 'short'],
    [23, -1, 'integer'],
    [700, -1, 'float'],
    [701, -1, 'double'],
    [1082, -1, 'date'],
    [1114, -1, 'timestamp_ntz'],
    [1184, -1, 'timestamp'],
    [2950, -1, 'string'],
    [90002, -1, 'string'],
    [424242, -1, 'string'],
  ])('type %i becomes its exact counterpart', (oid, typmod, expected) => {
    expect(columnType(oid, typmod, catalog)).toBe(expected)
  })

  it('keeps numeric exact: decimal where it fits, text where it does not', () => {
    expect(columnType(1700, numeric(10, 2), catalog)).toEqual({
      kind: 'decimal',
      precision: 10,
      scale: 2,
    })
    expect(columnType(1700, numeric(38, 38), catalog)).toMatchObject({ scale: 38 })
    expect(columnType(1700, -1, catalog)).toBe('string')
    expect(columnType(1700, numeric(39, 0), catalog)).toBe('string')
    expect(columnType(1700, numeric(5, -2), catalog)).toBe('string')
    expect(columnType(1700, numeric(3, 5), catalog)).toBe('string')
  })

  it('looks through domains and into arrays', () => {
    expect(columnType(90001, -1, catalog)).toEqual({ kind: 'decimal', precision: 12, scale: 3 })
    expect(columnType(1007, -1, catalog)).toEqual({
      kind: 'array',
      element: 'integer',
      containsNull: true,
    })
    expect(columnType(1231, numeric(6, 1), catalog)).toMatchObject({
      element: { kind: 'decimal', precision: 6, scale: 1 },
    })
  })

  it('keeps the text of arrays inside arrays', () => {
    expect(columnType(90003, -1, catalog)).toMatchObject({ element: 'integer' })
    expect(columnType(90004, -1, catalog)).toMatchObject({ element: 'string' })
  })

  it('knows the types that a user may choose', () => {
    expect(parseForcedType('text')).toBe('string')
    expect(parseForcedType('decimal(38, 9)')).toEqual({ kind: 'decimal', precision: 38, scale: 9 })
    for (const name of ['double', 'decimal', 'decimal(39,2)', 'decimal(2,3)', 'decimal(0,0)']) {
      expect([name, parseForcedType(name)]).toEqual([name, null])
    }
    expect([1700, 90001, 23, 90002].map((oid) => isNumeric(oid, catalog))).toEqual([
      true,
      true,
      false,
      false,
    ])
  })

  it('names types as people write them', () => {
    expect(sourceTypeName(1700, numeric(10, 2), catalog)).toBe('numeric(10,2)')
    expect(sourceTypeName(1700, numeric(5, -2), catalog)).toBe('numeric(5,-2)')
    expect(sourceTypeName(1043, 24, catalog)).toBe('character varying(20)')
    expect(sourceTypeName(2951, -1, catalog)).toBe('uuid[]')
    expect(sourceTypeName(1231, numeric(6, 1), catalog)).toBe('numeric(6,1)[]')
    expect(sourceTypeName(424242, -1, catalog)).toBe('type 424242')
  })
})
