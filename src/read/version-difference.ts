/** What is different between two versions of a table, row by row, whatever happened in between. */

import type { Snapshot, Table, VersionChanges } from '../contracts/index.ts'
import { type Engine, guard, identifier } from '../engine/index.ts'
import { type DataFile, isMetaColumn, isSluiceError, type TableSchema } from '../model/index.ts'
import { cellReader, type SqlCell } from './cell.ts'
import { changeScans, KIND } from './changes-relation.ts'
import { explainFailure } from './data-files.ts'
import { emptyScanSql, scanColumn } from './scan.ts'
import { openWorkspace, type Workspace } from './workspace.ts'

/** Two versions of one table, in either order. */
export interface DifferenceRequest {
  readonly engine: Engine
  readonly table: Table
  readonly from: Snapshot
  readonly to: Snapshot
  /** Rows to hand out at most; all are counted. */
  readonly rowsMax: number
}

/** A row that is not the same in both; values are in the order of `columns`. */
export interface DifferentRow {
  readonly kind: 'insert' | 'update' | 'delete'
  /** Null for an insert. */
  readonly before: readonly SqlCell[] | null
  /** Null for a delete. */
  readonly after: readonly SqlCell[] | null
}

/** The net difference; without a key there are no updates, and duplicates are counted. */
export interface VersionDifference {
  /** User's columns of the newer of the two; those that only the older one has are not compared. */
  readonly columns: readonly string[]
  readonly key: readonly string[]
  readonly inserted: bigint
  readonly updated: bigint
  readonly deleted: bigint
  /** In how many of the updated rows each column differs, in the order of `columns`. */
  readonly updatedColumns: readonly bigint[]
  /** The first by key. */
  readonly rows: readonly DifferentRow[]
}

const TABLE = 'sluice_difference'

/**
 * Reads only files and rows that one version has and the other has not. A row that was changed and
 * changed back, or only moved to another file, is no difference.
 * Throws what reading the two snapshots throws.
 */
export async function versionDifference(request: DifferenceRequest): Promise<VersionDifference> {
  const { engine, table, from, to } = request
  const newer = from.version > to.version ? from : to
  await using workspace = await openWorkspace(engine)
  const scans = await changeScans(workspace, { table, to: newer }, [changesBetween(from, to)])
  try {
    await workspace.session.run(`CREATE TABLE ${TABLE} AS ${differenceSql(newer.schema, scans)}`)
    return await collect(workspace, newer.schema, request.rowsMax)
  } catch (error) {
    throw isSluiceError(error) ? await explainFailure(workspace, error) : error
  }
}

/** As if one version had made `to` of `from`. */
function changesBetween(from: Snapshot, to: Snapshot): VersionChanges {
  const added: DataFile[] = []
  const vectorChanges: { before: DataFile; after: DataFile }[] = []
  for (const after of to.files()) {
    const before = from.file(after.path)
    if (before === null) added.push(after)
    else if (vectorText(before) !== vectorText(after)) vectorChanges.push({ before, after })
  }
  const removed = [...from.files()].filter(({ path }) => to.file(path) === null)
  const { version, timestampMicros, schema } = to
  return { version, timestampMicros, schema, added, removed, vectorChanges }
}

function vectorText({ deletionVector }: DataFile): string {
  if (deletionVector === null) return ''
  const { storageType, pathOrInline, offset } = deletionVector
  return `${storageType}${pathOrInline}@${offset}`
}

/** Places of the user's columns and of the key in the schema. */
function placesOf({ columns, key }: TableSchema): {
  readonly users: readonly number[]
  readonly keys: readonly number[]
} {
  const users = columns.flatMap(({ name }, index) => (isMetaColumn(name) ? [] : [index]))
  return { users, keys: users.filter((index) => key.includes(columns[index]?.name ?? '')) }
}

const before = (index: number): string => `b${index}`
const after = (index: number): string => `a${index}`

/** `kind`, then `b…` and `a…` of each user column. */
function differenceSql(schema: TableSchema, scans: readonly string[]): string {
  const { users, keys } = placesOf(schema)
  const raw =
    scans.length === 0
      ? `SELECT true AS ${KIND}, * FROM (${emptyScanSql(schema)})`
      : scans.join('\nUNION ALL BY NAME ')
  const rows = (kind: boolean): string => {
    const columns = users.map(scanColumn).join(', ')
    return `(SELECT ${columns}, true AS here FROM raw WHERE ${KIND} = ${kind})`
  }
  const head = `WITH raw AS MATERIALIZED (\n${raw})`
  const named = (side: (index: number) => string, from: string): string =>
    users.map((index) => `${from} AS ${side(index)}`.replace('#', scanColumn(index))).join(', ')
  if (keys.length === 0) {
    return `${head}
SELECT 'insert' AS kind, ${named(before, 'NULL')}, ${named(after, '#')}
  FROM (${rows(true)} EXCEPT ALL ${rows(false)})
UNION ALL SELECT 'delete' AS kind, ${named(before, '#')}, ${named(after, 'NULL')}
  FROM (${rows(false)} EXCEPT ALL ${rows(true)})`
  }
  const same = keys.map(
    (index) => `went.${scanColumn(index)} IS NOT DISTINCT FROM came.${scanColumn(index)}`,
  )
  const differ = users.map(
    (index) => `went.${scanColumn(index)} IS DISTINCT FROM came.${scanColumn(index)}`,
  )
  return `${head}
SELECT CASE WHEN went.here IS NULL THEN 'insert' WHEN came.here IS NULL THEN 'delete'
  ELSE 'update' END AS kind, ${named(before, 'went.#')}, ${named(after, 'came.#')}
FROM ${rows(false)} AS went FULL JOIN ${rows(true)} AS came ON ${same.join(' AND ')}
WHERE went.here IS DISTINCT FROM came.here OR ${differ.join(' OR ')}`
}

async function collect(
  { session }: Workspace,
  schema: TableSchema,
  rowsMax: number,
): Promise<VersionDifference> {
  const { users, keys } = placesOf(schema)
  const kinds = ['insert', 'update', 'delete'].map((kind) => `count(*) FILTER (kind = '${kind}')`)
  const changed = users.map(
    (index) =>
      `count(*) FILTER (kind = 'update' AND ${before(index)} IS DISTINCT FROM ${after(index)})`,
  )
  const counts = await session.query(`SELECT ${[...kinds, ...changed].join(', ')} FROM ${TABLE}`)
  const [inserted, updated, deleted, ...updatedColumns] = counts.rows[0] as readonly bigint[]
  const order = keys.map((index) => `coalesce(${after(index)}, ${before(index)})`)
  const shown = [...users.map(before), ...users.map(after)].map(identifier).join(', ')
  const result = await guard(() =>
    session.connection.runAndReadAll(
      `SELECT kind, ${shown} FROM ${TABLE}
      ORDER BY ${order.length === 0 ? 'ALL' : order.join(', ')} LIMIT ${rowsMax}`,
    ),
  )
  const readers = result.columnTypes().map(cellReader)
  const rows = result.getRows().map((row): DifferentRow => {
    const [kind, ...cells] = row.map((value, index) => readers[index]?.(value) ?? null)
    return {
      kind: kind as DifferentRow['kind'],
      before: kind === 'insert' ? null : cells.slice(0, users.length),
      after: kind === 'delete' ? null : cells.slice(users.length),
    }
  })
  return {
    columns: users.map((index) => schema.columns[index]?.name ?? ''),
    key: keys.map((index) => schema.columns[index]?.name ?? ''),
    inserted: inserted ?? 0n,
    updated: updated ?? 0n,
    deleted: deleted ?? 0n,
    updatedColumns,
    rows,
  }
}
