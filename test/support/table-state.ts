/** Reads a table's rows at a version with nothing but its file list: the checker of simulations. */

import type { Snapshot, Table } from '../../src/contracts/index.ts'
import { literal, type Session, type SqlValue } from '../../src/engine/index.ts'

/** All live rows as arrays of the columns asked for, in no order. */
export async function liveRows(
  session: Session,
  table: Table,
  snapshot: Snapshot,
  columns: string,
): Promise<(readonly SqlValue[])[]> {
  const rows: (readonly SqlValue[])[] = []
  for (const file of snapshot.files()) {
    const deleted = new Set(await table.deletedRows(file))
    const url = literal(table.readUrl(file))
    const result = await session.query(
      `SELECT file_row_number, ${columns} FROM read_parquet(${url}, file_row_number = true)`,
    )
    for (const [position, ...values] of result.rows) {
      if (!deleted.has(Number(position))) rows.push(values)
    }
  }
  return rows
}
