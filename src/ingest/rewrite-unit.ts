/**
 * Writes rows of a table again, under a new schema: what a growing type asks for, since files of
 * the narrower type would need a reader feature that not every engine has; and a new column that
 * has a value in the rows there are, since readers see NULL in files that lack it.
 */

import type { Snapshot } from '../contracts/index.ts'
import { initialValue } from '../decode/index.ts'
import { duckType, identifier, literal, type Session } from '../engine/index.ts'
import {
  isSluiceError,
  POSITION_COLUMN,
  SluiceError,
  SPLIT_COLUMN,
  type StagedFile,
  userColumns,
} from '../model/index.ts'
import { type LaneContext, timed } from './lane-context.ts'
import { fileSize, rowGroupRows } from './row-groups.ts'
import { indexStaged, outputFolder, stageUnitRows } from './stager.ts'
import { emptyStagedUnit, type StagedUnit, type Unit } from './unit.ts'

const NAMED_TABLE = 'named'

/** Which rows of a file: those named, or all but those. Each list ascending. */
export type RowChoice = { readonly only: Uint32Array } | { readonly without: Uint32Array }

/** Stages every live row of the snapshot under the unit's schema; the index learns the places. */
export async function stageRewrite(
  context: LaneContext,
  unit: Unit,
  snapshot: Snapshot,
): Promise<StagedUnit> {
  await using session = await context.engine.session()
  const add: StagedFile[] = []
  for (const file of snapshot.files()) {
    const without = await context.table.deletedRows(file)
    const url = context.table.readUrl(file)
    const staged = await rewriteRows(context, unit, session, url, { without })
    if (context.target.mode === 'upsert') {
      await indexStaged(context, unit.schema, session, staged)
    }
    add.push(...staged)
  }
  context.failpoints.hit('staged')
  return { ...emptyStagedUnit(unit), add, removeAllFiles: true }
}

/**
 * Stages rows of one file under the unit's schema, in their order where the table has no
 * partitions. One file at a time: memory and spool stay small.
 */
export async function rewriteRows(
  context: LaneContext,
  unit: Unit,
  session: Session,
  url: string,
  choice: RowChoice,
): Promise<readonly StagedFile[]> {
  const rows = 'only' in choice ? choice.only : choice.without
  await session.run(`CREATE OR REPLACE TEMP TABLE ${NAMED_TABLE} ("row" UINTEGER)`)
  if (rows.length > 0) await session.append(NAMED_TABLE, [rows], rows.length)
  const from = await chosenRows(session, unit, url, 'only' in choice ? 'SEMI' : 'ANTI')
  const { count, sizeBytes } = await fileSize(session, url)
  const groupRows = rowGroupRows(context, { count, sizeBytes })
  try {
    return await timed(context.clock, unit.timingsMs, 'stage', () =>
      stageUnitRows(context, unit, session, {
        split: SPLIT_COLUMN,
        from,
        rowGroupRows: groupRows,
        position: POSITION_COLUMN,
        folder: `${outputFolder(context, unit)}.rewrite`,
        uniqueName: context.clock.uuid(),
      }),
    )
  } catch (error) {
    throw initialFailure(error, context, unit)
  }
}

/** The rows were stored before, so only a value that is new in them can fail to be. */
function initialFailure(error: unknown, { target }: LaneContext, { initials }: Unit): unknown {
  if (!isSluiceError(error, 'SLU-ENG-7002') || initials.size === 0) return error
  const names = [...initials.values()].map(({ name }) => name).join(', ')
  return new SluiceError('SLU-ING-4003', {
    message:
      `${target.stream} got ${names} with a default that rows of ${target.table} cannot hold: ` +
      error.message,
    context: { stream: target.stream, table: target.table },
    cause: error,
  })
}

/** Rows with or without a name in `NAMED_TABLE`; columns that the file lacks have their initial. */
async function chosenRows(
  session: Session,
  unit: Unit,
  url: string,
  join: 'SEMI' | 'ANTI',
): Promise<string> {
  const file = `read_parquet(${literal(url)}, file_row_number = true)`
  const described = await session.query(`SELECT column_name FROM (DESCRIBE SELECT * FROM ${file})`)
  const present = new Set(described.rows.map(([name]) => String(name)))
  const columns = userColumns(unit.schema).map(({ fieldId, name, physicalName, type }) => {
    const initial = unit.initials.get(fieldId)
    if (initial !== undefined && !present.has(physicalName)) {
      return `${initialValue(initial, type)} AS ${identifier(name)}`
    }
    const value = present.has(physicalName) ? `stored.${identifier(physicalName)}` : 'NULL'
    return `CAST(${value} AS ${duckType(type)}) AS ${identifier(name)}`
  })
  return `(SELECT ${[...columns, SPLIT_COLUMN, POSITION_COLUMN].join(', ')} FROM ${file} AS stored
    ${join} JOIN ${NAMED_TABLE} ON ${NAMED_TABLE}."row" = stored.file_row_number) AS chosen`
}
