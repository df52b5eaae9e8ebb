/**
 * Order, dedupe, partial images: what a batch does to a table, decided over typed arrays.
 * Comes in: key hashes, operations, orderings, where the old rows are. Goes out: rows to write,
 * rows to delete, values to patch, counts. Must never: do I/O or look at a record's other columns.
 */

export { KeyGroups } from './key-groups.ts'
export {
  type KeyEncoding,
  keyEncoding,
  keyIsNullSql,
  keySql,
  orderingSql,
  setKeys,
} from './key-sql.ts'
export {
  type ChangeColumns,
  FROM_OLD_ROW,
  type MergePlan,
  type OldRows,
  planMerge,
  type ValuePatch,
} from './plan.ts'
