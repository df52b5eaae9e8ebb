/** Row-for-row comparison of a table with its source, both as of one position. */

import type { BlockPart, Snapshot, Table } from '../contracts/index.ts'
import { duckType, type Engine, identifier, literal } from '../engine/index.ts'
import { type TableColumn, userColumns } from '../model/index.ts'
import { cellReader, type SqlCell } from './cell.ts'
import { snapshotRelation } from './snapshot-relation.ts'
import { openWorkspace, type Workspace } from './workspace.ts'

/** What to compare. The caller sees to it that table and source stand at the same position. */
export interface VerifyRequest {
  readonly engine: Engine
  readonly table: Table
  readonly snapshot: Snapshot
  /** The rows of the source, as `SourceView.rows` yields them. */
  readonly parts: AsyncIterable<BlockPart>
  /**
   * Lands a part where DuckDB reads it; returns a SELECT of the table's user columns over it. What
   * it landed may go when it is called again.
   */
  readonly land: (part: BlockPart) => Promise<string>
  /** Differing keys to name in the result at most. */
  readonly sampleMax: number
  /** Loads and compares until it aborts; then throws SLU-ENG-7004. */
  readonly signal?: AbortSignal
}

/**
 * A key whose rows differ: `missing` in the table, `extra` in the table, or `different` in some
 * column.
 */
export interface RowDifference {
  readonly kind: 'missing' | 'extra' | 'different'
  /** Values of the key columns, of all columns when the table has no key. */
  readonly key: readonly SqlCell[]
}

/** How a comparison ended; the two are equal when `missingRows` and `extraRows` are 0. */
export interface VerifyResult {
  readonly rowsTable: bigint
  readonly rowsSource: bigint
  /** Rows of the source that the table does not have, counted with duplicates. */
  readonly missingRows: bigint
  /** Rows of the table that the source does not have, counted with duplicates. */
  readonly extraRows: bigint
  /** The first of them by key. */
  readonly sample: readonly RowDifference[]
}

const SOURCE = 'sluice_source'
const TABLE = 'sluice_table'
const DIFFERENCE = 'sluice_difference'

/**
 * Compares every user column of every row, duplicates counted, NULL equal to NULL.
 * Throws SLU-ENG-7002 when a value of the source does not fit the table's type, and what table and
 * source throw.
 */
export async function verifyAgainst(request: VerifyRequest): Promise<VerifyResult> {
  const { engine, table, snapshot, signal } = request
  await using workspace = await openWorkspace(engine)
  const interrupt = (): void => workspace.session.interrupt()
  signal?.addEventListener('abort', interrupt, { once: true })
  try {
    const columns = userColumns(snapshot.schema)
    const sql = await snapshotRelation(workspace, { table, snapshot, withMetaColumns: false })
    await workspace.define('main', TABLE, sql)
    await loadSource(workspace, columns, request)
    return await compare(workspace, columns, request)
  } finally {
    signal?.removeEventListener('abort', interrupt)
  }
}

function names(columns: readonly TableColumn[]): string {
  return columns.map(({ name }) => identifier(name)).join(', ')
}

async function loadSource(
  { session }: Workspace,
  columns: readonly TableColumn[],
  { parts, land, signal }: VerifyRequest,
): Promise<void> {
  const definitions = columns.map(({ name, type }) => `${identifier(name)} ${duckType(type)}`)
  await session.run(`CREATE TABLE ${SOURCE}(${definitions.join(', ')})`)
  for await (const part of parts) {
    signal?.throwIfAborted()
    if (part.recordCount === 0) continue
    const rows = await land(part)
    await session.run(`INSERT INTO ${SOURCE} SELECT ${names(columns)} FROM (${rows})`)
  }
}

async function compare(
  { session }: Workspace,
  columns: readonly TableColumn[],
  { snapshot, sampleMax }: VerifyRequest,
): Promise<VerifyResult> {
  const rows = (of: string): string => `SELECT ${names(columns)} FROM ${of}`
  const only = (kind: string, left: string, right: string): string =>
    `SELECT ${literal(kind)} AS sluice_kind, * FROM (${rows(left)} EXCEPT ALL ${rows(right)})`
  await session.run(`CREATE TABLE ${DIFFERENCE} AS ${only('missing', SOURCE, TABLE)}
    UNION ALL ${only('extra', TABLE, SOURCE)}`)
  const counts = await session.query(`SELECT
    (SELECT count(*) FROM ${TABLE}), (SELECT count(*) FROM ${SOURCE}),
    count(*) FILTER (sluice_kind = 'missing'), count(*) FILTER (sluice_kind = 'extra')
    FROM ${DIFFERENCE}`)
  const [rowsTable, rowsSource, missingRows, extraRows] = counts.rows[0] as readonly bigint[]
  const key = columns.filter(({ name }) => snapshot.schema.key.includes(name))
  return {
    rowsTable: rowsTable ?? 0n,
    rowsSource: rowsSource ?? 0n,
    missingRows: missingRows ?? 0n,
    extraRows: extraRows ?? 0n,
    sample: await sample(session, key.length > 0 ? key : columns, sampleMax),
  }
}

async function sample(
  session: Workspace['session'],
  key: readonly TableColumn[],
  sampleMax: number,
): Promise<readonly RowDifference[]> {
  const reader = await session.connection.runAndReadAll(`SELECT
    CASE WHEN count(DISTINCT sluice_kind) = 2 THEN 'different' ELSE min(sluice_kind) END,
    ${names(key)} FROM ${DIFFERENCE}
    GROUP BY ${names(key)} ORDER BY ${names(key)} LIMIT ${sampleMax}`)
  const readers = reader.columnTypes().map(cellReader)
  return reader.getRows().map((row) => {
    const [kind, ...values] = row.map((value, index) => readers[index]?.(value) ?? null)
    return { kind: kind as RowDifference['kind'], key: values }
  })
}
