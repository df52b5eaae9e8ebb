/**
 * Compares a table of ours with Postgres row for row on disk, for tables that do not fit in memory.
 * Reads log and files by itself, as the rest of the checker does.
 */

import { rmSync } from 'node:fs'
import path from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type pg from 'pg'
import { liveFiles } from './history.ts'
import { readVector } from './vector.ts'

/** What to compare, and where there is room. */
export interface CompareRequest {
  readonly client: pg.Client
  readonly table: string
  /** Folder of our table. */
  readonly root: string
  readonly folder: string
}

/** What differs. */
export interface Compared {
  readonly rows: number
  readonly wrongRows: number
  readonly examples: readonly string[]
}

const EXAMPLES_MAX = 5
const VECTOR_ROWS_PER_INSERT = 50_000

/** Columns by name and, as text, by what both engines print alike. */
const COLUMNS: readonly {
  readonly name: string
  readonly ours: string
  readonly theirs: string
}[] = [
  { name: 'id', ours: 'id::VARCHAR', theirs: 'id::text' },
  { name: 'customer', ours: 'customer::VARCHAR', theirs: 'customer::text' },
  { name: 'amount', ours: 'amount::VARCHAR', theirs: 'amount::text' },
  {
    name: 'at',
    ours: 'epoch_us("at")::VARCHAR',
    theirs: '(extract(epoch FROM at) * 1000000)::bigint::text',
  },
  { name: 'state', ours: 'state', theirs: 'state' },
  { name: 'body', ours: 'md5(body)', theirs: 'md5(body)' },
]

/** Nobody may write to either side meanwhile. */
export async function compareOnDisk(request: CompareRequest): Promise<Compared> {
  const { client, table, folder } = request
  const file = path.join(folder, 'compare.duckdb')
  const dump = path.join(folder, 'postgres', `${table}.csv`)
  const instance = await DuckDBInstance.create(file, { memory_limit: '2GB', threads: '2' })
  const connection = await instance.connect()
  const run = async (sql: string): Promise<readonly (readonly unknown[])[]> =>
    (await connection.runAndReadAll(sql)).getRows()
  try {
    const theirs = COLUMNS.map((column) => `coalesce(${column.theirs}, '∅')`).join(', ')
    await client.query(
      `COPY (SELECT id, concat_ws('|', ${theirs}) FROM ${table}) TO '${dump}' (FORMAT csv)`,
    )
    await run(`CREATE TABLE theirs AS SELECT * FROM
      read_csv('${dump}', header = false, columns = {id: 'BIGINT', line: 'VARCHAR'})`)
    await run('CREATE TABLE ours (id BIGINT, line VARCHAR)')
    await addOurs(request.root, run)
    const differs = `FROM theirs FULL JOIN ours USING (id)
      WHERE theirs.line IS DISTINCT FROM ours.line`
    const count = async (sql: string): Promise<number> => Number((await run(sql))[0]?.[0])
    const doubled = await count('SELECT count(*) - count(DISTINCT id) FROM ours')
    const wrongRows = doubled + (await count(`SELECT count(*) ${differs}`))
    const examples = await run(
      `SELECT 'row ' || id || ': ' || coalesce(ours.line, 'missing') || ' instead of '
        || coalesce(theirs.line, 'nothing') ${differs} LIMIT ${EXAMPLES_MAX}`,
    )
    return {
      rows: await count('SELECT count(*) FROM theirs'),
      wrongRows,
      examples: [
        ...(doubled > 0 ? [`${doubled} rows of keys that are there twice`] : []),
        ...examples.map(([line]) => String(line).slice(0, 300)),
      ],
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
    rmSync(file, { force: true })
    rmSync(dump, { force: true })
  }
}

async function addOurs(
  root: string,
  run: (sql: string) => Promise<readonly (readonly unknown[])[]>,
): Promise<void> {
  for (const { url, vector, physicalName } of liveFiles(root)) {
    await run('CREATE OR REPLACE TEMP TABLE deleted (row BIGINT)')
    const rows = vector ? [...readVector(root, vector)] : []
    for (let from = 0; from < rows.length; from += VECTOR_ROWS_PER_INSERT) {
      const some = rows.slice(from, from + VECTOR_ROWS_PER_INSERT).join(', ')
      await run(`INSERT INTO deleted SELECT unnest([${some}])`)
    }
    const names = COLUMNS.map(({ name }) => `"${physicalName(name)}" AS "${name}"`).join(', ')
    const line = COLUMNS.map((column) => `coalesce(${column.ours}, '∅')`).join(', ')
    await run(`INSERT INTO ours SELECT id, concat_ws('|', ${line}) FROM (
      SELECT file_row_number, ${names} FROM read_parquet('${url}', file_row_number = true))
      ANTI JOIN deleted ON deleted.row = file_row_number`)
  }
}
