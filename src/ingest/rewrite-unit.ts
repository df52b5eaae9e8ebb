/**
 * Writes the live rows of a table again, in the types of a new schema: what a growing type asks
 * for, since files of the narrower type would need a reader feature that not every engine has.
 */

import type { Snapshot } from '../contracts/index.ts'
import { duckType, identifier, literal, type Session } from '../engine/index.ts'
import {
  type DataFile,
  POSITION_COLUMN,
  SPLIT_COLUMN,
  type StagedFile,
  userColumns,
} from '../model/index.ts'
import { type LaneContext, timed } from './lane-context.ts'
import { indexStaged, outputFolder, stageRows } from './stager.ts'
import { emptyStagedUnit, type StagedUnit, type Unit } from './unit.ts'

const GONE_TABLE = 'gone'

/** Stages every live row of the snapshot under the unit's schema; the index learns the places. */
export async function stageRewrite(
  context: LaneContext,
  unit: Unit,
  snapshot: Snapshot,
): Promise<StagedUnit> {
  await using session = await context.engine.session()
  const add: StagedFile[] = []
  for (const file of snapshot.files()) {
    const staged = await timed(context.clock, unit.timingsMs, 'stage', () =>
      rewriteFile(context, unit, session, file),
    )
    if (context.target.mode === 'upsert') {
      await indexStaged(context, unit.schema, session, staged)
    }
    add.push(...staged)
  }
  context.failpoints.hit('staged')
  return { ...emptyStagedUnit(unit), add, removeAllFiles: true }
}

/** One file at a time: memory and spool stay small. */
async function rewriteFile(
  context: LaneContext,
  unit: Unit,
  session: Session,
  file: DataFile,
): Promise<readonly StagedFile[]> {
  const deletedRows = await context.table.deletedRows(file)
  await session.run(`CREATE OR REPLACE TEMP TABLE ${GONE_TABLE} ("row" UINTEGER)`)
  if (deletedRows.length > 0) await session.append(GONE_TABLE, [deletedRows], deletedRows.length)
  return stageRows({
    table: context.table,
    session,
    schema: unit.schema,
    split: SPLIT_COLUMN,
    from: await liveRows(session, unit, context.table.readUrl(file)),
    position: POSITION_COLUMN,
    compressionLevel: context.compressionLevel,
    folder: `${outputFolder(context, unit)}.rewrite`,
    uniqueName: context.clock.uuid(),
    onWritten: () => context.failpoints.hit('file-written'),
  })
}

/** The rows that `GONE_TABLE` does not name; columns from before the file's time are NULL. */
async function liveRows(session: Session, unit: Unit, url: string): Promise<string> {
  const file = `read_parquet(${literal(url)}, file_row_number = true)`
  const described = await session.query(`SELECT column_name FROM (DESCRIBE SELECT * FROM ${file})`)
  const present = new Set(described.rows.map(([name]) => String(name)))
  const columns = userColumns(unit.schema).map(({ name, physicalName, type }) => {
    const value = present.has(physicalName) ? `stored.${identifier(physicalName)}` : 'NULL'
    return `CAST(${value} AS ${duckType(type)}) AS ${identifier(name)}`
  })
  return `(SELECT ${[...columns, SPLIT_COLUMN, POSITION_COLUMN].join(', ')} FROM ${file} AS stored
    ANTI JOIN ${GONE_TABLE} ON ${GONE_TABLE}."row" = stored.file_row_number) AS live`
}
