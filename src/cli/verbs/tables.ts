/** `sluice tables`: every table of the configuration with its size and age. */

import type { Runtime } from '../../compose.ts'
import type { Snapshot } from '../../contracts/index.ts'
import { msFromMicros } from '../../model/index.ts'
import {
  deadLetterTable,
  type FoundTable,
  listTables,
  modeOf,
  type VerbContext,
} from '../context.ts'
import { asSluiceError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { agoText, countText, sizeText, timeJson, UNKNOWN } from '../format.ts'

interface TableRow {
  readonly found: FoundTable
  readonly snapshot: Snapshot | null
  readonly error: { readonly code: string; readonly message: string } | null
}

/**
 * A table that cannot be read is told in its row; the others are shown all the same (exit code 8).
 */
export async function tablesVerb(context: VerbContext): Promise<number> {
  await using runtime = await context.openRuntime()
  const rows: TableRow[] = []
  for (const found of listTables(runtime.config)) {
    rows.push(await readRow(runtime, found))
    const dead = await readRow(runtime, deadLetterTable(found))
    if (dead.snapshot !== null) rows.push(dead)
  }
  const { output } = context
  output.document('tables', { store: runtime.store.url, tables: rows.map(rowJson) })
  const nowMs = context.host.clock.nowMs()
  output.table(
    [
      { title: 'table', align: 'left' },
      { title: 'rows', align: 'right' },
      { title: 'files', align: 'right' },
      { title: 'size', align: 'right' },
      { title: 'version', align: 'right' },
      { title: 'last commit', align: 'right' },
      { title: 'mode', align: 'left' },
      { title: 'pipeline', align: 'left' },
    ],
    rows.map((row) => rowText(row, nowMs)),
  )
  for (const { found, error } of rows) {
    if (error !== null) output.note(`${found.target.table}: ${error.code} ${error.message}`)
  }
  return rows.some((row) => row.error !== null) ? EXIT.partial : EXIT.ok
}

async function readRow(runtime: Runtime, found: FoundTable): Promise<TableRow> {
  try {
    const table = await runtime.format.open(found.target.root)
    if (table === null) return { found, snapshot: null, error: null }
    await using opened = table
    return { found, snapshot: await opened.latest(), error: null }
  } catch (error) {
    const { code, message } = asSluiceError(error)
    return { found, snapshot: null, error: { code, message } }
  }
}

function rowText({ found, snapshot, error }: TableRow, nowMs: number): readonly string[] {
  const { target, pipeline } = found
  if (snapshot === null) {
    const state = error === null ? 'not begun' : error.code
    return [target.table, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, state, target.mode, pipeline.name]
  }
  return [
    target.table,
    countText(snapshot.rowCount),
    countText(snapshot.fileCount),
    sizeText(snapshot.sizeBytes),
    snapshot.version.toString(),
    agoText(msFromMicros(snapshot.timestampMicros), nowMs),
    modeOf(found, snapshot),
    pipeline.name,
  ]
}

function rowJson({ found, snapshot, error }: TableRow): object {
  const { target, pipeline } = found
  return {
    table: target.table,
    pipeline: pipeline.name,
    stream: target.stream,
    root: target.root,
    mode: modeOf(found, snapshot),
    version: snapshot?.version ?? null,
    rowCount: snapshot?.rowCount ?? null,
    fileCount: snapshot?.fileCount ?? null,
    sizeBytes: snapshot?.sizeBytes ?? null,
    lastCommitAt: timeJson(snapshot?.timestampMicros ?? null),
    error,
  }
}
