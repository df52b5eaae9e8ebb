/** Compares a reading of ours with one of another engine, inside DuckDB. */

import { join } from 'node:path'
import { expect } from 'vitest'
import type { Table } from '../../../src/contracts/index.ts'
import { openWorkspace, snapshotRelation } from '../../../src/read/index.ts'
import type { Lake } from './lake.ts'

/** What was loaded. */
export interface Reading {
  readonly columns: readonly (readonly unknown[])[]
  readonly rowCount: number
}

/** Loads a relation into the table `name`, columns sorted by name. */
export async function load(lake: Lake, name: string, sql: string): Promise<Reading> {
  await lake.session.run(`CREATE OR REPLACE TABLE loaded AS ${sql}`)
  const described = await lake.session.query('DESCRIBE loaded')
  const columns = described.rows.map(([column, type]) => [column, type]).sort()
  const names = columns.map(([column]) => `"${column}"`).join(', ')
  await lake.session.run(`CREATE OR REPLACE TABLE ${name} AS SELECT ${names} FROM loaded`)
  const counted = await lake.session.query(`SELECT count(*) FROM ${name}`)
  return { columns, rowCount: Number(counted.rows[0]?.[0]) }
}

/** Loads a version of a table into `ours`, as our reader reads it, meta columns included. */
export async function loadOurs(lake: Lake, table: Table, version: bigint): Promise<Reading> {
  const path = join(lake.folder, `ours-${table.root}-${version}.parquet`)
  await using workspace = await openWorkspace(lake.engine)
  const snapshot = await table.snapshot({ kind: 'version', version })
  const sql = await snapshotRelation(workspace, { table, snapshot, withMetaColumns: true })
  await workspace.session.run(`COPY (${sql}) TO '${path}' (FORMAT parquet)`)
  return load(lake, 'ours', `SELECT * FROM '${path}'`)
}

/** Expects the same columns, types and rows in the tables `ours` and `theirs`. */
export async function expectSame(lake: Lake, ours: Reading, theirs: Reading): Promise<void> {
  expect(theirs).toEqual(ours)
  const difference = await lake.session.query(`
    SELECT 'ours' AS side, * FROM (FROM ours EXCEPT ALL FROM theirs)
    UNION ALL SELECT 'theirs', * FROM (FROM theirs EXCEPT ALL FROM ours) ORDER BY 1 LIMIT 4`)
  expect(difference.rows.map(String)).toEqual([])
}
