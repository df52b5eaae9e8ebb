import { describe, expect, it } from 'vitest'
import type { MetadataAction } from '../../../../table-format/delta/actions.ts'
import { schemaOf } from '../../../../table-format/delta/schema-json.ts'

function metadataOf(schema: unknown): MetadataAction {
  return {
    kind: 'metaData',
    id: 'an-id',
    name: null,
    description: null,
    schemaString: JSON.stringify(schema),
    partitionColumns: [],
    configuration: {},
    createdTimeMs: null,
  }
}

const columnOf = (type: unknown, metadata: object = {}): object => ({
  type: 'struct',
  fields: [{ name: 'c', type, nullable: true, metadata }],
})

const changed = (fromType: string, toType: string): object => ({
  'delta.typeChanges': [{ fromType, toType }],
})

describe('the schema of a table', () => {
  it.each(['variant', 'geometry', 'interval', 'decimal(39,0)', 'decimal(5,6)', 'decimal(5,-1)'])(
    'names the type it does not know: %s',
    (type) => {
      for (const nested of [type, { type: 'array', elementType: type, containsNull: true }]) {
        expect(() => schemaOf(metadataOf(columnOf(nested)))).toThrow(
          expect.objectContaining({
            code: 'SLU-TAB-3010',
            message: `column c has the type ${type}`,
          }),
        )
      }
    },
  )

  it.each([
    ['no struct', 7],
    ['no fields', { type: 'struct' }],
    ['a field without a name', { type: 'struct', fields: [{ type: 'long', nullable: true }] }],
    ['an empty field', { type: 'struct', fields: [null] }],
    ['a field without a type', { type: 'struct', fields: [{ name: 'c', nullable: true }] }],
    ['a member without a name', columnOf({ type: 'struct', fields: [{ type: 'long' }] })],
  ])('is refused when it has %s', (_what, schema) => {
    expect(() => schemaOf(metadataOf(schema))).toThrow(
      expect.objectContaining({ code: 'SLU-TAB-3001' }),
    )
  })

  it('knows columns that are only ever NULL, under both their names', () => {
    for (const type of ['void', 'null']) {
      expect(schemaOf(metadataOf(columnOf(type))).columns[0]?.type).toBe('void')
    }
  })

  it.each([
    ['byte', 'short'],
    ['integer', 'long'],
    ['short', 'double'],
    ['integer', 'decimal(12,2)'],
    ['long', 'decimal(20,0)'],
    ['float', 'double'],
    ['date', 'timestamp_ntz'],
    ['decimal(5,2)', 'decimal(9,4)'],
  ])('takes a column that grew from %s to %s', (from, to) => {
    expect(schemaOf(metadataOf(columnOf(to, changed(from, to)))).columns).toHaveLength(1)
  })

  it.each([
    ['long', 'integer'],
    ['long', 'double'],
    ['integer', 'decimal(11,2)'],
    ['double', 'float'],
    ['date', 'timestamp'],
    ['decimal(5,2)', 'decimal(6,4)'],
    ['string', 'long'],
  ])('refuses a column that was changed from %s to %s', (from, to) => {
    expect(() => schemaOf(metadataOf(columnOf(to, changed(from, to))))).toThrow(
      expect.objectContaining({ code: 'SLU-TAB-3010', message: expect.stringContaining(from) }),
    )
  })

  it('refuses such a change inside a struct as well', () => {
    const inner = { name: 'x', type: 'float', nullable: true, metadata: changed('double', 'float') }
    expect(() => schemaOf(metadataOf(columnOf({ type: 'struct', fields: [inner] })))).toThrow(
      expect.objectContaining({
        code: 'SLU-TAB-3010',
        message: expect.stringContaining('column c.x was changed from double to float'),
      }),
    )
  })
})
