import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Table } from '../../../../src/contracts/index.ts'
import { createEngine, type Engine } from '../../../../src/engine/index.ts'
import type { DataFile } from '../../../../src/model/index.ts'
import { deletedRows } from '../../../../src/read/deleted-rows.ts'
import { type RowPositions, scanSql } from '../../../../src/read/scan.ts'
import { openWorkspace, type Workspace } from '../../../../src/read/workspace.ts'
import { schemaOf } from '../../../support/read/schemas.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-deleted-'))
const path = join(folder, 'ten.parquet')
let engine: Engine
let workspace: Workspace

beforeAll(async () => {
  engine = await createEngine({
    memoryBytes: 256 * 1024 * 1024,
    threads: 1,
    temporaryFolder: join(folder, 'spill'),
  })
  workspace = await openWorkspace(engine)
  await workspace.session.run(
    `COPY (SELECT range::INTEGER AS "col-1" FROM range(10)) TO '${path}' (FORMAT parquet)`,
  )
})

afterAll(async () => {
  await workspace[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** Loads the vectors of files; entry i is the vector of file i. */
function load(vectors: readonly (readonly number[])[]): Promise<RowPositions | null> {
  const table = {
    deletedRows: async (file: DataFile) => Uint32Array.from(vectors[Number(file.path)] ?? []),
  }
  const files = vectors.map((_, index) => ({ path: String(index) }) as DataFile)
  return deletedRows(workspace, table as unknown as Table, files)
}

/** What is left of files of the rows 0 to 9, as `label row` pairs. */
async function left(vectors: readonly (readonly number[])[]): Promise<readonly string[]> {
  const schema = schemaOf({ id: 'integer' })
  const sql = scanSql({
    entries: vectors.map((_, index) => ({
      url: path,
      partitionValues: {},
      labels: [String(index)],
    })),
    schema: { ...schema, columns: schema.columns.slice(0, 1) },
    columnMapping: 'name',
    positions: await load(vectors),
    labels: ['file'],
  })
  const { rows } = await workspace.session.query(`SELECT * FROM (${sql}) ORDER BY ALL`)
  return rows.map(([file, id]) => `${file} ${id}`)
}

const rowsOf = (file: number, rows: readonly number[]): string[] =>
  rows.map((row) => `${file} ${row}`)

test('leaves the deleted rows of each file out, and no other row', async () => {
  expect(await left([[0, 9], [], [1, 2, 3, 4], [5]])).toEqual([
    ...rowsOf(0, [1, 2, 3, 4, 5, 6, 7, 8]),
    ...rowsOf(1, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ...rowsOf(2, [0, 5, 6, 7, 8, 9]),
    ...rowsOf(3, [0, 1, 2, 3, 4, 6, 7, 8, 9]),
  ])
})

test('keeps the rows behind the last deleted one of all files', async () => {
  expect(await left([[0], [2]])).toEqual([
    ...rowsOf(0, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ...rowsOf(1, [0, 1, 3, 4, 5, 6, 7, 8, 9]),
  ])
})

test('joins positions where bitmaps would not fit', async () => {
  expect(await load([[1]])).toMatchObject({ use: 'except-bitmap', lastRow: 1 })
  expect(await load([[4_294_967_294], [1]])).toMatchObject({ use: 'except' })
  expect(await left([[4_294_967_294], [1, 2, 3, 4, 5, 6, 7, 8, 9]])).toEqual([
    ...rowsOf(0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
    ...rowsOf(1, [0]),
  ])
})

test('needs nothing when no vector hides a row', async () => {
  expect(await load([[], []])).toBeNull()
})
