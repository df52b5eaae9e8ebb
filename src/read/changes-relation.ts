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
import { admitFiles } from './data-files.ts'
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
  await admitReadings(workspace, table, readings)
  const mixed = mixedVersions(readings)
  const scans = (of: Readings): Promise<readonly string[]> =>
    scanReadings({ workspace, table, to }, of)
  return changesSql(to.schema, {
    plain: await scans(filterReadings(readings, (version) => !mixed.has(version))),
    mixed: await scans(filterReadings(readings, (version) => mixed.has(version))),
  })
}

const VERSION = 'v'
const TIME = 'ts'
/** Label of the scans of changes: true for rows that came, false for rows that went. */
export const KIND = 'k'

/**
 * SELECTs of every row that the versions brought or took away, with the labels of a scan of changes
 * and the columns of `to`; moved rows stand among both. None when nothing changed.
 */
export async function changeScans(
  workspace: Workspace,
  request: { readonly table: Table; readonly to: Snapshot },
  versions: readonly VersionChanges[],
): Promise<readonly string[]> {
  const readings = await collectReadings(request.table, versions)
  await admitReadings(workspace, request.table, readings)
  return scanReadings({ workspace, ...request }, readings)
}

async function admitReadings(
  workspace: Workspace,
  table: Table,
  { whole, except, only }: Readings,
): Promise<void> {
  const files = [...whole, ...except, ...only].map(({ file }) => file)
  await admitFiles(workspace, table, files)
}

type Kind = 'insert' | 'delete'

/** A file read for one version. */
interface Reading {
  readonly file: DataFile
  readonly kind: Kind
  readonly version: VersionChanges
}

/** A `Reading` of the given rows only. */
interface RowsReading extends Reading {
  readonly rows: Uint32Array
}

interface Readings {
  readonly whole: readonly Reading[]
  /** All rows but those in the file's own vector. */
  readonly except: readonly Reading[]
  readonly only: readonly RowsReading[]
}

function filterReadings(readings: Readings, keep: (version: bigint) => boolean): Readings {
  const kept = ({ version }: Reading): boolean => keep(version.version)
  return {
    whole: readings.whole.filter(kept),
    except: readings.except.filter(kept),
    only: readings.only.filter(kept),
  }
}

/** Versions that add and take rows away: they may update keys or move rows. */
function mixedVersions({ whole, except, only }: Readings): ReadonlySet<bigint> {
  const all = [...whole, ...except, ...only]
  const versionsOf = (wanted: Kind): Set<bigint> =>
    new Set(all.flatMap(({ kind, version }) => (kind === wanted ? [version.version] : [])))
  const inserting = versionsOf('insert')
  return new Set([...versionsOf('delete')].filter((version) => inserting.has(version)))
}

interface ScanContext {
  readonly workspace: Workspace
  readonly table: Table
  readonly to: Snapshot
}

async function scanReadings(
  { workspace, table, to }: ScanContext,
  { whole, except, only }: Readings,
): Promise<readonly string[]> {
  const base = { ...scanBase(to), labels: [VERSION, TIME, KIND] }
  const entries = (of: readonly Reading[]): ScanEntry[] =>
    of.map((reading) => ({ ...fileEntry(table, reading.file), labels: labelsOf(reading) }))
  const scans: string[] = []
  if (whole.length > 0) {
    scans.push(scanSql({ ...base, entries: entries(whole), positions: null }))
  }
  if (except.length > 0) {
    const files = except.map(({ file }) => file)
    const positions = await deletedRows(workspace, table, files)
    scans.push(scanSql({ ...base, entries: entries(except), positions }))
  }
  if (only.length > 0) scans.push(await scanRows({ workspace, table, to }, only))
  return scans
}

/** Reads each file once, however many versions changed it. */
async function scanRows(
  { workspace, table, to }: ScanContext,
  readings: readonly RowsReading[],
): Promise<string> {
  const files = new Map<string, { readonly place: number; readonly file: DataFile }>()
  const tags = new Map<string, { readonly tag: number; readonly labels: readonly string[] }>()
  const rows = readings.map((reading): FileRows => {
    const { file } = reading
    const place = files.get(file.path)?.place ?? files.size
    files.set(file.path, { place, file })
    const labels = labelsOf(reading)
    const tag = tags.get(labels.join())?.tag ?? tags.size
    tags.set(labels.join(), { tag, labels })
    return { file: place, rows: reading.rows, tag }
  })
  const loaded = await workspace.loadRows(each(rows))
  return scanSql({
    ...scanBase(to),
    entries: [...files.values()].map(({ file }) => fileEntry(table, file)),
    labels: [VERSION, TIME, KIND],
    positions: {
      use: 'only',
      table: loaded.table,
      labels: [...tags.values()].map(({ labels }) => labels),
    },
  })
}

async function* each(rows: readonly FileRows[]): AsyncIterable<FileRows> {
  yield* rows
}

async function collectReadings(
  table: Table,
  versions: readonly VersionChanges[],
): Promise<Readings> {
  const readings = { whole: [] as Reading[], except: [] as Reading[], only: [] as RowsReading[] }
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

function fileEntry(table: Table, file: DataFile): ScanEntry {
  return { url: table.readUrl(file), partitionValues: file.partitionValues, labels: [] }
}

function labelsOf({ kind, version }: Reading): readonly string[] {
  return [
    `${version.version}::BIGINT`,
    `${version.timestampMicros}::BIGINT`,
    kind === 'insert' ? 'true' : 'false',
  ]
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
 * one key are an update. Versions that only add or only take away need none of that.
 */
function changesSql(
  schema: TableSchema,
  scans: { readonly plain: readonly string[]; readonly mixed: readonly string[] },
): string {
  const columns = namedColumns(schema, (column) => !isMetaColumn(column.name))
  const select = (type: string): string =>
    `SELECT ${[
      ...columns,
      `${type} AS ${identifier(CHANGE_COLUMNS[0])}`,
      `${VERSION} AS ${identifier(CHANGE_COLUMNS[1])}`,
      `make_timestamptz(${TIME}) AS ${identifier(CHANGE_COLUMNS[2])}`,
    ].join(', ')}`
  const empty = `SELECT 0::BIGINT AS ${VERSION}, 0::BIGINT AS ${TIME}, true AS ${KIND}, *
    FROM (${emptyScanSql(schema)})`
  const plain = scans.plain.length === 0 ? empty : scans.plain.join('\nUNION ALL ')
  const plainChanges = `${select(PLAIN_TYPE)} FROM (\n${plain})`
  if (scans.mixed.length === 0) return plainChanges
  const hasKey = schema.key.length > 0
  return `WITH raw AS MATERIALIZED (\n${scans.mixed.join('\nUNION ALL ')}),
net AS (${cancelled(true)} UNION ALL ${cancelled(false)})
${select(hasKey ? PAIRED_TYPE : PLAIN_TYPE)} FROM net${hasKey ? keyWindow(schema) : ''}
UNION ALL ${plainChanges}`
}

const PLAIN_TYPE = `CASE WHEN ${KIND} THEN 'insert' ELSE 'delete' END`
const PAIRED_TYPE = `CASE WHEN bool_or(${KIND}) OVER one_key AND bool_or(NOT ${KIND}) OVER one_key
  THEN CASE WHEN ${KIND} THEN 'update_postimage' ELSE 'update_preimage' END
  ELSE ${PLAIN_TYPE} END`

/** Rows of one kind without those of the other kind. */
function cancelled(kind: boolean): string {
  const rows = (of: boolean): string => `SELECT * EXCLUDE (${KIND}) FROM raw WHERE ${KIND} = ${of}`
  return `SELECT ${kind} AS ${KIND}, * FROM (${rows(kind)} EXCEPT ALL ${rows(!kind)})`
}

function keyWindow(schema: TableSchema): string {
  const key = schema.columns.flatMap((column, index) =>
    schema.key.includes(column.name) ? [scanColumn(index)] : [],
  )
  return ` WINDOW one_key AS (PARTITION BY ${[VERSION, ...key].join(', ')})`
}
