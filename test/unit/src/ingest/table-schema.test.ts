import { describe, expect, it } from 'vitest'
import type { TableTarget } from '../../../../src/contracts/index.ts'
import { createTableSchema } from '../../../../src/ingest/table-schema.ts'
import type { ColumnType, StreamSchema } from '../../../../src/model/index.ts'
import { DEFAULT_POLICIES } from '../../../support/schema-policies.ts'

const stream = (
  columns: Readonly<Record<string, ColumnType>>,
  key: string[] = ['id'],
): StreamSchema => ({
  stream: 'public.orders',
  schemaId: 1,
  key,
  columns: Object.entries(columns).map(([name, type]) => ({
    name,
    type,
    sourceType: 'x',
    nullable: true,
  })),
})

const target = (changes: Partial<TableTarget> = {}): TableTarget => ({
  stream: 'public.orders',
  table: 'orders',
  root: 'orders',
  mode: 'upsert',
  key: null,
  orderingColumn: null,
  partitionBy: [],
  deleteWhen: null,
  schema: DEFAULT_POLICIES,
  ...changes,
})

describe('createTableSchema', () => {
  it('takes the key of the stream and adds the two meta columns last', () => {
    const schema = createTableSchema(stream({ id: 'long', name: 'string' }), target())
    expect(schema.key).toEqual(['id'])
    expect(schema.columns.map((column) => [column.name, column.fieldId])).toEqual([
      ['id', 1],
      ['name', 2],
      ['_sluice_split', 3],
      ['_sluice_position', 4],
    ])
    expect(schema.maxFieldId).toBe(4)
  })

  it('refuses columns that the stream does not have, and names those it has', () => {
    const orders = stream({ id: 'long' })
    for (const wrong of [{ key: ['no'] }, { orderingColumn: 'no' }, { partitionBy: ['no'] }]) {
      expect(() => createTableSchema(orders, target(wrong))).toThrowError(/does not have \(id\)/)
    }
  })

  it('refuses names that have a meaning of their own', () => {
    for (const name of ['rowid', 'File_Row_Number', '_SLUICE_POSITION', '__sluice_op', 'ID']) {
      const columns = stream({ id: 'long', [name]: 'string' })
      expect(() => createTableSchema(columns, target()), name).toThrowError(`column ${name} cannot`)
    }
  })

  it('refuses to upsert without a key and to partition by what has no exact text', () => {
    expect(() => createTableSchema(stream({ id: 'long' }, []), target())).toThrowError(/no key/)
    expect(() =>
      createTableSchema(stream({ id: 'long', at: 'timestamp' }), target({ partitionBy: ['at'] })),
    ).toThrowError(/cannot be a partition column/)
  })

  it('refuses names that differ only in case and the names of the meta columns', () => {
    expect(() => createTableSchema(stream({ id: 'long', ID: 'long' }), target())).toThrowError(
      /there already/,
    )
    expect(() =>
      createTableSchema(stream({ id: 'long', _sluice_split: 'long' }), target()),
    ).toThrowError()
  })
})
