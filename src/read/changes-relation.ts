/** What happened to the rows of a table between two versions, as a relation. */

import type { Snapshot, Table, VersionChanges } from '../contracts/index.ts'
import { identifier } from '../engine/index.ts'
import {
  assert,
  type DataFile,
  isMetaColumn,
  SluiceError,
  type TableSchema,
} from '../model/index.ts'
import { deletedRows } from './deleted-rows.ts'
import { emptyScanSql, namedColumns, type ScanEntry, scanColumn, scanSql } from './scan.ts'
import { scanBase } from './snapshot-relation.ts'
import type { FileRows, Workspace } from './workspace.ts'

/**
 * Columns that `changes()` adds behind the user's columns, named as in Delta's change data feed.
 */
export const CHANGE_COLUMNS = ['_change_type', '_commit_version', '_commit_timestamp'] as const

/** Which changes. */
export interface ChangesRequest {
  readonly table: Table
  /** -1 starts with the first version. */
  readonly fromVersionExclusive: bigint
  /** The newest version to include: its schema is the schema of the result. */
  readonly to: Snapshot
}

/**
 * SELECT of the user's columns and `CHANGE_COLUMNS`, one row a change; `_change_type` is insert,
 * delete, update_preimage or update_postimage. Law: the rows of the table at `from`, without the
 * delete and preimage rows, with the insert and postimage rows, are the rows at `to`; so it is for
 * each version by itself. Rows that a commit only moved between files are no change. Order: none,
 * sort by `_commit_version`.
 * Throws SLU-SQL-6006 on an empty range backwards, SLU-TAB-3004 when part of the range is gone.
 */
export async function changesRelation(
  workspace: Workspace,
  request: ChangesRequest,
): Promise<string> {
  const { table, fromVersionExclusive, to } = request
  if (fromVersionExclusive > to.version) {
    throw new SluiceError('SLU-SQL-6006', {
      message: `changes cannot go back from version ${fromVersionExclusive} to ${to.version}`,
    })
  }
  const versions =
    fromVersionExclusive === to.version ? [] : await table.changes(fromVersionExclusive, to.version)
  assert(
    versions.length === Number(to.version - fromVersionExclusive),
    'SLU-BUG-9001',
    'the changes of a range must hold every version of it',
  )
  const readings = await collectReadings(table, versions)
  const scans = await scanReadings(workspace, table, to, readings)
  return imagesSql(to.schema, scans, hasBothKinds(readings))
}

const VERSION = 'v'
const TIME = 'ts'
const KIND = 'k'

type Kind = 'insert' | 'delete'

/** One reading of a file: `rows` null reads all of it. */
interface Reading {
  readonly file: DataFile
  readonly kind: Kind
  readonly version: VersionChanges
}

interface Readings {
  readonly whole: Reading[]
  /** All rows but those in the file's own vector. */
  readonly except: Reading[]
  /** Only the given rows. */
  readonly only: (Reading & { readonly rows: Uint32Array })[]
}

/** True when one version adds and takes rows away: it may update keys or move rows. */
function hasBothKinds({ whole, except, only }: Readings): boolean {
  const all = [...whole, ...except, ...only]
  const deleting = new Set(
    all.flatMap(({ kind, version }) => (kind === 'delete' ? [version.version] : [])),
  )
  return all.some(({ kind, version }) => kind === 'insert' && deleting.has(version.version))
}

async function scanReadings(
  workspace: Workspace,
  table: Table,
  to: Snapshot,
  readings: Readings,
): Promise<readonly string[]> {
  const base = { ...scanBase(to), labels: [VERSION, TIME, KIND] }
  const entries = (of: readonly Reading[]): ScanEntry[] => of.map((item) => entryOf(table, item))
  const scans: string[] = []
  if (readings.whole.length > 0) {
    scans.push(scanSql({ ...base, entries: entries(readings.whole), positions: null }))
  }
  if (readings.except.length > 0) {
    const files = readings.except.map(({ file }) => file)
    const positions = await deletedRows(workspace, table, files)
    scans.push(scanSql({ ...base, entries: entries(readings.except), positions }))
  }
  if (readings.only.length > 0) {
    const { table: rows } = await workspace.loadRows(givenRows(readings.only))
    const positions = { table: rows, use: 'only' } as const
    scans.push(scanSql({ ...base, entries: entries(readings.only), positions }))
  }
  return scans
}

async function collectReadings(
  table: Table,
  versions: readonly VersionChanges[],
): Promise<Readings> {
  const readings: Readings = { whole: [], except: [], only: [] }
  for (const version of versions) {
    const whole: readonly (readonly [Kind, readonly DataFile[]])[] = [
      ['insert', version.added],
      ['delete', version.removed],
    ]
    for (const [kind, files] of whole) {
      for (const file of files) {
        const group = file.deletionVector === null ? readings.whole : readings.except
        group.push({ file, kind, version })
      }
    }
    for (const { before, after } of version.vectorChanges) {
      const [hidden, shown] = await Promise.all([
        table.deletedRows(before),
        table.deletedRows(after),
      ])
      const deleted = rowsWithout(shown, hidden)
      const restored = rowsWithout(hidden, shown)
      if (deleted.length > 0) {
        readings.only.push({ file: after, kind: 'delete', version, rows: deleted })
      }
      if (restored.length > 0) {
        readings.only.push({ file: after, kind: 'insert', version, rows: restored })
      }
    }
  }
  return readings
}

function entryOf(table: Table, reading: Reading): ScanEntry {
  const { file, kind, version } = reading
  return {
    url: table.readUrl(file),
    partitionValues: file.partitionValues,
    labels: [
      `${version.version}::BIGINT`,
      `${version.timestampMicros}::BIGINT`,
      kind === 'insert' ? 'true' : 'false',
    ],
  }
}

async function* givenRows(of: readonly { readonly rows: Uint32Array }[]): AsyncIterable<FileRows> {
  for (const [index, { rows }] of of.entries()) yield { file: index, rows }
}

/** Rows of `left` that are not in `right`; both ascending and unique. */
export function rowsWithout(left: Uint32Array, right: Uint32Array): Uint32Array {
  const result = new Uint32Array(left.length)
  let count = 0
  let at = 0
  for (const row of left) {
    while (at < right.length && (right[at] as number) < row) at++
    if (right[at] !== row) result[count++] = row
  }
  return result.subarray(0, count)
}

/**
 * Raw inserts and deletes → change rows. Rows that one version both took away and added unchanged,
 * position of the source included, were only moved and cancel out; then a delete and an insert of
 * one key are an update.
 */
function imagesSql(schema: TableSchema, scans: readonly string[], isPaired: boolean): string {
  const columns = namedColumns(schema, (column) => !isMetaColumn(column.name))
  const result = [
    ...columns,
    `${typeSql(isPaired && schema.key.length > 0)} AS ${identifier(CHANGE_COLUMNS[0])}`,
    `${VERSION} AS ${identifier(CHANGE_COLUMNS[1])}`,
    `make_timestamptz(${TIME}) AS ${identifier(CHANGE_COLUMNS[2])}`,
  ]
  if (scans.length === 0) {
    const empty = `SELECT 0::BIGINT AS ${VERSION}, 0::BIGINT AS ${TIME}, true AS ${KIND}, *
      FROM (${emptyScanSql(schema)})`
    return `SELECT ${result.join(', ')} FROM (${empty})`
  }
  const raw = scans.join('\nUNION ALL ')
  if (!isPaired) return `SELECT ${result.join(', ')} FROM (\n${raw})`
  return `WITH raw AS MATERIALIZED (\n${raw}),
net AS (${cancelled(true)} UNION ALL ${cancelled(false)})
SELECT ${result.join(', ')} FROM net${keyWindow(schema)}`
}

/** Rows of one kind without those of the other kind. */
function cancelled(kind: boolean): string {
  const rows = (of: boolean): string => `SELECT * EXCLUDE (${KIND}) FROM raw WHERE ${KIND} = ${of}`
  return `SELECT ${kind} AS ${KIND}, * FROM (${rows(kind)} EXCEPT ALL ${rows(!kind)})`
}

function typeSql(isPaired: boolean): string {
  const plain = `CASE WHEN ${KIND} THEN 'insert' ELSE 'delete' END`
  if (!isPaired) return plain
  return `CASE WHEN bool_or(${KIND}) OVER one_key AND bool_or(NOT ${KIND}) OVER one_key
    THEN CASE WHEN ${KIND} THEN 'update_postimage' ELSE 'update_preimage' END
    ELSE ${plain} END`
}

function keyWindow(schema: TableSchema): string {
  if (schema.key.length === 0) return ''
  const key = schema.columns.flatMap((column, index) =>
    schema.key.includes(column.name) ? [scanColumn(index)] : [],
  )
  return ` WINDOW one_key AS (PARTITION BY ${[VERSION, ...key].join(', ')})`
}
