/** The shape of dead-letter tables: where the rejected records of a table go. */

import type { TableSchema } from './schema.ts'
import { type ColumnType, POSITION_COLUMN, SPLIT_COLUMN } from './schema.ts'

const SUFFIX = '__dlq'

/** Name, or root, of a table → that of its dead-letter table. */
export function deadLettersOf(table: string): string {
  return `${table}${SUFFIX}`
}

/** Name of a dead-letter table → that of the table; null for other names. */
export function tableOfDeadLetters(name: string): string | null {
  return name.endsWith(SUFFIX) && name.length > SUFFIX.length ? name.slice(0, -SUFFIX.length) : null
}

/** Columns of a dead-letter table, in order; docs/dead-letters.md tells what they hold. */
const COLUMNS: readonly (readonly [string, ColumnType])[] = [
  ['split', 'string'],
  ['position', 'long'],
  ['file', 'string'],
  ['line', 'long'],
  ['code', 'string'],
  ['column_name', 'string'],
  ['reason', 'string'],
  ['raw', 'binary'],
  ['format', 'string'],
  ['batch', 'long'],
  ['rejected_at', 'timestamp'],
  [SPLIT_COLUMN, 'integer'],
  [POSITION_COLUMN, 'long'],
]

/** The schema of every dead-letter table. */
export const DEAD_LETTER_SCHEMA: TableSchema = {
  columns: COLUMNS.map(([name, type], index) => ({
    name,
    physicalName: name,
    fieldId: index + 1,
    type,
    nullable: true,
  })),
  partitionBy: [],
  key: [],
  maxFieldId: COLUMNS.length,
}
