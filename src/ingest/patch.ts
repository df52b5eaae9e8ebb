/** Fills the values that partial changes left out. */

import type { Session } from '../engine/index.ts'
import { literal } from '../engine/index.ts'
import { FROM_OLD_ROW, type ValuePatch } from '../merge/index.ts'
import { assert, type TableColumn } from '../model/index.ts'
import type { LaneContext } from './lane-context.ts'
import { PATCH_TABLE, patchFromChangesSql, patchFromFileSql } from './stage-sql.ts'

/** Applies the patches to the change relation of the session. */
export async function applyPatches(
  context: LaneContext,
  session: Session,
  columns: readonly TableColumn[],
  patches: readonly ValuePatch[],
): Promise<void> {
  for (const patch of patches) {
    const column = columns[patch.column] as TableColumn
    await session.run(
      `CREATE OR REPLACE TEMP TABLE ${PATCH_TABLE}
        (target UINTEGER, source UINTEGER, old_file UINTEGER, old_row UINTEGER)`,
    )
    const { targets, sources, oldFiles, oldRows } = patch
    await session.append(PATCH_TABLE, [targets, sources, oldFiles, oldRows], targets.length)
    if (sources.some((source) => source !== FROM_OLD_ROW)) {
      await session.run(patchFromChangesSql(column))
    }
    const files = new Set(oldFiles.filter((_, index) => sources[index] === FROM_OLD_ROW))
    for (const ordinal of files) {
      const path = context.ordinals.pathOf(ordinal)
      assert(path !== null, 'SLU-BUG-9001', 'the key index names a file that left the table')
      const url = context.table.stagedUrl(path)
      // A file from before the column was added has no value to give: NULL stays.
      if (await hasColumn(session, url, column)) {
        await session.run(patchFromFileSql(column, url, ordinal))
      }
    }
  }
}

async function hasColumn(session: Session, url: string, column: TableColumn): Promise<boolean> {
  const found = await session.query(
    `SELECT 1 FROM parquet_schema(${literal(url)})
      WHERE name = ${literal(column.physicalName)} LIMIT 1`,
  )
  return found.rows.length > 0
}
