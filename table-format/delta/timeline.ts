/** Commits as the timeline shows them. */

import type {
  CommitOperation,
  JsonObject,
  JsonValue,
  TimelineEntry,
} from '../../src/model/index.ts'
import type { AddAction, RemoveAction } from './actions.ts'
import { accountingFromJson } from './commit-info.ts'
import { cursorsIn } from './cursors.ts'
import type { LogCommit, TableLog } from './log.ts'
import { schemaOf } from './schema-json.ts'
import { recordCountOf } from './statistics.ts'

const OPERATIONS: ReadonlySet<string> = new Set<CommitOperation>([
  'create',
  'ingest',
  'copy',
  'schema',
  'truncate',
  'compact',
  'restore',
  'purge',
  'properties',
])

/** Entries newest first; ends early where the log ends. */
export async function readTimeline(
  log: TableLog,
  range: { readonly newest: bigint; readonly limit: number },
): Promise<readonly TimelineEntry[]> {
  const entries: TimelineEntry[] = []
  for (let version = range.newest; version >= 0n && entries.length < range.limit; version--) {
    const entry = await readEntry(log, version)
    if (entry === null) break
    entries.push(entry)
  }
  return entries
}

/** One entry; null when the log has none of that version. */
export async function readEntry(log: TableLog, version: bigint): Promise<TimelineEntry | null> {
  if (version < 0n) return null
  const commit = await log.readCommit(version)
  return commit === null ? null : entryOf(commit, await log.timestampMicros(commit))
}

function entryOf(commit: LogCommit, timestampMicros: bigint): TimelineEntry {
  const { version, actions } = commit
  const adds = actions.filter((action) => action.kind === 'add')
  const removes = actions.filter((action) => action.kind === 'remove')
  const removedPaths = new Map(removes.map((action) => [action.path, action]))
  const addedPaths = new Set(adds.map((action) => action.path))
  const added = adds.filter((action) => !removedPaths.has(action.path))
  const removed = removes.filter((action) => !addedPaths.has(action.path))
  const info = actions.find((action) => action.kind === 'commitInfo')?.content ?? {}
  const metadata = actions.findLast((action) => action.kind === 'metaData')
  const own = objectOf(info.sluice)
  const operation = textOf(own?.operation)
  return {
    version,
    timestampMicros,
    operation: OPERATIONS.has(operation) ? (operation as CommitOperation) : 'foreign',
    operationName: textOf(info.operation),
    writer: typeof info.engineInfo === 'string' ? info.engineInfo : null,
    addedFiles: added.length,
    removedFiles: removed.length,
    addedBytes: sum(added, (action) => action.sizeBytes),
    addedRows: sum(added, liveRows),
    deletedRows: deletedRowsOf(info, { adds, removedPaths }),
    deletionVectors: adds.filter((action) => action.deletionVector !== null).length,
    accounting: accountingFromJson(own?.accounting),
    cursors: cursorsIn(actions),
    stepTimingsMs: numbersOf(own?.stepTimingsMs),
    schema: () => (metadata === undefined ? null : schemaOf(metadata)),
    commitInfo: info,
  }
}

/** As the writer counted; for other writers, what the vectors of the commit tell. */
function deletedRowsOf(
  info: JsonObject,
  files: {
    readonly adds: readonly AddAction[]
    readonly removedPaths: ReadonlyMap<string, RemoveAction>
  },
): number {
  const counted = Number(objectOf(info.operationMetrics)?.numDeletedRows ?? Number.NaN)
  if (Number.isSafeInteger(counted)) return counted
  return sum(files.adds, (action) => {
    const before = files.removedPaths.get(action.path)
    if (before === undefined) return 0
    return (action.deletionVector?.cardinality ?? 0) - (before.deletionVector?.cardinality ?? 0)
  })
}

function liveRows(action: AddAction): number {
  const records = recordCountOf(action.statsJson) ?? 0
  return Math.max(0, records - (action.deletionVector?.cardinality ?? 0))
}

function sum<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((total, item) => total + amount(item), 0)
}

function objectOf(value: JsonValue | undefined): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : null
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : ''
}

function numbersOf(value: JsonValue | undefined): Readonly<Record<string, number>> {
  const entries = Object.entries(objectOf(value) ?? {}).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  )
  return Object.fromEntries(entries)
}
