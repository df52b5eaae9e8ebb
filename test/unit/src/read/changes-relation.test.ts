import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createEngine } from '../../../../src/engine/index.ts'
import type { TableColumn } from '../../../../src/model/index.ts'
import { changesRelation, rowsWithout } from '../../../../src/read/changes-relation.ts'
import { openWorkspace } from '../../../../src/read/workspace.ts'
import { createPlainTable } from '../../../support/read/plain-table.ts'
import { schemaOf } from '../../../support/read/schemas.ts'

test('keeps the rows of one vector that another lacks', () => {
  const rows = (left: readonly number[], right: readonly number[]): number[] => [
    ...rowsWithout(Uint32Array.from(left), Uint32Array.from(right)),
  ]
  expect(rows([0, 3, 4, 4_294_967_295], [1, 3, 9])).toEqual([0, 4, 4_294_967_295])
  expect(rows([1, 2], [])).toEqual([1, 2])
  expect(rows([1, 2], [0, 1, 2, 3])).toEqual([])
})

test('shows changes of several versions with the schema of the last one', async () => {
  const first = schemaOf({ id: 'integer', old: 'string', gone: 'integer' }, { key: ['id'] })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-changes-'))
  await using engine = await createEngine({
    memoryBytes: 256 * 1024 * 1024,
    threads: 1,
    temporaryFolder: join(folder, 'spill'),
  })
  const table = createPlainTable(engine, folder, first)
  const meta = '0 AS _sluice_split, 1::BIGINT AS _sluice_position'
  await table.apply({ add: [{ sql: `SELECT 1 AS id, 'a' AS old, 7 AS gone, ${meta}` }] })
  const [id, old, , split, position] = first.columns as TableColumn[]
  const added: TableColumn = {
    name: 'day',
    physicalName: 'new',
    fieldId: 9,
    type: 'date',
    nullable: true,
  }
  const columns = [
    { ...(id as TableColumn), type: 'long' as const },
    { ...(old as TableColumn), name: 'renamed' },
    added,
    split as TableColumn,
    position as TableColumn,
  ]
  await table.apply({
    schema: { ...first, columns },
    deletes: new Map([['part-0.parquet', [0]]]),
    add: [{ sql: `SELECT 1::BIGINT AS id, 'b' AS renamed, DATE '2026-01-02' AS day, ${meta}` }],
  })
  await using workspace = await openWorkspace(engine)
  const request = { table, fromVersionExclusive: 0n, to: await table.latest() }
  const sql = await changesRelation(workspace, request)
  const { rows } = await workspace.session.query(
    `SELECT * EXCLUDE (day, _commit_timestamp), day::VARCHAR FROM (${sql})
    ORDER BY _commit_version, _change_type DESC`,
  )
  expect(rows).toEqual([
    [1n, 'a', 'insert', 1n, null],
    [1n, 'a', 'update_preimage', 2n, null],
    [1n, 'b', 'update_postimage', 2n, '2026-01-02'],
  ])
  rmSync(folder, { recursive: true })
})
