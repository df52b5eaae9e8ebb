/**
 * Reading: SQL over snapshots, time travel, changes between versions, comparison with a source.
 * Comes in: SQL, tables by name or path. Goes out: exact values in batches, relations inside
 * DuckDB.
 * Must never: write, let SQL reach files beside the tables, or skip a deleted row's vector.
 */

export { cellJson, plainCell, type SqlCell } from './cell.ts'
export { CHANGE_COLUMNS, changesRelation } from './changes-relation.ts'
export type { RowImage } from './key-search.ts'
export {
  createReader,
  type Reader,
  type ReaderOptions,
  type SqlColumn,
  type SqlOptions,
  type SqlResult,
  type SqlRows,
  type TableResolver,
} from './reader.ts'
export {
  type RowEvent,
  type RowHistory,
  type RowHistoryRequest,
  rowHistory,
} from './row-history.ts'
export { snapshotRelation } from './snapshot-relation.ts'
export {
  type RowDifference,
  type VerifyRequest,
  type VerifyResult,
  verifyAgainst,
} from './verify.ts'
export {
  type DifferenceRequest,
  type DifferentRow,
  type VersionDifference,
  versionDifference,
} from './version-difference.ts'
export { openWorkspace, type Workspace } from './workspace.ts'
