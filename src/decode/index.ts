/**
 * Formats: how landed bytes become a change relation.
 * Comes in: a landed file and the columns wanted. Goes out: SQL that yields `op`, position, time
 * and columns.
 * Must never: run SQL, drop a record, or let a mistyped value pass as NULL.
 */

export {
  CHANGE_OP,
  CHANGE_POSITION,
  CHANGE_SPLIT,
  CHANGE_TIME,
  type ChangeQuery,
  changeSql,
  maskColumn,
  maybeMissing,
} from './change-sql.ts'
export { initialValue } from './copy-text.ts'
export { jsonLinesShape, unknownMembersSql } from './json-lines.ts'
export { createMarksSql, marksColumns, marksPlacesSql, NO_TIME } from './marks.ts'
export { columnPlaces, matchColumns } from './match-columns.ts'
export { OP_CODES } from './op-codes.ts'
export { rowsAsJsonSql } from './parquet.ts'
export {
  type FileRows,
  type LandedSegment,
  positionAt,
  type RecordRun,
  type SegmentMarks,
} from './segment.ts'
export { type VerdictQuery, verdictSql } from './verdict-sql.ts'
