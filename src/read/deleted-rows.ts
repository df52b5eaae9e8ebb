/** Deleted rows of files, brought into DuckDB in the form that costs a scan least. */

import type { Table } from '../contracts/index.ts'
import type { DataFile } from '../model/index.ts'
import type { RowPositions } from './scan.ts'
import type { FileRows, Workspace } from './workspace.ts'

/** Memory that the bitmaps of one scan may take; beyond it positions are joined one by one. */
export const BITMAP_BYTES_MAX = 128 * 1024 * 1024

/** `get_bit` counts in 32 bits. */
const BITMAP_ROW_MAX = 2 ** 31 - 2

/**
 * The rows that the vectors of `files` hide, for a scan whose entries are these files; null when
 * they hide none. Throws SLU-TAB-3002 on a damaged vector.
 */
export async function deletedRows(
  workspace: Workspace,
  table: Table,
  files: readonly DataFile[],
): Promise<RowPositions | null> {
  const loaded = await workspace.loadRows(vectorRows(table, files))
  const { lastRow } = loaded
  if (lastRow === null) return null
  const bitmapBytes = (files.length * (lastRow + 1)) / 8
  if (lastRow > BITMAP_ROW_MAX || bitmapBytes > BITMAP_BYTES_MAX) {
    return { use: 'except', table: loaded.table }
  }
  const bitmaps = `${loaded.table}_bits`
  await workspace.session.run(`CREATE TEMP TABLE ${bitmaps} AS
    SELECT all_files.file::UINTEGER AS file, coalesce(bits, bitstring('0', ${lastRow + 1})) AS bits
    FROM range(${files.length}) AS all_files(file) LEFT JOIN (
      SELECT file, bitstring_agg("row"::INTEGER, 0, ${lastRow}) AS bits
      FROM ${loaded.table} GROUP BY file) AS cut ON cut.file = all_files.file`)
  await workspace.session.run(`DROP TABLE ${loaded.table}`)
  return { use: 'except-bitmap', table: bitmaps, lastRow }
}

async function* vectorRows(table: Table, files: readonly DataFile[]): AsyncIterable<FileRows> {
  for (const [index, file] of files.entries()) {
    yield { file: index, rows: await table.deletedRows(file), tag: 0 }
  }
}
