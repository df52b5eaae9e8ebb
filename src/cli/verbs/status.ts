/** `sluice status`: what each pipeline does now and how far its tables are. */

import type { Runtime } from '../../compose.ts'
import type { PipelineSettings, PipelineStatus, SourceWarning } from '../../contracts/index.ts'
import type { StreamNote } from '../../ingest/index.ts'
import { type Cursor, msFromMicros } from '../../model/index.ts'
import { readStatus } from '../../observe/index.ts'
import { type FoundTable, findPipelines, listTables, type VerbContext } from '../context.ts'
import { asSluiceError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { agoText, countText, durationText, positionText, UNKNOWN } from '../format.ts'
import { type RejectedSummary, summarizeRejected } from '../rejected-summary.ts'
import { cursorJson } from './cursor-json.ts'
import { copyJson, copyProgressText } from './live-text.ts'

interface TableState {
  readonly found: FoundTable
  readonly version: bigint | null
  readonly rowCount: bigint | null
  readonly cursors: readonly Cursor[]
  /** Null when nothing was rejected and nothing may be. */
  readonly rejected: RejectedSummary | null
  /** Why it is fed no more; null while it is. */
  readonly left: SourceWarning | null
  readonly error: { readonly code: string; readonly message: string } | null
}

interface PipelineView {
  readonly settings: PipelineSettings
  readonly isRunning: boolean
  /** Null when the pipeline never ran with this work folder. */
  readonly processId: number | null
  readonly status: PipelineStatus | null
  readonly tables: readonly TableState[]
}

/** What the process says while it lives, and what the tables say in any case. */
export async function statusVerb(context: VerbContext, name: string | undefined): Promise<number> {
  await using runtime = await context.openRuntime()
  const views: PipelineView[] = []
  for (const settings of findPipelines(runtime.config, name ?? null)) {
    views.push(await viewOf(context, runtime, settings))
  }
  const { output } = context
  const nowMs = context.host.clock.nowMs()
  output.document('status', { pipelines: views.map(viewJson) })
  output.table(
    [
      { title: 'pipeline', align: 'left' },
      { title: 'state', align: 'left' },
      { title: 'lag', align: 'right' },
      { title: 'rows/s', align: 'right' },
      { title: 'commits', align: 'right' },
      { title: 'last commit', align: 'right' },
      { title: 'pid', align: 'right' },
    ],
    views.map((view) => pipelineRow(view, nowMs)),
  )
  output.text('\n')
  output.table(
    [
      { title: 'table', align: 'left' },
      { title: 'rows', align: 'right' },
      { title: 'version', align: 'right' },
      { title: 'phase', align: 'left' },
      { title: 'complete up to', align: 'right' },
      { title: 'source time', align: 'right' },
      { title: 'rejected', align: 'left' },
    ],
    views.flatMap((view) => view.tables.map((table) => tableRow(view, table, nowMs))),
  )
  for (const view of views) noteErrors(context, view)
  const hasError = views.some((view) => view.tables.some((table) => table.error !== null))
  return hasError ? EXIT.partial : EXIT.ok
}

async function viewOf(
  context: VerbContext,
  runtime: Runtime,
  settings: PipelineSettings,
): Promise<PipelineView> {
  const written = readStatus(runtime.config.workFolder, settings.name)
  const tables: TableState[] = []
  const notes = await streamNotes(runtime, settings)
  for (const found of listTables(runtime.config)) {
    if (found.pipeline.name !== settings.name) continue
    const left = notes.get(found.target.stream)?.left ?? null
    tables.push({ ...(await tableState(context, runtime, found)), left })
  }
  const ended = written === null || ENDED.has(written.status.state)
  return {
    settings,
    isRunning: !ended && context.host.isAlive(written.processId),
    processId: written?.processId ?? null,
    status: written?.status ?? null,
    tables,
  }
}

/** Only streams that patterns chose come and go. */
async function streamNotes(
  runtime: Runtime,
  { name, selection }: PipelineSettings,
): Promise<ReadonlyMap<string, StreamNote>> {
  if (selection === null) return new Map()
  const { readStreamNotes } = await import('../../ingest/index.ts')
  return readStreamNotes(runtime.store, name)
}

const ENDED: ReadonlySet<string> = new Set([
  'stopped',
  'failed',
  'blocked_gap',
  'blocked_schema',
  'blocked_error',
])

async function tableState(
  { host }: VerbContext,
  runtime: Runtime,
  found: FoundTable,
): Promise<Omit<TableState, 'left'>> {
  const nothing = {
    found,
    version: null,
    rowCount: null,
    cursors: [],
    rejected: null,
    error: null,
  }
  try {
    const table = await runtime.format.open(found.target.root)
    if (table === null) return nothing
    await using opened = table
    const { version, rowCount, ...snapshot } = await opened.latest().then((latest) => ({
      version: latest.version,
      rowCount: latest.rowCount,
      cursors: latest.cursors(found.pipeline.name),
    }))
    const rejected = await summarizeRejected(runtime.format, found.target, host.clock.nowMs())
    const cursors = snapshot.cursors.map(({ cursor }) => cursor)
    return { found, version, rowCount, cursors, rejected, error: null }
  } catch (error) {
    const { code, message } = asSluiceError(error)
    return { ...nothing, error: { code, message } }
  }
}

/** The state that is true now: what a dead process wrote last is not. */
function stateOf(view: PipelineView): string {
  const { status } = view
  if (status === null) return 'not started'
  if (view.isRunning || ENDED.has(status.state)) return status.state
  return 'stopped (killed)'
}

function pipelineRow(view: PipelineView, nowMs: number): readonly string[] {
  const { status, isRunning } = view
  const live = isRunning ? status : null
  return [
    view.settings.name,
    stateOf(view),
    durationText(live?.lagMs ?? null),
    countText(live === null ? null : Math.round(live.rowsPerSecond)),
    countText(status?.commits ?? null),
    agoText(status?.lastCommitAtMs ?? null, nowMs),
    isRunning ? String(view.processId) : UNKNOWN,
  ]
}

function tableRow(view: PipelineView, table: TableState, nowMs: number): readonly string[] {
  const { found, cursors } = table
  const live = view.isRunning
    ? view.status?.tables.find((candidate) => candidate.table === found.target.table)
    : undefined
  const rate = view.status?.rowsPerSecond ?? 0
  const phase = live?.copy ? copyProgressText(live.copy, rate) : phaseText(cursors)
  return [
    found.target.table,
    countText(table.rowCount),
    table.version?.toString() ?? UNKNOWN,
    table.error?.code ?? (table.left === null ? phase : 'not fed'),
    placeText(cursors, found.sourceType),
    agoText(newestSourceMs(cursors), nowMs),
    rejectedText(table.rejected),
  ]
}

function phaseText(cursors: readonly Cursor[]): string {
  if (cursors.length === 0) return 'not begun'
  return cursors.some(({ phase }) => phase === 'copy') ? 'copy' : 'stream'
}

/** The position, or how many splits have one. */
function placeText(cursors: readonly Cursor[], sourceType: string | null): string {
  if (cursors.length > 1) return `in ${cursors.length} splits`
  return positionText(cursors[0]?.nextPosition ?? null, sourceType)
}

function newestSourceMs(cursors: readonly Cursor[]): number | null {
  const times = cursors.flatMap(({ sourceTimeMicros }) => sourceTimeMicros ?? [])
  if (times.length === 0) return null
  return msFromMicros(times.reduce((left, right) => (left > right ? left : right)))
}

/** `12, 3 in 1h: mistyped`; records that are not kept are counted for the hour alone. */
function rejectedText(rejected: RejectedSummary | null): string {
  if (rejected === null) return UNKNOWN
  const { kept, lastHour, newestCode } = rejected
  const recent = `${countText(lastHour)} in 1h`
  const counts = kept === null ? recent : `${countText(kept)}, ${recent}`
  return newestCode === null ? counts : `${counts}: ${newestCode}`
}

function noteErrors(context: VerbContext, view: PipelineView): void {
  const { lastError } = view.status ?? { lastError: null }
  if (lastError !== null) {
    const { code, message, remedy } = lastError
    context.output.note(`\n${view.settings.name}: ${code}  ${message}\n  remedy:  ${remedy}`)
  }
  const warnings = view.isRunning ? (view.status?.warnings ?? []) : []
  for (const { code, message, remedy } of warnings) {
    context.output.note(
      `\n${view.settings.name}: warning ${code}  ${message}\n  remedy:  ${remedy}`,
    )
  }
  for (const { found, left, error } of view.tables) {
    if (left !== null && !view.isRunning)
      context.output.note(`${found.target.table}: not fed  ${left.code}  ${left.message}`)
    if (error !== null)
      context.output.note(`${found.target.table}: ${error.code}  ${error.message}`)
  }
}

function viewJson(view: PipelineView): object {
  const { status, isRunning } = view
  return {
    pipeline: view.settings.name,
    state: stateOf(view),
    running: isRunning,
    processId: isRunning ? view.processId : null,
    lagMs: isRunning ? (status?.lagMs ?? null) : null,
    rowsPerSecond: isRunning ? (status?.rowsPerSecond ?? null) : null,
    commits: status?.commits ?? null,
    recordsRead: status?.recordsRead ?? null,
    splits: (status?.splits ?? []).map((one) => (isRunning ? one : { ...one, endPosition: null })),
    startedAt: isoOrNull(status?.startedAtMs),
    observedAt: isoOrNull(status?.observedAtMs),
    lastCommitAt: isoOrNull(status?.lastCommitAtMs),
    lastError: status?.lastError ?? null,
    warnings: isRunning ? (status?.warnings ?? []) : [],
    tables: view.tables.map(({ found, version, rowCount, cursors, rejected, left, error }) => ({
      table: found.target.table,
      stream: found.target.stream,
      version,
      rowCount,
      cursors: cursors.map(cursorJson),
      copy: copyOf(view, found),
      rejected: rejected === null ? null : rejectedJson(rejected),
      left,
      error,
    })),
  }
}

const rejectedJson = ({ kept, lastHour, newestCode, newestAtMs }: RejectedSummary): object => ({
  kept,
  lastHour,
  newestCode,
  newestAt: isoOrNull(newestAtMs),
})

function copyOf({ status, isRunning }: PipelineView, { target }: FoundTable): object | null {
  if (!isRunning || status === null) return null
  const copy = status.tables.find(({ table }) => table === target.table)?.copy ?? null
  return copy === null ? null : copyJson(copy, status.rowsPerSecond)
}

function isoOrNull(ms: number | null | undefined): string | null {
  return ms == null ? null : new Date(ms).toISOString()
}
