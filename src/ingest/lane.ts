/** One table of a pipeline: units go in, in batch order, and end as commits, in the same order. */

import type { CursorMove, Snapshot } from '../contracts/index.ts'
import type { LandedSegment } from '../decode/index.ts'
import {
  type ColumnOrigin,
  type CommitOperation,
  type Cursor,
  type JsonObject,
  onlyCursor,
  type SchemaChange,
  SluiceError,
  type SourceColumn,
  type SourcePosition,
  type SplitId,
  type TableSchema,
} from '../model/index.ts'
import { createCommitParts } from './commit-parts.ts'
import { countBatch, movesOf, ownCursors } from './cursors.ts'
import { followSchema } from './follow-schema.ts'
import { stageGrowth } from './growth.ts'
import { type LaneContext, timed } from './lane-context.ts'
import { measureCommit } from './measure.ts'
import { isCopyRequest, isCopyRequested, recopyCursor, requestCopy } from './recopy.ts'
import { afterBoth, createStaging } from './staging.ts'
import { tombstoneDetails } from './tombstones.ts'
import {
  type BatchHeader,
  countRecords,
  type Initials,
  type PlacedSegment,
  type StagedRejects,
  type StagedUnit,
  type Unit,
} from './unit.ts'

/** What a lane tells about itself. */
export interface LaneStatus {
  readonly version: bigint
  readonly rowCount: bigint | null
  readonly fileCount: number
  readonly sizeBytes: number
  readonly commits: number
  readonly rowsApplied: number
  readonly rowsRejected: number
  readonly lastSourceTimeMicros: bigint | null
}

/** One table at work. */
export interface Lane {
  readonly context: LaneContext
  /** The cursors that are durable in the table; none before its first commit. */
  readonly cursors: ReadonlyMap<SplitId, Cursor>
  /**
   * Changes of the split from here on are needed when it is read again; null when none is, or when
   * the table will be copied from empty then.
   */
  neededPosition(split: SplitId): SourcePosition | null
  /** The columns of the stream that the table has, those that are gone left out. */
  readonly origins: readonly ColumnOrigin[]
  readonly status: LaneStatus
  /**
   * Plans a unit now and resolves when it is committed. Units of one lane commit in call order;
   * decoding and staging of later ones overlap with the commits of earlier ones. After a rejection
   * the lane is unusable. A part that does not end its commit resolves when it is staged; the
   * part that does makes one commit of them all.
   */
  submit(header: BatchHeader, segments: readonly LandedSegment[]): Promise<void>
  /** Before the first unit: stores that the table is to be copied again. */
  copyAgain(): Promise<void>
}

/** What the last submitted unit will have made of the table. */
interface Planned {
  schema: TableSchema
  readonly cursors: Map<SplitId, Cursor>
  isEmpty: boolean
  /** Parts of the next commit are planned already. */
  isMidCommit: boolean
  /**
   * A type grew in one of them, or a column came that has a value in rows of before: files of the
   * table and of earlier parts must be written again.
   */
  growsMidCommit: boolean
  /** Of the columns that came in one of them. */
  initials: Initials
  /** A copy began from empty, and no record has come since: the next ones bring the columns. */
  takesShape: boolean
  /** Changes came since the copy began. */
  isChanged: boolean
}

/** Where the commits of a lane have come to. */
interface Committed {
  latest: Snapshot
  readonly cursors: Map<SplitId, Cursor>
  /** Split → the end of its first commit of this run, from when it is on its way. */
  readonly firstEnds: Map<SplitId, SourcePosition>
  commits: number
  rowsApplied: number
  rowsRejected: number
}

/** Makes a lane that goes on from `snapshot`, whose rows the index of the context already knows. */
export function createLane(context: LaneContext, snapshot: Snapshot): Lane {
  const cursors = ownCursors(context, snapshot)
  const counters = { commits: 0, rowsApplied: 0, rowsRejected: 0 }
  const state: Committed = { latest: snapshot, cursors, firstEnds: new Map(), ...counters }
  const planned = plannedFrom(snapshot, new Map(cursors))
  const staging = createStaging(context)
  const parts = createCommitParts()
  let commitTail: Promise<unknown> = Promise.resolve()
  /** A copy takes the place of a whole one: readers see that until the new one is complete. */
  let isReplacing = false

  async function commit(
    previous: Promise<unknown>,
    work: Promise<StagedUnit>,
    growth: readonly CursorMove[] | null = null,
  ): Promise<void> {
    const whole = parts.take(await afterBoth(previous, work))
    if (whole === null) {
      context.failpoints.hit('part-staged')
      return
    }
    const base = state.latest
    const grown = growth && (await stageGrowth(context, whole, { base, moves: growth }))
    if (grown?.rewrite) await commitNext(context, state, grown.rewrite)
    await commitNext(context, state, grown?.staged ?? whole.staged)
  }

  return {
    context,
    cursors,
    neededPosition: (split) => neededFrom(state, split),
    get origins() {
      return originsOf(planned.schema)
    },
    get status() {
      return statusOf(state)
    },
    submit: (header, segments) => {
      const restartsCopy = header.copy?.first === true && !planned.isEmpty
      isReplacing ||= restartsCopy && [...planned.cursors.values()].some(isCopyRequested)
      const isHeld = isReplacing && header.copy?.complete !== true
      if (!isHeld) isReplacing = false
      const own = { ...header, endsCommit: header.endsCommit && !isHeld }
      let units: PlannedUnits
      try {
        units = planUnit({ planned, context, restartsCopy }, own, segments)
      } catch (error) {
        const broken = failAfter(commitTail, error)
        commitTail = broken
        return broken
      }
      const { rewrite, unit, growth } = units
      if (own.endsCommit) noteFirstEnds(state, unit)
      if (rewrite !== null) {
        const base = commitTail.then(() => state.latest)
        commitTail = commit(commitTail, staging.rewrite(rewrite, base))
        commitTail.catch(() => undefined)
      }
      const committed = commit(commitTail, staging.stage(unit, restartsCopy), growth)
      if (growth !== null) staging.holdFor(committed)
      commitTail = committed
      committed.catch(() => undefined)
      return committed
    },
    copyAgain: () => requestCopyAgain(context, state, planned),
  }
}

/** What comes next stands on what could not be planned: it must never be committed. */
function failAfter(previous: Promise<unknown>, error: unknown): Promise<never> {
  const failed = previous.then(() => Promise.reject(error))
  failed.catch(() => undefined)
  return failed
}

async function requestCopyAgain(
  { table, pipeline }: LaneContext,
  state: Committed,
  planned: Planned,
): Promise<void> {
  const cursor = onlyCursor([...state.cursors.values()])
  if (cursor?.phase !== 'stream') return
  state.latest = await requestCopy({ table, pipeline, base: state.latest, cursor })
  const requested = recopyCursor(cursor)
  for (const { cursors } of [state, planned]) cursors.set(cursor.split, requested)
}

async function commitNext(
  context: LaneContext,
  state: Committed,
  staged: StagedUnit,
): Promise<void> {
  if (staged.rejects !== null) await commitRejects(context, staged.unit, staged.rejects)
  context.failpoints.hit('before-commit')
  state.latest = await commitStaged(context, state.latest, staged)
  for (const { to } of staged.unit.moves) state.cursors.set(to.split, to)
  state.commits++
  state.rowsApplied += staged.accounting.applied
  state.rowsRejected += staged.accounting.rejected
  context.failpoints.hit('committed')
}

function neededFrom({ cursors, firstEnds }: Committed, split: SplitId): SourcePosition | null {
  const cursor = cursors.get(split)
  const isAnew = cursor === undefined || isCopyRequested(cursor)
  return isAnew ? (firstEnds.get(split) ?? null) : cursor.nextPosition
}

function noteFirstEnds({ firstEnds }: Committed, { moves }: Unit): void {
  for (const { to } of moves) {
    if (!firstEnds.has(to.split)) firstEnds.set(to.split, to.nextPosition)
  }
}

function statusOf({ latest, cursors, firstEnds: _, ...counts }: Committed): LaneStatus {
  const times = [...cursors.values()].flatMap(({ sourceTimeMicros }) => sourceTimeMicros ?? [])
  return {
    version: latest.version,
    rowCount: latest.rowCount,
    fileCount: latest.fileCount,
    sizeBytes: latest.sizeBytes,
    lastSourceTimeMicros:
      times.length === 0 ? null : times.reduce((left, right) => (left > right ? left : right)),
    ...counts,
  }
}

function plannedFrom(snapshot: Snapshot, cursors: Map<SplitId, Cursor>): Planned {
  const { schema, fileCount } = snapshot
  const isEmpty = fileCount === 0
  const begun = { isMidCommit: false, growsMidCommit: false, takesShape: false, isChanged: true }
  return { schema, cursors, isEmpty, initials: new Map(), ...begun }
}

/** A unit, and what must be committed before it: the rows there are, in wider types. */
interface PlannedUnits {
  readonly rewrite: Unit | null
  readonly unit: Unit
  /**
   * Set when the unit ends a commit in parts in which a type grew: what the version before it, with
   * the rows there are, makes of the cursors.
   */
  readonly growth: readonly CursorMove[] | null
}

/** What a unit makes of the table's columns. */
interface FollowedUnit {
  readonly schema: TableSchema
  readonly schemaChanges: readonly SchemaChange[]
  readonly segments: readonly PlacedSegment[]
  /** Of the columns that are new. */
  readonly initials: Initials
}

function followSegments(
  { planned, context }: PlanRequest,
  landed: readonly LandedSegment[],
): FollowedUnit {
  let schema = planned.schema
  const schemaChanges: SchemaChange[] = []
  const steps = landed.map((segment) => {
    const followed = followSchema({
      table: schema,
      stream: segment.schema,
      target: context.target,
      position: segment.firstPosition,
      isEmptied: planned.takesShape,
    })
    schema = followed.schema
    schemaChanges.push(...followed.changes)
    return followed
  })
  const initials = new Map<number, SourceColumn>()
  const segments = landed.map((segment, index) => {
    const later = new Map(steps.slice(index + 1).flatMap((step) => [...step.initials]))
    const { places, initials: own } = steps[index] as (typeof steps)[number]
    for (const [fieldId, column] of own) initials.set(fieldId, column)
    return { ...segment, places, initials: later }
  })
  return { schema, schemaChanges, segments, initials }
}

interface PlanRequest {
  readonly planned: Planned
  readonly context: LaneContext
  readonly restartsCopy: boolean
}

/**
 * Decides schema and cursor of the next unit, in batch order. Throws what `followSchema` throws;
 * nothing is planned then.
 */
function planUnit(
  lane: PlanRequest,
  header: BatchHeader,
  landed: readonly LandedSegment[],
): PlannedUnits {
  const { planned, restartsCopy } = lane
  const { copy } = header
  if (copy?.first === true) planned.isChanged = false
  planned.takesShape ||= restartsCopy || (copy?.first === true && planned.isEmpty)
  const { schema, schemaChanges, segments, initials: own } = followSegments(lane, landed)
  const isWider = schemaChanges.some(({ kind }) => kind === 'widen')
  const rewritesRows = (isWider || own.size > 0) && !planned.takesShape
  let rewrite: Unit | null = null
  planned.growsMidCommit ||= rewritesRows && (planned.isMidCommit || !header.endsCommit)
  const isCopying = [...planned.cursors.values()].some(({ phase }) => phase === 'copy')
  const initials = new Map([...planned.initials, ...own])
  let growth: readonly CursorMove[] | null = null
  if (planned.growsMidCommit && header.endsCommit) {
    // The rows there are come first, in a version of their own.
    growth = countBatch(planned.cursors)
  } else if (
    rewritesRows &&
    planned.cursors.size > 0 &&
    !planned.isEmpty &&
    !planned.growsMidCommit
  ) {
    rewrite = {
      header: { ...header, endsCommit: true },
      segments: [],
      isCopying,
      meetsRows: false,
      recordCount: 0,
      moves: countBatch(planned.cursors),
      schema,
      schemaChanged: true,
      schemaChanges,
      initials,
      rewrites: true,
      timingsMs: {},
    }
    planned.schema = schema
  }
  const unit: Unit = {
    header,
    segments,
    recordCount: countRecords(segments),
    moves: movesOf(planned.cursors, header),
    isCopying,
    meetsRows: copy !== null && segments.length > 0 && (copy.resumed || planned.isChanged),
    schema,
    schemaChanged: schema !== planned.schema,
    schemaChanges: rewrite === null ? schemaChanges : [],
    initials,
    rewrites: false,
    timingsMs: {},
  }
  planned.schema = schema
  if (header.endsCommit) for (const { to } of unit.moves) planned.cursors.set(to.split, to)
  planned.isMidCommit = !header.endsCommit
  planned.growsMidCommit &&= !header.endsCommit
  planned.initials = header.endsCommit ? new Map() : initials
  planned.isEmpty = false
  if (segments.length > 0) planned.takesShape = false
  planned.isChanged ||= copy === null && segments.length > 0
  return { rewrite, unit, growth }
}

/** Before the table moves past them: a rejected record is in its table, or is read again. */
async function commitRejects(
  context: LaneContext,
  unit: Unit,
  rejects: StagedRejects,
): Promise<void> {
  const { ceiling, clock, deadLetters } = context
  const nowMs = clock.nowMs()
  ceiling.check(rejects.count, nowMs)
  if (rejects.files.length > 0) await deadLetters.commit(unit, rejects)
  ceiling.add(rejects.count, nowMs)
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
      cursors: unit.moves,
      add: staged.add,
      deletes: staged.deletes,
      removeAllFiles: staged.removeAllFiles,
      changesValues: unit.rewrites && unit.initials.size > 0,
      schema: unit.schemaChanged ? unit.schema : null,
      accounting: staged.accounting,
      stepTimingsMs: unit.timingsMs,
      details: {
        ...tombstoneDetails(staged.tombstones),
        ...schemaDetails(unit.schemaChanges),
        ...rejectDetails(staged.rejects),
      },
    }),
  )
  const { table } = context.target
  const countConflict = (cause: string): void => {
    const labels = { pipeline: context.pipeline, table, cause }
    context.telemetry.count('sluice_commit_conflicts_total', 1, labels)
  }
  switch (outcome.kind) {
    case 'committed':
      measureCommit(context, operationOf(staged), staged)
      return outcome.snapshot
    case 'fenced':
      if (isCopyRequest(outcome.expected, outcome.found)) {
        throw new SluiceError('SLU-ING-4015', {
          message: `${table} is to be copied again`,
          context: { table },
        })
      }
      countConflict('fenced')
      throw new SluiceError('SLU-ING-4001', {
        message:
          `the cursor of ${table} was moved by another instance of ` +
          `pipeline ${context.pipeline}`,
        context: {
          table,
          split: outcome.expected?.split ?? outcome.found?.split ?? null,
          expected: outcome.expected?.nextPosition ?? null,
          found: outcome.found?.nextPosition ?? null,
        },
      })
    case 'conflict':
      countConflict('writer')
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

function originsOf({ columns }: TableSchema): readonly ColumnOrigin[] {
  return columns.flatMap(({ origin }) => origin ?? [])
}

function schemaDetails(changes: readonly SchemaChange[]): JsonObject {
  return changes.length === 0 ? {} : { schemaChanges: changes.map((change) => ({ ...change })) }
}

function rejectDetails(rejects: StagedRejects | null): JsonObject {
  return rejects === null ? {} : { rejected: Object.fromEntries(rejects.counts) }
}

function operationOf(staged: StagedUnit): CommitOperation {
  if (staged.unit.rewrites) return 'schema'
  if (staged.unit.header.copy !== null) return 'copy'
  return staged.removeAllFiles ? 'truncate' : 'ingest'
}
