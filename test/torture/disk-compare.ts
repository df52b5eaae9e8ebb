/**
 * Compares a table of ours with Postgres row for row on disk, for tables that do not fit in memory:
 * of each row the key and a digest of all its columns. Reads log and files by itself, as the rest
 * of the checker does.
 */

import { rmSync } from 'node:fs'
import path from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type pg from 'pg'
import { type LiveFileFacts, liveFiles } from './history.ts'
import type { ComparedColumn } from './tables.ts'
import { readVector } from './vector.ts'

/** What to compare, and where there is room. */
export interface CompareRequest {
  readonly client: pg.Client
  readonly table: string
  /** All columns of the table, `id` among them: its key, a whole number. */
  readonly columns: readonly ComparedColumn[]
  /** Folder of our table. */
  readonly root: string
  /** Folder that holds the data folder of Postgres, `postgres`. */
  readonly folder: string
}

/** What differs. */
export interface Compared {
  readonly rows: number
  readonly wrongRows: number
  readonly examples: readonly string[]
}

type Run = (sql: string) => Promise<readonly (readonly unknown[])[]>

const EXAMPLES_MAX = 5
const VECTOR_ROWS_PER_INSERT = 50_000
/** The rest goes to disk: 50 million rows are compared in it. */
const MEMORY_LIMIT = '1GB'
/** Hexadecimal digits of a digest that are compared: they fit a signed 64-bit number. */
const DIGITS = 15

/** Nobody may write to either side meanwhile. */
export async function compareOnDisk(request: CompareRequest): Promise<Compared> {
  const { client, table, folder } = request
  const file = path.join(folder, `compare-${table}.duckdb`)
  const dump = path.join(folder, 'postgres', `${table}.csv`)
  const spill = path.join(folder, `compare-${table}.spill`)
  const options = { memory_limit: MEMORY_LIMIT, threads: '2', temp_directory: spill }
  const instance = await DuckDBInstance.create(file, options)
  const connection = await instance.connect()
  const run: Run = async (sql) => (await connection.runAndReadAll(sql)).getRows()
  try {
    await run('SET preserve_insertion_order = false')
    await client.query(
      `COPY (SELECT id, substr(md5(${theirLine(request)}), 1, ${DIGITS}) FROM ${table})
       TO '${dump}' (FORMAT csv)`,
    )
    await run(`CREATE TABLE theirs AS SELECT id, ('0x' || digest)::BIGINT AS digest FROM
      read_csv('${dump}', header = false, columns = {id: 'BIGINT', digest: 'VARCHAR'})`)
    await run('CREATE TABLE ours (id BIGINT, digest BIGINT)')
    const digest = `('0x' || substr(md5(line), 1, ${DIGITS}))::BIGINT`
    for (const live of liveFiles(request.root)) {
      await run(`INSERT INTO ours SELECT id, ${digest} FROM (${await ourRows(request, live, run)})`)
    }
    const differs = `FROM theirs FULL JOIN ours USING (id)
      WHERE theirs.digest IS DISTINCT FROM ours.digest`
    const count = async (sql: string): Promise<number> => Number((await run(sql))[0]?.[0])
    const doubled = await count(
      'SELECT count(*) FROM (SELECT id FROM ours GROUP BY id HAVING count(*) > 1)',
    )
    const wrong = await count(`SELECT count(*) ${differs}`)
    const ids = await run(`SELECT id ${differs} LIMIT ${EXAMPLES_MAX}`)
    return {
      rows: await count('SELECT count(*) FROM theirs'),
      wrongRows: doubled + wrong,
      examples: [
        ...(doubled > 0 ? [`${table}: ${doubled} keys that are there more than once`] : []),
        ...(await examplesOf(
          request,
          ids.map(([id]) => String(id)),
          run,
        )),
      ],
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
    for (const made of [file, `${file}.wal`, dump, spill]) {
      rmSync(made, { recursive: true, force: true })
    }
  }
}

/** The rows of the keys as both sides have them. */
async function examplesOf(
  request: CompareRequest,
  ids: readonly string[],
  run: Run,
): Promise<readonly string[]> {
  if (ids.length === 0) return []
  const isOne = `id IN (${ids.join(', ')})`
  const ours = new Map<string, string>()
  for (const live of liveFiles(request.root)) {
    const rows = await run(
      `SELECT id::VARCHAR, line FROM (${await ourRows(request, live, run)}) WHERE ${isOne}`,
    )
    for (const [id, line] of rows) ours.set(String(id), String(line))
  }
  const theirs = await request.client.query<{ id: string; line: string }>(
    `SELECT id::text AS id, ${theirLine(request)} AS line FROM ${request.table} WHERE ${isOne}`,
  )
  const lines = new Map(theirs.rows.map(({ id, line }) => [id, line]))
  return ids.map((id) => {
    const [have, want] = [ours.get(id) ?? 'missing', lines.get(id) ?? 'nothing']
    return `${request.table}, row ${id}: ${have.slice(0, 200)} instead of ${want.slice(0, 200)}`
  })
}

function theirLine({ columns }: CompareRequest): string {
  const fields = columns.map(({ name, postgres }) => `coalesce(${postgres(`"${name}"`)}, '∅')`)
  return `concat_ws('|', ${fields.join(', ')})`
}

/** Query over the live rows of a file: `id` and `line`. */
async function ourRows(
  { root, columns }: CompareRequest,
  { url, vector, physicalName }: LiveFileFacts,
  run: Run,
): Promise<string> {
  await run('CREATE OR REPLACE TEMP TABLE deleted (row BIGINT)')
  const rows = vector ? readVector(root, vector) : []
  for (let from = 0; from < rows.length; from += VECTOR_ROWS_PER_INSERT) {
    const some = rows.slice(from, from + VECTOR_ROWS_PER_INSERT).join(', ')
    await run(`INSERT INTO deleted SELECT unnest([${some}])`)
  }
  const fields = columns.map(
    ({ name, stored }) => `coalesce(${stored(`"${physicalName(name)}"`)}, '∅')`,
  )
  return `SELECT "${physicalName('id')}" AS id, concat_ws('|', ${fields.join(', ')}) AS line
    FROM read_parquet('${url}', file_row_number = true)
    ANTI JOIN deleted ON deleted.row = file_row_number`
}
