/**
 * The dead-letter table of a table: created at the first rejected record, and always one commit
 * ahead of the table's own commit of the same batch, never two.
 *
 * Its cursor names the batch of the table that it was written for. A life that ended between the
 * two commits leaves a cursor that is ahead of the table's; the next start takes that one commit
 * back before anything is read, so each rejected record is in the dead-letter table once, whatever
 * the next life makes of the record.
 */

import type {
  Clock,
  CursorMove,
  Snapshot,
  Table,
  TableFormat,
  TableTarget,
} from '../contracts/index.ts'
import { marksPlacesSql } from '../decode/index.ts'
import { literal } from '../engine/index.ts'
import {
  type Accounting,
  type Cursor,
  DEAD_LETTER_SCHEMA,
  deadLettersOf,
  msFromMicros,
  SluiceError,
} from '../model/index.ts'
import { ownCursors } from './cursors.ts'
import type { Failpoints } from './failpoints.ts'
import { REASON_SQL } from './isolate.ts'
import { type DeadLetterStage, type DeadLetters, REJECTED_TABLE } from './rejects.ts'
import { stageRows } from './stager.ts'
import { NO_RECORDS, onlySplitNumber, type StagedRejects, type Unit } from './unit.ts'

/** What a dead-letter table belongs to. */
export interface DeadLetterRequest {
  readonly format: TableFormat
  readonly pipeline: string
  readonly target: TableTarget
}

/** Opens what there is and takes back what a former life left unfinished. */
export async function openDeadLetters(
  request: DeadLetterRequest & { readonly clock: Clock; readonly failpoints: Failpoints },
  main: Snapshot,
): Promise<DeadLetters> {
  const { pipeline, clock, failpoints } = request
  let opened = await openDeadLetterTable(request)
  let latest = opened === null ? null : await settle(opened, main, pipeline)
  return {
    stage: async (stage) => {
      opened ??= await create(request)
      latest ??= await opened.latest()
      return stageRows({
        table: opened,
        session: stage.session,
        schema: DEAD_LETTER_SCHEMA,
        split: 'split_number',
        from: recordsSql(stage, clock),
        position: '"position"',
        compressionLevel: stage.compressionLevel,
        folder: stage.folder,
        uniqueName: clock.uuid(),
        onWritten: () => undefined,
      })
    },
    commit: async (unit, rejects) => {
      if (opened === null || latest === null) return
      failpoints.hit('before-dead-letters')
      const known = ownCursors({ pipeline }, latest)
      const files = rejects.files.map(({ path }) => path)
      const cursors = unit.moves.map(({ to }) => {
        const from = known.get(to.split) ?? null
        const identity = { table: main.tableId, batch: to.batchNumber.toString(), files }
        const batchNumber = (from?.batchNumber ?? 0n) + 1n
        return { from, to: { ...to, phase: 'stream' as const, batchNumber, identity } }
      })
      latest = await commitTo(opened, latest, { pipeline, cursors }, rejects)
      failpoints.hit('dead-letters-committed')
    },
    [Symbol.asyncDispose]: async () => {
      await opened?.[Symbol.asyncDispose]()
    },
  }
}

/**
 * Takes back the dead letters of a batch that the table never got; for commands that move the
 * table's cursor while its pipeline does not run.
 */
export async function settleDeadLetters(request: DeadLetterRequest, main: Snapshot): Promise<void> {
  const table = await openDeadLetterTable(request)
  if (table === null) return
  await using opened = table
  await settle(opened, main, request.pipeline)
}

/** When records of the table were rejected since a time, and how many; newest first. */
export async function rejectedSince(
  request: DeadLetterRequest,
  sinceMs: number,
): Promise<readonly { readonly atMs: number; readonly count: number }[]> {
  const table = await request.format.open(deadLettersOf(request.target.root))
  if (table === null) return []
  await using opened = table
  const entries = await opened.timeline({ limit: COMMITS_COUNTED_MAX })
  return entries
    .map(({ timestampMicros, accounting }) => ({
      atMs: msFromMicros(timestampMicros),
      count: accounting?.inserted ?? 0,
    }))
    .filter(({ atMs }) => atMs > sinceMs)
}

/** Commits of dead letters looked at for the ceiling when a pipeline starts. */
const COMMITS_COUNTED_MAX = 200

/** The dead-letter table; null when there is none. Throws SLU-ING-4006 for any other table. */
export async function openDeadLetterTable(request: DeadLetterRequest): Promise<Table | null> {
  const table = await request.format.open(deadLettersOf(request.target.root))
  if (table === null) return null
  const { properties } = await table.latest()
  const isOwn =
    properties['sluice.deadLettersOf'] === request.target.root &&
    properties['sluice.pipeline'] === request.pipeline
  if (isOwn) return table
  await table[Symbol.asyncDispose]()
  const name = deadLettersOf(request.target.table)
  throw new SluiceError('SLU-ING-4006', {
    message: `table ${name} at ${deadLettersOf(request.target.root)} is not the dead-letter table`,
    context: { table: name },
  })
}

async function create({ format, pipeline, target }: DeadLetterRequest): Promise<Table> {
  return format.create(deadLettersOf(target.root), {
    name: deadLettersOf(target.table),
    schema: DEAD_LETTER_SCHEMA,
    properties: {
      'sluice.pipeline': pipeline,
      'sluice.stream': target.stream,
      'sluice.deadLettersOf': target.root,
    },
    details: { pipeline, stream: target.stream, deadLettersOf: target.root },
  })
}

/**
 * When dead letters are of a batch that is not in the table: deletes them. The cursors then say
 * that every record rejected before the table's cursors is here.
 */
async function settle(table: Table, main: Snapshot, pipeline: string): Promise<Snapshot> {
  const snapshot = await table.latest()
  const done = ownCursors({ pipeline }, main)
  const ahead = [...ownCursors({ pipeline }, snapshot).values()].filter((cursor) =>
    isAhead(cursor, main.tableId, done.get(cursor.split)),
  )
  if (ahead.length === 0) return snapshot
  const paths = new Set(
    ahead.flatMap(({ identity: { files } }) => (Array.isArray(files) ? files.map(String) : [])),
  )
  const live = [...paths].flatMap((path) => snapshot.file(path) ?? [])
  const deletes = live.map(({ path, statistics }) => ({
    path,
    rows: Uint32Array.from({ length: statistics?.recordCount ?? 0 }, (_, row) => row),
  }))
  const cursors = ahead.map((from) => {
    const reached = done.get(from.split)
    const batch = (reached?.batchNumber ?? 0n).toString()
    const to: Cursor = {
      ...from,
      nextPosition: reached?.nextPosition ?? 0n,
      batchNumber: from.batchNumber + 1n,
      identity: { table: main.tableId, batch, files: [] },
    }
    return { from, to }
  })
  return commitTo(table, snapshot, { pipeline, cursors }, NO_REJECTS, deletes)
}

const NO_REJECTS: StagedRejects = { files: [], count: 0, counts: [] }

/** True when the dead letters of a split are of a batch that its table does not have. */
function isAhead(
  { identity: { batch, table }, nextPosition }: Cursor,
  tableId: string,
  done: Cursor | undefined,
): boolean {
  if (table !== tableId) return false
  const writtenFor = BigInt(String(batch))
  const reached = done?.batchNumber ?? 0n
  // A batch of that number that ends elsewhere is not the one: another writer moved the cursor.
  return writtenFor > reached || (writtenFor === reached && nextPosition !== done?.nextPosition)
}

async function commitTo(
  table: Table,
  base: Snapshot,
  move: { readonly pipeline: string; readonly cursors: readonly CursorMove[] },
  { files, count, counts }: StagedRejects,
  deletes: readonly { readonly path: string; readonly rows: Uint32Array }[] = [],
): Promise<Snapshot> {
  const accounting: Accounting = { ...NO_RECORDS, read: count, applied: count, inserted: count }
  const outcome = await table.commit({
    base,
    operation: 'ingest',
    pipeline: move.pipeline,
    cursors: move.cursors,
    add: files,
    deletes,
    removeAllFiles: false,
    schema: null,
    accounting,
    stepTimingsMs: {},
    details: {
      rejected: Object.fromEntries(counts),
      ...(deletes.length > 0 && { takenBack: true }),
    },
  })
  switch (outcome.kind) {
    case 'committed':
      return outcome.snapshot
    case 'fenced':
      throw new SluiceError('SLU-ING-4001', {
        message: `another instance of pipeline ${move.pipeline} wrote to ${table.root}`,
        context: { table: table.root },
      })
    case 'conflict':
      throw new SluiceError('SLU-ING-4007', {
        message: `another writer changed ${table.root}: ${outcome.reason}`,
        context: { table: table.root },
      })
    default: {
      const never: never = outcome
      return never
    }
  }
}

/** The rejected records as rows of `DEAD_LETTER_SCHEMA`, in their order. */
function recordsSql({ unit, isolation }: DeadLetterStage, clock: Clock): string {
  const segments = unit.segments
    .map(({ firstPosition, format }, number) => `(${number}, ${firstPosition}, '${format}')`)
    .join(', ')
  const splits = unit.moves
    .map(({ to }) => `(${to.splitNumber}, ${literal(to.split)}, ${to.batchNumber})`)
    .join(', ')
  return `(SELECT moved.split, coalesce(mark.position, first + rejected."row") AS position,
      file, line, code, column_name, ${REASON_SQL} AS reason,
      raw, format, batch, make_timestamptz(${clock.nowMs()} * 1000) AS rejected_at,
      moved.split_number
    FROM ${REJECTED_TABLE} AS rejected
    JOIN (${isolation.recordsSql}) AS record USING (segment, "row")
    JOIN (VALUES ${segments}) AS landed(segment, first, format) USING (segment)
    LEFT JOIN (${placesSql(unit)}) AS mark USING (segment, "row")
    JOIN (VALUES ${splits}) AS moved(split_number, split, batch)
      ON moved.split_number = coalesce(mark.split_number, ${onlySplitNumber(unit) ?? -1})
    ORDER BY segment, rejected."row") AS records`
}

/** Where the records of marked segments stand; no rows for others. */
function placesSql({ segments }: Unit): string {
  const selects = segments.flatMap(({ marks }, number) =>
    marks === undefined ? [] : [`SELECT ${number} AS segment, * FROM (${marksPlacesSql(marks)})`],
  )
  if (selects.length > 0) return selects.join(' UNION ALL ')
  return `SELECT 0 AS segment, 0 AS "row", 0 AS split_number, 0::BIGINT AS position WHERE false`
}
