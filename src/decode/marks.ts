/** Marks of records as SQL: a table beside the landed lines, a row a record, in their order. */

import type { SegmentMarks } from './segment.ts'

/** Number of a record in its segment, from 0. BIGINT. */
export const ROW_NUMBER = '__sluice_row'

const SPLIT = '__sluice_mark_split'
const POSITION = '__sluice_mark_position'
const TIME = '__sluice_mark_time'
const DELETES = '__sluice_mark_deletes'

/** Stands for a source time that is not known. */
export const NO_TIME = -(2n ** 63n) + 1n

/** CREATE of the table that the marks of a segment are appended to. */
export function createMarksSql({ table, deletes }: SegmentMarks): string {
  const columns = [
    `${ROW_NUMBER} BIGINT`,
    `${SPLIT} INTEGER`,
    `${POSITION} BIGINT`,
    `${TIME} BIGINT`,
    ...(deletes === null ? [] : [`${DELETES} UTINYINT`]),
  ]
  return `CREATE OR REPLACE TEMP TABLE ${table} (${columns.join(', ')})`
}

/** The columns of that table, in order. */
export function marksColumns({ splits, positions, timesMs, deletes }: SegmentMarks) {
  const rows = BigInt64Array.from(splits, (_, row) => BigInt(row))
  return [rows, splits, positions, timesMs, ...(deletes === null ? [] : [deletes])]
}

/** The rows of a relation, each with its marks and its `ROW_NUMBER`. */
export function markedRelation({ table }: SegmentMarks, relation: string): string {
  return `(SELECT * FROM (SELECT * FROM ${relation}) AS line POSITIONAL JOIN ${table})`
}

/** What marks say of a record, as expressions over `markedRelation`. */
export function markSql({ deletes }: SegmentMarks): {
  readonly split: string
  readonly position: string
  readonly time: string
  /** True where the record deletes its key; null when none does. */
  readonly isDelete: string | null
} {
  return {
    split: SPLIT,
    position: POSITION,
    time: `(NULLIF(${TIME}, ${NO_TIME}) * 1000)`,
    isDelete: deletes === null ? null : `${DELETES} = 1`,
  }
}

/** SELECT of where each record stands: `"row"`, `split_number`, `position`. */
export function marksPlacesSql({ table }: SegmentMarks): string {
  return `SELECT ${ROW_NUMBER} AS "row", ${SPLIT} AS split_number, ${POSITION} AS position
    FROM ${table}`
}
