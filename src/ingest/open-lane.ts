/** Opens or creates a lane's table and rebuilds its key index from the newest snapshot. */

import type { Snapshot, Table, TableFormat, TableTarget } from '../contracts/index.ts'
import { literal, type Session } from '../engine/index.ts'
import { type DataFile, SluiceError, type StreamSchema } from '../model/index.ts'
import { isResumable, ownCursors } from './cursors.ts'
import { createLane, type Lane } from './lane.ts'
import { type LaneContext, orderingColumn } from './lane-context.ts'
import { createScratch } from './scratch.ts'
import { indexFile } from './stager.ts'
import { createTableSchema } from './table-schema.ts'
import { restoreTombstones } from './tombstones.ts'

/** A table and the target as it holds for it. */
export interface OpenTarget {
  readonly table: Table
  readonly target: TableTarget
}

/**
 * Opens the table at the target's root, creating it for the stream's schema when there is none. An
 * open mode is settled: by the table, or by the key of the stream before there is one.
 */
export async function openTargetTable(
  format: TableFormat,
  context: Pick<LaneContext, 'target' | 'pipeline'>,
  stream: StreamSchema,
): Promise<OpenTarget> {
  const existing = await format.open(context.target.root)
  const key =
    existing === null ? (context.target.key ?? stream.key) : (await existing.latest()).schema.key
  const target: TableTarget =
    context.target.isModeOpen && key.length === 0
      ? { ...context.target, mode: 'append' }
      : context.target
  if (existing !== null) return { table: existing, target }
  const table = await format.create(target.root, {
    name: target.table,
    schema: createTableSchema(stream, target),
    properties: {
      ...target.properties,
      'sluice.pipeline': context.pipeline,
      'sluice.stream': target.stream,
    },
    details: { pipeline: context.pipeline, stream: target.stream },
  })
  return { table, target }
}

/** Checks that the table is this pipeline's, fills the index, and makes the lane. */
export async function openLane(context: LaneContext, signal: AbortSignal): Promise<Lane> {
  const found = await context.table.latest()
  checkOwner(context, found)
  const snapshot = await withProperties(context, found)
  if (context.target.mode === 'upsert') await rebuildIndex(context, snapshot, signal)
  return createLane(context, snapshot)
}

/**
 * The snapshot with the properties that the target asks for; a commit sets what differs. Throws
 * SLU-ING-4007.
 */
async function withProperties(
  { table, target }: LaneContext,
  snapshot: Snapshot,
): Promise<Snapshot> {
  const wanted = Object.entries(target.properties ?? {})
  const differing = wanted.filter(([name, value]) => snapshot.properties[name] !== value)
  if (differing.length === 0) return snapshot
  const outcome = await table.commit({
    base: snapshot,
    operation: 'properties',
    pipeline: null,
    cursors: [],
    add: [],
    deletes: [],
    removeAllFiles: false,
    schema: null,
    properties: Object.fromEntries(differing),
    accounting: null,
    stepTimingsMs: {},
    details: {},
  })
  if (outcome.kind === 'committed') return outcome.snapshot
  throw new SluiceError('SLU-ING-4007', {
    message: `another writer changed ${target.table} while its properties were set`,
    context: { table: target.table },
  })
}

function checkOwner(context: LaneContext, snapshot: Snapshot): void {
  const { target, pipeline } = context
  const owner = snapshot.properties['sluice.pipeline']
  const stream = snapshot.properties['sluice.stream']
  if (owner !== pipeline || stream !== target.stream) {
    const whose =
      owner === undefined
        ? 'was not made by Sluice'
        : `belongs to pipeline ${owner}, stream ${stream}`
    throw new SluiceError('SLU-ING-4006', {
      message: `table ${target.table} at ${target.root} ${whose}`,
      context: { table: target.table, root: target.root },
    })
  }
  const wanted = target.mode === 'append' ? [] : target.key
  const isKeyed = snapshot.schema.key.length > 0
  const differs =
    (target.mode === 'upsert') !== isKeyed ||
    (wanted !== null && wanted.join('\0') !== snapshot.schema.key.join('\0')) ||
    target.partitionBy.join('\0') !== snapshot.schema.partitionBy.join('\0')
  if (differs) {
    throw new SluiceError('SLU-ING-4006', {
      message:
        `table ${target.table} exists with key (${snapshot.schema.key.join(', ')}) and ` +
        `partitions (${snapshot.schema.partitionBy.join(', ')}), not as configured`,
      remedy: 'Set key, mode and partitionBy back, or give the table a new name.',
      context: { table: target.table },
    })
  }
}

/** Files read at once: one keeps the engine busy while the other's keys are put. */
const REBUILD_FILES_AT_ONCE = 2

async function rebuildIndex(
  context: LaneContext,
  snapshot: Snapshot,
  signal: AbortSignal,
): Promise<void> {
  const cursors = [...ownCursors(context, snapshot).values()]
  // An incomplete copy that cannot go on is thrown away: its keys are of no use.
  if (cursors.some((cursor) => cursor.phase === 'copy' && !isResumable(context, cursor))) return
  const files = snapshot.files()[Symbol.iterator]()
  await Promise.all(
    Array.from({ length: REBUILD_FILES_AT_ONCE }, () =>
      indexFiles(context, snapshot, files, signal),
    ),
  )
  if (context.target.orderingColumn !== null) {
    const { table, index, clock, tombstoneTtlMs } = context
    await restoreTombstones(table, index, clock.nowMs(), tombstoneTtlMs)
  }
}

async function indexFiles(
  context: LaneContext,
  snapshot: Snapshot,
  files: Iterator<DataFile>,
  signal: AbortSignal,
): Promise<void> {
  await using session = await context.engine.session()
  const scratch = createScratch()
  for (let next = files.next(); !next.done && !signal.aborted; next = files.next()) {
    const file = next.value
    const url = context.table.readUrl(file)
    await context.table.checkFiles([file])
    const rowCount = file.statistics?.recordCount ?? (await countRows(session, url))
    await indexFile({
      session,
      schema: snapshot.schema,
      ordering: orderingColumn(context, snapshot.schema),
      url,
      ordinal: context.ordinals.ordinalOf(file.path),
      rowCount,
      deletedRows: await context.table.deletedRows(file),
      index: context.index,
      scratch,
    })
  }
}

async function countRows(session: Session, url: string): Promise<number> {
  const found = await session.query(`SELECT num_rows FROM parquet_file_metadata(${literal(url)})`)
  return Number(found.rows[0]?.[0])
}
