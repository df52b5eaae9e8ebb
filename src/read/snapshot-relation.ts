/**
 * A table at one version as a relation: files without a vector as they are, the others without
 * their deleted rows.
 */

import type { Snapshot, Table } from '../contracts/index.ts'
import { assert, type DataFile, isMetaColumn } from '../model/index.ts'
import { admitFiles } from './data-files.ts'
import { deletedRows } from './deleted-rows.ts'
import { emptyScanSql, namedColumns, type ScanEntry, type ScanRequest, scanSql } from './scan.ts'
import type { Workspace } from './workspace.ts'

/** What to make of a snapshot. */
export interface SnapshotRelationRequest {
  readonly table: Table
  readonly snapshot: Snapshot
  /** True adds `_sluice_split` and `_sluice_position` behind the user's columns. */
  readonly withMetaColumns: boolean
}

/**
 * SELECT with the columns of the table in their order. Deleted positions are loaded into the
 * workspace, so the text is good for its session and as long as that lives.
 * Throws SLU-TAB-3002 on a damaged vector, SLU-STO-2005 and SLU-STO-2008 on files that are not what
 * the log says.
 */
export async function snapshotRelation(
  workspace: Workspace,
  request: SnapshotRelationRequest,
): Promise<string> {
  const { table, snapshot, withMetaColumns } = request
  const whole: DataFile[] = []
  const cut: DataFile[] = []
  for (const file of snapshot.files()) (file.deletionVector === null ? whole : cut).push(file)
  const base = scanBase(snapshot)
  await admitFiles(workspace, table, [...whole, ...cut])
  const scans: string[] = []
  if (whole.length > 0) {
    const entries = whole.map((file) => entryOf(table, file))
    scans.push(scanSql({ ...base, entries, positions: null }))
  }
  if (cut.length > 0) {
    const entries = cut.map((file) => entryOf(table, file))
    const positions = await deletedRows(workspace, table, cut)
    scans.push(scanSql({ ...base, entries, positions }))
  }
  if (scans.length === 0) scans.push(emptyScanSql(snapshot.schema))
  const columns = namedColumns(
    snapshot.schema,
    (column) => withMetaColumns || !isMetaColumn(column.name),
  )
  // A table without columns of its own shows where its rows are from: SQL knows no empty row.
  const shown = columns.length > 0 ? columns : namedColumns(snapshot.schema, () => true)
  return `SELECT ${shown.join(', ')} FROM (\n${scans.join('\nUNION ALL ')})`
}

/**
 * The parts of a scan that come from the snapshot. Throws SLU-TAB-3010 for a table without columns,
 * of which SQL can select nothing.
 */
export function scanBase(
  snapshot: Snapshot,
): Pick<ScanRequest, 'schema' | 'columnMapping' | 'labels'> {
  assert(snapshot.schema.columns.length > 0, 'SLU-TAB-3010', 'the table has no columns')
  const byId = snapshot.properties['delta.columnMapping.mode'] === 'id'
  return { schema: snapshot.schema, columnMapping: byId ? 'id' : 'name', labels: [] }
}

function entryOf(table: Table, file: DataFile): ScanEntry {
  return { url: table.readUrl(file), partitionValues: file.partitionValues, labels: [] }
}
