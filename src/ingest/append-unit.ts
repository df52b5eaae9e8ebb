/**
 * Stages a unit whose records cannot meet earlier rows: append tables, and rows of an initial copy.
 */

import type { RawFormat } from '../contracts/index.ts'
import { CHANGE_OP, CHANGE_POSITION, changeSql, OP_CODES } from '../decode/index.ts'
import type { Session } from '../engine/index.ts'
import { assert, SluiceError, type StagedFile, userColumns } from '../model/index.ts'
import { type LaneContext, timed } from './lane-context.ts'
import { rejecting } from './rejecting.ts'
import { landedBytes, rowGroupRows } from './row-groups.ts'
import { CHANGE_TABLE, insertsOnlySql } from './stage-sql.ts'
import { indexStaged, outputFolder, stageUnitRows } from './stager.ts'
import {
  onlySplitNumber,
  type PlacedSegment,
  type StagedUnit,
  splitSql,
  type Unit,
} from './unit.ts'

/**
 * Streams the landed records straight into Parquet; for keyed tables the index learns their places.
 */
export async function stageAppend(
  context: LaneContext,
  unit: Unit,
  removeAllFiles: boolean,
): Promise<StagedUnit> {
  await using session = await context.engine.session()
  const { result, rejects } = await rejecting(context, unit, session, async (segments) => {
    const { from, truncates } = await landedRows(context, session, unit, segments)
    const add = await timed(context.clock, unit.timingsMs, 'stage', () =>
      writeRows(context, session, unit, from),
    )
    return { add, truncates }
  })
  const { add } = result
  const removesAll = removeAllFiles || result.truncates
  context.failpoints.hit('staged')
  const rejected = rejects?.count ?? 0
  const written = add.reduce((sum, file) => sum + file.statistics.recordCount, 0)
  checkCount(context, unit, written, rejected)
  if (context.target.mode === 'upsert') {
    if (removeAllFiles) await context.index.clear()
    await timed(context.clock, unit.timingsMs, 'index', () =>
      indexStaged(context, unit.schema, session, add),
    )
  }
  return {
    unit,
    add,
    deletes: [],
    removeAllFiles: removesAll,
    accounting: {
      read: unit.recordCount,
      applied: written,
      superseded: 0,
      filtered: unit.recordCount - written - rejected,
      late: 0,
      rejected,
      inserted: written,
      updated: 0,
      deleted: 0,
    },
    tombstones: [],
    rejects,
  }
}

function writeRows(
  context: LaneContext,
  session: Session,
  unit: Unit,
  from: string,
): Promise<readonly StagedFile[]> {
  if (unit.segments.length === 0) return Promise.resolve([])
  return stageUnitRows(context, unit, session, {
    split: splitSql(unit),
    from,
    rowGroupRows: rowGroupRows(context, {
      count: unit.recordCount,
      sizeBytes: landedBytes(unit),
    }),
    position: CHANGE_POSITION,
    folder: outputFolder(context, unit),
    uniqueName: context.clock.uuid(),
  })
}

/** Formats with records that are no row of an append table. */
const TELLS_OF_NO_ROW: ReadonlySet<RawFormat> = new Set(['copy-text', 'debezium-json'])

/**
 * One record is one row: a line that holds two objects, or none, must not change the numbering.
 */
function checkCount(context: LaneContext, unit: Unit, written: number, rejected: number): void {
  const isWhole = unit.segments.every(({ format }) => !TELLS_OF_NO_ROW.has(format))
  const hasDeletes = unit.segments.some(({ marks }) => (marks?.deletes ?? null) !== null)
  const mayFilter = context.target.deleteWhen !== null || hasDeletes
  const wanted = unit.recordCount - rejected
  const fits = written === wanted || (written < wanted && mayFilter)
  assert(
    fits || !isWhole,
    'SLU-ING-4003',
    `${wanted} records of ${context.target.stream} hold ${written} rows`,
  )
}

/** What is to be written. */
interface LandedRows {
  readonly from: string
  /** The rows follow a truncate: nothing of before stays. */
  readonly truncates: boolean
}

/**
 * Rows of a table whose mode nobody chose must equal the stream's: a truncate empties it, and what
 * only a key could apply is refused. Every other append table keeps what comes.
 */
async function landedRows(
  context: LaneContext,
  session: Session,
  unit: Unit,
  segments: readonly PlacedSegment[],
): Promise<LandedRows> {
  const { target } = context
  const takesAll = !target.isModeOpen || target.mode === 'upsert' || unit.header.copy !== null
  if (takesAll || unit.segments.length === 0) {
    return { from: landedRelation(context, unit, segments), truncates: false }
  }
  const found = await timed(context.clock, unit.timingsMs, 'decode', async () => {
    const landed = landedRelation(context, unit, segments, true)
    await session.run(`CREATE OR REPLACE TEMP TABLE ${CHANGE_TABLE} AS FROM ${landed}`)
    return await session.query(insertsOnlySql())
  })
  const [refused, lastTruncate] = found.rows[0] ?? []
  if (refused !== null && refused !== undefined) {
    throw new SluiceError('SLU-ING-4014', {
      message: `${target.stream} has no key, and a row of it was changed at position ${refused}`,
      context: { stream: target.stream, table: target.table, position: String(refused) },
    })
  }
  if (lastTruncate === null || lastTruncate === undefined) {
    return { from: `${CHANGE_TABLE} WHERE ${IS_ROW}`, truncates: false }
  }
  return { from: `${CHANGE_TABLE} WHERE ${IS_ROW} AND rowid > ${lastTruncate}`, truncates: true }
}

const IS_ROW = `${CHANGE_OP} NOT IN (${OP_CODES.delete}, ${OP_CODES.truncate}, ${OP_CODES.none})`

/** Inserted and updated rows of all segments; deletes and truncates have no row to append. */
function landedRelation(
  context: LaneContext,
  unit: Unit,
  segments: readonly PlacedSegment[],
  withAll = false,
): string {
  const parts = segments.map((segment) => {
    assert(
      segment.partialCount === 0 || withAll,
      'SLU-ING-4009',
      `${segment.schema.stream} sends updates without all columns, ` +
        'which an append table cannot complete',
    )
    return changeSql({
      segment,
      columns: userColumns(unit.schema),
      places: segment.places,
      initials: segment.initials,
      withMasks: false,
      split: onlySplitNumber(unit),
      deleteWhen: context.target.deleteWhen,
    })
  })
  const filter = context.target.mode === 'append' && !withAll ? ` WHERE ${IS_ROW}` : ''
  return `(${parts.map((part) => `(${part})`).join('\nUNION ALL\n')}) AS landed${filter}`
}
