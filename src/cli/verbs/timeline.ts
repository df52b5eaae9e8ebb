/** `sluice timeline TABLE`: commits, newest first, in three zooms. */

import type { TimelineEntry } from '../../model/index.ts'
import { msFromMicros } from '../../model/index.ts'
import { type FoundTable, findTable, openTable, type VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { countText, durationText, positionText, sizeText, timeText, UNKNOWN } from '../format.ts'
import { entryJson } from './entry-json.ts'

/** Options of the command. */
export interface TimelineOptions {
  readonly limit: number
  readonly compact?: boolean
  readonly full?: boolean
}

/**
 * Lists commits: one line each, runs of equal kind as one line (compact), or with every detail
 * (full).
 */
export async function timelineVerb(
  context: VerbContext,
  name: string,
  options: TimelineOptions,
): Promise<number> {
  await using runtime = await context.openRuntime()
  const found = findTable(runtime.config, name)
  await using table = await openTable(runtime, found)
  const entries = await table.timeline({ limit: options.limit })
  const { output } = context
  output.document('timeline', { table: found.target.table, commits: entries.map(entryJson) })
  if (options.compact === true) drawCompact(context, entries)
  else drawLines(context, entries, found, options.full === true)
  const oldest = entries.at(-1)
  if (oldest !== undefined && oldest.version > 0n && entries.length === options.limit) {
    output.note(`… older commits: --limit ${options.limit * 10}`)
  }
  return EXIT.ok
}

/** Total of the recorded steps; null when the writer recorded none. */
export function totalMs(entry: TimelineEntry): number | null {
  const steps = Object.values(entry.stepTimingsMs)
  return steps.length === 0 ? null : steps.reduce((sum, ms) => sum + ms, 0)
}

function drawLines(
  context: VerbContext,
  entries: readonly TimelineEntry[],
  found: FoundTable,
  isFull: boolean,
): void {
  const more = isFull
    ? ([
        { title: 'vectors', align: 'right' },
        { title: 'read', align: 'right' },
        { title: 'superseded', align: 'right' },
        { title: 'rejected', align: 'right' },
        { title: 'batch', align: 'right' },
        { title: 'writer', align: 'left' },
        { title: 'engine operation', align: 'left' },
      ] as const)
    : []
  context.output.table(
    [
      { title: 'version', align: 'right' },
      { title: 'time', align: 'left' },
      { title: 'kind', align: 'left' },
      { title: '+rows', align: 'right' },
      { title: '~rows', align: 'right' },
      { title: '-rows', align: 'right' },
      { title: 'files', align: 'right' },
      { title: 'size', align: 'right' },
      { title: 'up to', align: 'right' },
      { title: 'took', align: 'right' },
      ...more,
    ],
    entries.map((entry) => [
      entry.version.toString(),
      timeText(entry.timestampMicros),
      entry.operation,
      ...rowCounts(entry),
      `+${entry.addedFiles} -${entry.removedFiles}`,
      sizeText(entry.addedBytes),
      positionText(entry.cursors[0]?.nextPosition ?? null, found.sourceType),
      durationText(totalMs(entry)),
      ...(isFull ? fullCells(entry) : []),
    ]),
  )
}

/** Inserted, updated, deleted; a writer without accounting tells only rows added and hidden. */
function rowCounts(entry: TimelineEntry): readonly string[] {
  const { accounting } = entry
  if (accounting === null) {
    return [countText(entry.addedRows), UNKNOWN, countText(entry.deletedRows)]
  }
  return [accounting.inserted, accounting.updated, accounting.deleted].map(countText)
}

function fullCells(entry: TimelineEntry): readonly string[] {
  return [
    countText(entry.deletionVectors),
    countText(entry.accounting?.read ?? null),
    countText(entry.accounting?.superseded ?? null),
    countText(entry.accounting?.rejected ?? null),
    entry.cursors[0]?.batchNumber.toString() ?? UNKNOWN,
    entry.writer ?? UNKNOWN,
    entry.operationName,
  ]
}

interface Run {
  readonly operation: string
  readonly newest: TimelineEntry
  readonly oldest: TimelineEntry
  readonly count: number
  readonly addedRows: number
  readonly deletedRows: number
  readonly addedBytes: number
}

/** Neighbouring commits of one kind become one run. */
export function groupRuns(entries: readonly TimelineEntry[]): readonly Run[] {
  const runs: Run[] = []
  for (const entry of entries) {
    const last = runs.at(-1)
    const { operation, addedRows, deletedRows, addedBytes } = entry
    if (last?.operation !== operation) {
      const newest = { newest: entry, oldest: entry, count: 1 }
      runs.push({ operation, ...newest, addedRows, deletedRows, addedBytes })
      continue
    }
    runs[runs.length - 1] = {
      ...last,
      oldest: entry,
      count: last.count + 1,
      addedRows: last.addedRows + addedRows,
      deletedRows: last.deletedRows + deletedRows,
      addedBytes: last.addedBytes + addedBytes,
    }
  }
  return runs
}

function drawCompact(context: VerbContext, entries: readonly TimelineEntry[]): void {
  context.output.table(
    [
      { title: 'versions', align: 'right' },
      { title: 'kind', align: 'left' },
      { title: 'commits', align: 'right' },
      { title: 'until', align: 'left' },
      { title: 'within', align: 'right' },
      { title: 'rows written', align: 'right' },
      { title: 'rows hidden', align: 'right' },
      { title: 'size', align: 'right' },
    ],
    groupRuns(entries).map((run) => [
      run.count === 1 ? `${run.newest.version}` : `${run.oldest.version}..${run.newest.version}`,
      run.operation,
      countText(run.count),
      timeText(run.newest.timestampMicros),
      durationText(
        msFromMicros(run.newest.timestampMicros) - msFromMicros(run.oldest.timestampMicros),
      ),
      countText(run.addedRows),
      countText(run.deletedRows),
      sizeText(run.addedBytes),
    ]),
  )
}
