import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type DataFile, SluiceError } from '../../../../src/model/index.ts'
import { rowHistory } from '../../../../src/read/index.ts'
import { engineForTests } from '../../../support/engine.ts'
import { createPlainTable, type PlainTable } from '../../../support/read/plain-table.ts'
import { schemaOf } from '../../../support/read/schemas.ts'

const world = engineForTests()

const schema = schemaOf({ id: 'long', value: 'string' } as const, { key: ['id'] })
const rowSql = (id: number, value: string, position: number): string =>
  `SELECT ${id}::BIGINT AS id, '${value}' AS value, 0 AS _sluice_split,
  ${position}::BIGINT AS _sluice_position`

/** Version 1 writes the row, 2 replaces its file, 3 updates it. */
async function threeVersions(): Promise<PlainTable> {
  const table = createPlainTable(world.engine, mkdtempSync(join(world.folder, 'run-')), schema)
  await table.apply({ add: [{ sql: rowSql(1, 'a', 0) }] })
  await table.apply({ remove: ['part-0.parquet'], add: [{ sql: rowSql(1, 'b', 1) }] })
  await table.apply({
    deletes: new Map([['part-1.parquet', [0]]]),
    add: [{ sql: rowSql(1, 'c', 2) }],
  })
  return table
}

const historyOf = (table: PlainTable, since: bigint | null = null) =>
  rowHistory({
    engine: world.engine,
    table,
    key: new Map([['id', '1']]),
    limit: 10,
    since: since === null ? null : { kind: 'version', version: since },
  })

const versions = (history: Awaited<ReturnType<typeof historyOf>>): readonly bigint[] =>
  history.events.map(({ version }) => version)

test('says which version it begins with when the log before is gone', async () => {
  const table = await threeVersions()
  const cleaned = {
    ...table,
    changes: async (from: bigint, to: bigint) => {
      if (from < 1n) throw new SluiceError('SLU-TAB-3004', { message: 'gone' })
      return table.changes(from, to)
    },
  }
  const history = await historyOf(cleaned)
  expect(versions(history)).toEqual([3n, 2n])
  expect(history).toMatchObject({ end: 'log-gone', oldestVersion: 2n })
  expect(await historyOf(cleaned, 2n)).toMatchObject({ end: 'since', oldestVersion: 2n })
})

test('says which version it begins with when files of removed rows are gone', async () => {
  const table = await threeVersions()
  const vacuumed = {
    ...table,
    checkFiles: async (files: Iterable<DataFile>) => {
      for (const { path } of files) {
        if (path === 'part-0.parquet') throw new SluiceError('SLU-STO-2005', { message: path })
      }
    },
  }
  const history = await historyOf(vacuumed)
  expect(versions(history)).toEqual([3n])
  expect(history).toMatchObject({ end: 'files-gone', oldestVersion: 3n })
})

test('a missing file of the newest version is an error, not an end of the history', async () => {
  const table = await threeVersions()
  const damaged = {
    ...table,
    checkFiles: () => Promise.reject(new SluiceError('SLU-STO-2005', { message: 'part-2' })),
  }
  await expect(historyOf(damaged)).rejects.toMatchObject({ code: 'SLU-STO-2005' })
})

test('reads only files whose statistics allow the key', async () => {
  const table = createPlainTable(world.engine, mkdtempSync(join(world.folder, 'run-')), schema)
  for (const [index, id] of [1, 50, 100].entries()) {
    await table.apply({ add: [{ sql: rowSql(id, 'a', index) }] })
  }
  const looked: string[] = []
  const newest = await table.latest()
  const physicalName = newest.schema.columns[0]?.physicalName as string
  const known = [...newest.files()].map((file, index): DataFile => {
    const bound = { [physicalName]: [1, 50, 100][index] as number }
    const counts = { recordCount: 1, nullCount: {}, tightBounds: true }
    return { ...file, statistics: { ...counts, minValues: bound, maxValues: bound } }
  })
  const watched = {
    ...table,
    latest: async () => ({
      ...newest,
      files: () => known,
      file: (path: string) => known.find((file) => file.path === path) ?? null,
    }),
    checkFiles: async (asked: Iterable<DataFile>) => {
      for (const { path } of asked) looked.push(path)
    },
  }
  const history = await rowHistory({
    engine: world.engine,
    table: watched,
    key: new Map([['id', '50']]),
    limit: 10,
    since: null,
  })
  expect(looked).toEqual(['part-1.parquet'])
  expect(history.events).toMatchObject([{ version: 2n, after: { path: 'part-1.parquet', row: 0 } }])
})
