/** One table of a pipeline: units go in, in batch order, and end as commits, in the same order. */

import type { Snapshot } from '../contracts/index.ts'
import type { LandedSegment } from '../decode/index.ts'
import { KeyGroups } from '../merge/index.ts'
import {
  type CommitOperation,
  type Cursor,
  SluiceError,
  type SourcePosition,
} from '../model/index.ts'
import { stageAppend } from './append-unit.ts'
import { type LaneContext, timed } from './lane-context.ts'
import { followSchemas } from './table-schema.ts'
import { type BatchHeader, countRecords, type StagedUnit, type Unit } from './unit.ts'
import { decodeUnit, stageUpsert } from './upsert-unit.ts'

/** What a lane tells about itself. */
export interface LaneStatus {
  readonly version: bigint
  readonly rowCount: bigint | null
  readonly commits: number
  readonly rowsApplied: number
  readonly lastSourceTimeMicros: bigint | null
}

/** One table at work. */
export interface Lane {
  readonly context: LaneContext
  /** The cursor that is durable in the table; null before its first commit. */
  readonly durableCursor: Cursor | null
  readonly status: LaneStatus
  /**
   * Plans a unit now and resolves when it is committed. Units of one lane commit in call order; decoding and
   * staging of later ones overlap with the commits of earlier ones. After a rejection the lane is unusable.
   */
  submit(header: BatchHeader, segments: readonly LandedSegment[]): Promise<void>
}

/** Makes a lane that goes on from `snapshot`, whose rows the index of the context already knows. */
export function createLane(context: LaneContext, snapshot: Snapshot): Lane {
  const groups = new KeyGroups()
  let latest = snapshot
  let durableCursor = ownCursor(context, snapshot)
  // What the last submitted unit will have made of the table.
  const planned = {
    schema: snapshot.schema,
    cursor: durableCursor,
    isEmpty: snapshot.fileCount === 0,
  }
  let stageTail: Promise<unknown> = Promise.resolve()
  let commitTail: Promise<unknown> = Promise.resolve()
  const counters = { commits: 0, rowsApplied: 0 }

  function plan(header: BatchHeader, segments: readonly LandedSegment[]): Unit {
    const schema = followSchemas(
      planned.schema,
      segments.map((segment) => segment.schema),
    )
    const to = nextCursor(planned.cursor, header)
    const unit: Unit = {
      header,
      segments,
      recordCount: countRecords(segments),
      from: planned.cursor,
      to,
      schema,
      schemaChanged: schema !== planned.schema,
      timingsMs: {},
    }
    planned.schema = schema
    planned.cursor = to
    return unit
  }

  function stage(unit: Unit): Promise<StagedUnit> {
    const restartsCopy = unit.header.copy?.first === true && !planned.isEmpty
    planned.isEmpty = false
    const isAppend = context.target.mode === 'append'
    if (isAppend && !restartsCopy) return stageAppend(context, unit, false)
    if (unit.header.copy !== null || isAppend) {
      const staged = stageTail.then(() => stageAppend(context, unit, restartsCopy))
      stageTail = staged
      return staged
    }
    const decoded = decodeUnit(context, unit)
    decoded.catch(() => undefined)
    const staged = stageTail.then(async () => {
      await using ready = await decoded
      return await stageUpsert(context, ready, groups)
    })
    stageTail = staged
    return staged
  }

  async function commit(staged: StagedUnit): Promise<void> {
    context.failpoints.hit('before-commit')
    latest = await commitStaged(context, latest, staged)
    durableCursor = staged.unit.to
    counters.commits++
    counters.rowsApplied += staged.accounting.applied
    context.failpoints.hit('committed')
  }

  return {
    context,
    get durableCursor() {
      return durableCursor
    },
    get status() {
      return {
        version: latest.version,
        rowCount: latest.rowCount,
        lastSourceTimeMicros: durableCursor?.sourceTimeMicros ?? null,
        ...counters,
      }
    },
    submit: (header, segments) => {
      const staged = stage(plan(header, segments))
      staged.catch(() => undefined)
      const committed = commitTail.then(async () => commit(await staged))
      commitTail = committed
      committed.catch(() => undefined)
      return committed
    },
  }
}

/** The cursor that this pipeline stored in the snapshot. */
export function ownCursor(context: LaneContext, snapshot: Snapshot): Cursor | null {
  return snapshot.cursors(context.pipeline)[0]?.cursor ?? null
}

/**
 * The position from which a table needs changes: its own cursor, or the floor when that is further.
 * An incomplete copy counts as not read.
 */
export function effectiveCursor(
  own: Cursor | null,
  floor: SourcePosition | undefined,
): Cursor | null {
  if (own === null || own.phase === 'copy' || floor === undefined) return own
  return floor > own.nextPosition ? { ...own, nextPosition: floor } : own
}

function nextCursor(from: Cursor | null, header: BatchHeader): Cursor {
  const { copy } = header
  return {
    split: header.split,
    splitNumber: header.splitNumber,
    nextPosition: header.nextPosition,
    phase: copy !== null && !copy.complete ? 'copy' : 'stream',
    identity: copy === null ? header.identity : { ...header.identity, copyAttempt: copy.attempt },
    batchNumber: (from?.batchNumber ?? 0n) + 1n,
    sourceTimeMicros: header.sourceTimeMicros ?? from?.sourceTimeMicros ?? null,
  }
}

async function commitStaged(
  context: LaneContext,
  base: Snapshot,
  staged: StagedUnit,
): Promise<Snapshot> {
  const { unit } = staged
  const outcome = await timed(context.clock, unit.timingsMs, 'commit', () =>
    context.table.commit({
      base,
      operation: operationOf(staged),
      pipeline: context.pipeline,
      cursors: [{ from: unit.from, to: unit.to }],
      add: staged.add,
      deletes: staged.deletes,
      removeAllFiles: staged.removeAllFiles,
      schema: unit.schemaChanged ? unit.schema : null,
      accounting: staged.accounting,
      stepTimingsMs: unit.timingsMs,
      details: staged.details,
    }),
  )
  const { table } = context.target
  switch (outcome.kind) {
    case 'committed':
      return outcome.snapshot
    case 'fenced':
      throw new SluiceError('SLU-ING-4001', {
        message: `the cursor of ${table} was moved by another instance of pipeline ${context.pipeline}`,
        context: {
          table,
          expected: outcome.expected?.nextPosition ?? null,
          found: outcome.found?.nextPosition ?? null,
        },
      })
    case 'conflict':
      throw new SluiceError('SLU-ING-4007', {
        message: `another writer changed ${table}: ${outcome.reason}`,
        context: { table, version: outcome.latest.version },
      })
    default: {
      const never: never = outcome
      return never
    }
  }
}

function operationOf(staged: StagedUnit): CommitOperation {
  if (staged.unit.header.copy !== null) return 'copy'
  return staged.removeAllFiles ? 'truncate' : 'ingest'
}
