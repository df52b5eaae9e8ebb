import { expect, test } from 'vitest'
import { differenceText, schemaDifferences } from '../../../../src/cli/schema-difference.ts'
import type { ColumnType, TableColumn, TableSchema } from '../../../../src/model/index.ts'

function column(fieldId: number, name: string, type: ColumnType, nullable = true): TableColumn {
  return { fieldId, name, physicalName: `col-${fieldId}`, type, nullable }
}

function schema(columns: readonly TableColumn[], key: readonly string[]): TableSchema {
  return { columns, key, partitionBy: [], maxFieldId: 9 }
}

test('follows a column through its names and tells each thing that changed', () => {
  const before = schema(
    [column(1, 'id', 'integer'), column(2, 'a', 'string', false), column(3, 'b', 'date')],
    ['id'],
  )
  const after = schema(
    [column(1, 'key', 'long'), column(2, 'a', 'string'), column(4, 'b', 'string')],
    ['key'],
  )
  expect(schemaDifferences(before, after).map(differenceText)).toEqual([
    '~ id is now key',
    '~ key integer → long',
    '~ a not null → nullable',
    '+ b string',
    '- b date',
  ])
  expect(schemaDifferences(before, before)).toEqual([])
})

test('tells another key, but not a renamed one', () => {
  const columns = [column(1, 'id', 'integer'), column(2, 'a', 'string')]
  const texts = schemaDifferences(schema(columns, ['id']), schema(columns, ['id', 'a']))
  expect(texts.map(differenceText)).toEqual(['~ key (id) → (id, a)'])
})
