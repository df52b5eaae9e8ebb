/** Row-for-row comparison of a table with its source, both as of one position. */

import type { BlockPart, Snapshot, Table } from '../contracts/index.ts'
import { duckType, type Engine, identifier, literal } from '../engine/index.ts'
import { POSITION_COLUMN, type TableColumn, userColumns } from '../model/index.ts'
import { cellReader, type SqlCell } from './cell.ts'
import { changesRelation } from './changes-relation.ts'
import { snapshotRelation } from './snapshot-relation.ts'
import { openWorkspace, type Workspace } from './workspace.ts'

/**
 * What to compare. Table and source stand at the same position, or `snapshot` is the first version
 * that holds everything before the source's; `position` then tells where that is.
 */
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
  /**
   * Set when the batch of `snapshot` reaches beyond the source's position, which is this one. What
   * that batch changed at or after it cannot be compared: those keys are left out, and those that
   * it deleted, whose position no row tells. Without a key, the rows from then on are left out.
   */
  readonly position?: bigint
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
  /** Keys left out because of `position`; counted in no other number. */
  readonly unsettledKeys: bigint
}

const SOURCE = 'sluice_source'
const TABLE = 'sluice_table'
const DIFFERENCE = 'sluice_difference'
const ALL = 'sluice_all'
const UNSETTLED = 'sluice_unsettled'

/**
 * Compares every user column that the source still has, of every row; duplicates are counted, NULL
 * equals NULL.
 * Throws SLU-ENG-7002 when a value of the source does not fit the table's type, and what table and
 * source throw.
 */
export async function verifyAgainst(request: VerifyRequest): Promise<VerifyResult> {
  const { engine, table, snapshot, signal } = request
  await using workspace = await openWorkspace(engine)
  const interrupt = (): void => workspace.session.interrupt()
  signal?.addEventListener('abort', interrupt, { once: true })
  try {
    // What the source has dropped cannot be compared with it.
    const columns = userColumns(snapshot.schema).filter(({ origin }) => origin?.isGone !== true)
    const sql = await snapshotRelation(workspace, { table, snapshot, withMetaColumns: true })
    await workspace.define('main', ALL, sql)
    await loadSource(workspace, columns, request)
    const unsettledKeys = await defineTable(workspace, columns, request)
    return { ...(await compare(workspace, columns, request)), unsettledKeys }
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

/** Defines the rows of the table that can be compared; takes the others out of the source. */
async function defineTable(
  workspace: Workspace,
  columns: readonly TableColumn[],
  { table, snapshot, position }: VerifyRequest,
): Promise<bigint> {
  const { session } = workspace
  const rows = `SELECT ${names(columns)} FROM ${ALL}`
  const before = `${identifier(POSITION_COLUMN)} < ${position}`
  if (position === undefined || snapshot.schema.key.length === 0) {
    await workspace.define('main', TABLE, position === undefined ? rows : `${rows} WHERE ${before}`)
    return 0n
  }
  const key = snapshot.schema.key.map(identifier)
  const fromVersionExclusive = snapshot.version - 1n
  const changes = await changesRelation(workspace, { table, fromVersionExclusive, to: snapshot })
  await session.run(`CREATE TABLE ${UNSETTLED} AS
    SELECT ${key.join(', ')} FROM ${ALL} WHERE NOT ${before}
    UNION SELECT ${key.join(', ')} FROM (${changes}) WHERE _change_type = 'delete'`)
  const isUnsettled = (of: string): string => {
    const same = key.map((name) => `${UNSETTLED}.${name} IS NOT DISTINCT FROM ${of}.${name}`)
    return `EXISTS (FROM ${UNSETTLED} WHERE ${same.join(' AND ')})`
  }
  await workspace.define('main', TABLE, `${rows} WHERE NOT ${isUnsettled(ALL)}`)
  await session.run(`DELETE FROM ${SOURCE} WHERE ${isUnsettled(SOURCE)}`)
  const counted = await session.query(`SELECT count(*) FROM ${UNSETTLED}`)
  return counted.rows[0]?.[0] as bigint
}

async function compare(
  { session }: Workspace,
  columns: readonly TableColumn[],
  { snapshot, sampleMax }: VerifyRequest,
): Promise<Omit<VerifyResult, 'unsettledKeys'>> {
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
