/**
 * How many rows a row group takes: the engine holds one as a whole, and once more as pages, before
 * it writes it.
 */

import { maybeMissing } from '../decode/index.ts'
import { identifier, literal, type Session } from '../engine/index.ts'
import { userColumns } from '../model/index.ts'
import type { LaneContext } from './lane-context.ts'
import { CHANGE_TABLE } from './stage-sql.ts'
import type { Unit } from './unit.ts'

/** The engine's own number. */
const ROWS_MAX = 122_880
/** Rows that the engine works on at once. */
const VECTOR_ROWS = 2048
/** Of the engine's memory, for the rows of one group. Seen to fail with half of it. */
const MEMORY_SHARE = 1 / 4

/** Rows of so many bytes each that fit a group. */
export function rowGroupRows(
  { engineMemoryBytes }: Pick<LaneContext, 'engineMemoryBytes'>,
  rows: { readonly count: number; readonly sizeBytes: number },
): number {
  if (rows.count === 0 || rows.sizeBytes === 0) return ROWS_MAX
  const fitting = (engineMemoryBytes * MEMORY_SHARE * rows.count) / rows.sizeBytes
  const vectors = Math.floor(Math.min(fitting, ROWS_MAX) / VECTOR_ROWS)
  return Math.max(1, vectors) * VECTOR_ROWS
}

/** Bytes of the records of a unit as they were landed. */
export function landedBytes({ segments }: Unit): number {
  return segments.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0)
}

/** The same with the long values that changes did not bring and that were found since. */
export async function patchedBytes(session: Session, unit: Unit): Promise<number> {
  const long = maybeMissing(userColumns(unit.schema)).filter(({ type }) => typeof type === 'string')
  if (long.length === 0) return landedBytes(unit)
  const lengths = long.map(
    ({ name, type }) =>
      `coalesce(sum(${type === 'binary' ? 'octet_length' : 'strlen'}(${identifier(name)})), 0)`,
  )
  const found = await session.query(
    `SELECT (${lengths.join(' + ')})::BIGINT::VARCHAR FROM ${CHANGE_TABLE}`,
  )
  return Math.max(landedBytes(unit), Number(found.rows[0]?.[0] ?? 0))
}

/** Rows of a Parquet file, and their bytes before compression. */
export async function fileSize(
  session: Session,
  url: string,
): Promise<{ readonly count: number; readonly sizeBytes: number }> {
  const groups = `SELECT DISTINCT row_group_id, row_group_num_rows, row_group_bytes
    FROM parquet_metadata(${literal(url)})`
  const found = await session.query(
    `SELECT coalesce(sum(row_group_num_rows), 0)::VARCHAR,
      coalesce(sum(row_group_bytes), 0)::VARCHAR FROM (${groups})`,
  )
  const [count, sizeBytes] = found.rows[0] ?? []
  return { count: Number(count), sizeBytes: Number(sizeBytes) }
}
