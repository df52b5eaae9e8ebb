/**
 * Tables on local disk, written by the stager and the format that pipelines use, one commit at a
 * time.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type {
  CommitRequest,
  ObjectStore,
  Snapshot,
  Table,
  TableFormat,
} from '../../../src/contracts/index.ts'
import {
  createEngine,
  createParquetPort,
  type Engine,
  type Session,
} from '../../../src/engine/index.ts'
import { stageRows } from '../../../src/ingest/stager.ts'
import type { RowDeletes, TableSchema } from '../../../src/model/index.ts'
import { createSystemClock } from '../../../src/observe/index.ts'
import { createDeltaFormat } from '../../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../../table-format/object-store/index.ts'
import { commitRequest } from '../table-format/requests.ts'

/** An engine, a store and a format over a temporary folder. */
export interface Lake extends AsyncDisposable {
  readonly folder: string
  readonly engine: Engine
  readonly session: Session
  readonly format: TableFormat
  /** Tables of another store. */
  formatOver(store: ObjectStore): TableFormat
}

/** What one commit does. */
export interface LakeCommit {
  /** FROM clause that yields the user's columns: `(SELECT …) AS t`. */
  readonly rows?: string
  /** WHERE clause over the user's columns: its rows are deleted. */
  readonly deleteWhere?: string
  /** The schema from this version on; its rows have it already. */
  readonly schema?: TableSchema
}

/** Opens a lake in a new temporary folder that goes with it. */
export async function openLake(unsignedExtensions: readonly string[] = []): Promise<Lake> {
  return openLakeAt(mkdtempSync(join(tmpdir(), 'sluice-lake-')), unsignedExtensions)
}

/** Opens a folder that holds tables; it goes with the lake. */
export async function openLakeAt(
  folder: string,
  unsignedExtensions: readonly string[],
): Promise<Lake> {
  const clock = createSystemClock()
  const engine = await createEngine({
    memoryBytes: 512 * 1024 * 1024,
    threads: 2,
    temporaryFolder: join(folder, 'spill'),
    unsignedExtensions,
  })
  const session = await engine.session()
  const store = await createLocalObjectStore(folder, clock)
  const parquet = createParquetPort({
    openSession: () => engine.session(),
    spoolFolder: join(folder, 'spool', 'metadata'),
    clock,
  })
  const formatOver = (over: ObjectStore): TableFormat =>
    createDeltaFormat({ store: over, clock, parquet, writerName: 'sluice', sidecarActionsMax: 3 })
  return {
    folder,
    engine,
    session,
    format: formatOver(store),
    formatOver,
    [Symbol.asyncDispose]: async () => {
      await session[Symbol.asyncDispose]()
      await engine[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

let stagedCount = 0

/** Makes one commit; returns its version. */
export async function commitRows(
  lake: Lake,
  table: Table,
  { rows, deleteWhere, schema }: LakeCommit,
): Promise<bigint> {
  let base = await table.latest()
  if (schema !== undefined) {
    base = await commit(table, base, { schema })
  }
  const uniqueName = `${++stagedCount}`
  const add =
    rows === undefined
      ? []
      : await stageRows({
          table,
          session: lake.session,
          folder: join(lake.folder, 'spool', uniqueName),
          uniqueName,
          onWritten: () => {},
          schema: base.schema,
          split: '0',
          from: rows,
          position: `${uniqueName}`,
          compressionLevel: 1,
        })
  const deletes = deleteWhere === undefined ? [] : await rowsWhere(lake, table, deleteWhere)
  return (await commit(table, base, { add, deletes })).version
}

async function commit(
  table: Table,
  base: Snapshot,
  changes: Partial<CommitRequest>,
): Promise<Snapshot> {
  const outcome = await table.commit(commitRequest(base, changes))
  if (outcome.kind !== 'committed') throw new Error(`the commit ended as ${outcome.kind}`)
  return outcome.snapshot
}

/** Live rows that match, by file. */
async function rowsWhere(lake: Lake, table: Table, where: string): Promise<readonly RowDeletes[]> {
  const deletes: RowDeletes[] = []
  for (const file of (await table.latest()).files()) {
    const deleted = new Set(await table.deletedRows(file))
    const found = await lake.session.query(`SELECT file_row_number
      FROM read_parquet('${table.readUrl(file).replaceAll("'", "''")}', hive_partitioning = false,
        file_row_number = true) WHERE ${where} ORDER BY 1`)
    const rows = found.rows.map(([row]) => Number(row)).filter((row) => !deleted.has(row))
    if (rows.length > 0) deletes.push({ path: file.path, rows: Uint32Array.from(rows) })
  }
  return deletes
}
