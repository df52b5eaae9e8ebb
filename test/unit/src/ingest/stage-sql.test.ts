import { describe, expect, it } from 'vitest'
import { CHANGE_TABLE, PATCH_TABLE, patchFromChangesSql } from '../../../../src/ingest/stage-sql.ts'
import type { ColumnType, TableColumn } from '../../../../src/model/index.ts'
import { engineForTests } from '../../../support/engine.ts'

const test = engineForTests()

async function patched(type: ColumnType, value: string): Promise<readonly (readonly unknown[])[]> {
  await using session = await test.engine.session()
  await session.run(`CREATE OR REPLACE TEMP TABLE ${CHANGE_TABLE} AS
    SELECT i::INTEGER AS id, CASE WHEN i % 2 = 0 THEN ${value} END AS v FROM range(6) AS r(i)`)
  await session.run(`CREATE OR REPLACE TEMP TABLE ${PATCH_TABLE} AS SELECT * FROM (VALUES
    (1, 0, 0, 0), (3, 2, 0, 0)) AS p(target, source, old_file, old_row)`)
  const column: TableColumn = { name: 'v', physicalName: 'v', fieldId: 1, type, nullable: true }
  await session.run(patchFromChangesSql(column))
  return (await session.query(`SELECT id, v::VARCHAR FROM ${CHANGE_TABLE}`)).rows
}

describe('values that were not sent', () => {
  it.each<[string, ColumnType, string, string]>([
    ['texts', 'string', "'v' || i", 'v'],
    ['lists', { kind: 'array', element: 'string', containsNull: true }, "['v' || i]", '[v'],
    [
      'structs',
      { kind: 'struct', fields: [{ name: 'a', type: 'string', nullable: true }] },
      "{'a': 'v' || i}",
      "{'a': v",
    ],
  ])('are filled in without moving a row: %s', async (_, type, value, begin) => {
    const rows = await patched(type, value)
    expect(rows.map(([id]) => id)).toEqual([0, 1, 2, 3, 4, 5])
    expect(rows.map(([, text]) => String(text).replace(/[\]}]$/, ''))).toEqual(
      [0, 0, 2, 2, 4, null].map((i) => (i === null ? 'null' : begin + i)),
    )
  })
})
