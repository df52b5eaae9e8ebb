/** SQL of staging: the only place of this room where statements are put together. Pure. */

import { CHANGE_OP, CHANGE_POSITION, OP_CODES } from '../decode/index.ts'
import { fieldIds, identifier, literal } from '../engine/index.ts'
import { FROM_OLD_ROW, keyEncoding, keyIsNullSql, keySql, orderingSql } from '../merge/index.ts'
import {
  POSITION_COLUMN,
  SPLIT_COLUMN,
  type TableColumn,
  type TableSchema,
  userColumns,
} from '../model/index.ts'

/** Temp table of a batch's changes in arrival order. */
export const CHANGE_TABLE = 'change'
/** Temp table of the row numbers of changes to write. */
export const KEEP_TABLE = 'keep'
/** Temp table of values that partial changes take from elsewhere. */
export const PATCH_TABLE = 'patch'

const logical = (column: TableColumn): string => column.name
const physical = (column: TableColumn): string => column.physicalName

const keyOf = (schema: TableSchema): TableColumn[] =>
  schema.key.map((name) => schema.columns.find((c) => c.name === name) as TableColumn)

/** Kind of the typed array that encoded keys come in. */
export type KeyKind = 'i64' | 'u128'

/** Kind of array in which `changeKeysSql` and `storedKeysSql` yield keys. */
export function keyKind(schema: TableSchema, ordering: TableColumn | null): KeyKind {
  return keyEncoding(keyOf(schema), ordering !== null) === 'number' ? 'i64' : 'u128'
}

/** Added to the operation of a change whose key has a NULL. */
export const NULL_KEY_FLAG = 128

/** Encoded key, operation and ordering of every change, in arrival order. */
export function changeKeysSql(schema: TableSchema, ordering: TableColumn | null): string {
  const key = keyOf(schema)
  const encoding = keyEncoding(key, ordering !== null)
  const isNull = keyIsNullSql(key, logical)
  return `SELECT ${keySql(key, encoding, logical)},
    (${CHANGE_OP} + CASE WHEN ${isNull} THEN ${NULL_KEY_FLAG} ELSE 0 END)::UTINYINT,
    (${orderingSql(ordering, logical, CHANGE_POSITION)})::BIGINT
    FROM ${CHANGE_TABLE}`
}

/** Row of the first change without a value in a key column, truncates apart; NULL: none. */
export function nullKeysSql(schema: TableSchema): string {
  return `SELECT min(rowid) FROM ${CHANGE_TABLE}
    WHERE (${keyIsNullSql(keyOf(schema), logical)}) AND ${CHANGE_OP} <> ${OP_CODES.truncate}`
}

/** Position of the first change that is no insert, and the row of the last truncate; NULL: none. */
export function insertsOnlySql(): string {
  const { update, delete: deletion, moved, truncate } = OP_CODES
  return `SELECT
    (min(${CHANGE_POSITION}) FILTER (${CHANGE_OP} IN (${update}, ${deletion}, ${moved})))::VARCHAR,
    (max(rowid) FILTER (${CHANGE_OP} = ${truncate}))::VARCHAR FROM ${CHANGE_TABLE}`
}

/** Position of the last truncate and of the copied rows, as text; NULL: none. */
export function copyAgeSql(): string {
  const { truncate, copied } = OP_CODES
  return `SELECT
    (max(${CHANGE_POSITION}) FILTER (${CHANGE_OP} = ${truncate}))::VARCHAR,
    (min(${CHANGE_POSITION}) FILTER (${CHANGE_OP} = ${copied}))::VARCHAR FROM ${CHANGE_TABLE}`
}

/** What the rows of a file are written from. */
export interface WriteQuery {
  readonly schema: TableSchema
  /** FROM clause: a temp table or the landed relation itself. */
  readonly from: string
  /** Expressions of the two meta columns. */
  readonly split: string
  readonly position: string
  /** Target file, or folder when the table is partitioned. */
  readonly target: string
  readonly compressionLevel: number
  /** Rows of a row group; the engine's own number when absent. */
  readonly rowGroupRows?: number
}

/** COPY of the rows to Parquet, with field ids, returning file statistics. */
export function writeSql(query: WriteQuery): string {
  const columns = userColumns(query.schema).map(
    (column) => `${identifier(column.name)} AS ${identifier(column.physicalName)}`,
  )
  const select = [
    ...columns,
    `(${query.split})::INTEGER AS ${SPLIT_COLUMN}`,
    `(${query.position})::BIGINT AS ${POSITION_COLUMN}`,
  ].join(', ')
  const partitions = query.schema.partitionBy.map((name) =>
    identifier((query.schema.columns.find((c) => c.name === name) as TableColumn).physicalName),
  )
  const options = [
    'FORMAT parquet',
    'COMPRESSION zstd',
    `COMPRESSION_LEVEL ${query.compressionLevel}`,
    `FIELD_IDS ${fieldIds(query.schema.columns)}`,
    'RETURN_STATS',
    ...(query.rowGroupRows === undefined ? [] : [`ROW_GROUP_SIZE ${query.rowGroupRows}`]),
    ...(partitions.length === 0
      ? []
      : [`PARTITION_BY (${partitions.join(', ')})`, 'WRITE_PARTITION_COLUMNS true']),
  ]
  return `COPY (SELECT ${select} FROM ${query.from})
    TO ${literal(query.target)} (${options.join(', ')})`
}

/** Encoded key, row position and ordering of every row of a stored file. */
export function storedKeysSql(
  schema: TableSchema,
  ordering: TableColumn | null,
  url: string,
): string {
  const key = keyOf(schema)
  const order = orderingSql(ordering, physical, POSITION_COLUMN)
  return `SELECT ${keySql(key, keyEncoding(key, ordering !== null), physical)},
    file_row_number::UINTEGER, (${order})::BIGINT
    FROM read_parquet(${literal(url)}, file_row_number = true)`
}

/** Moves values of one column between changes of the batch, as `PATCH_TABLE` says. */
export function patchFromChangesSql(column: TableColumn): string {
  return patchSql(
    column,
    `SELECT ${PATCH_TABLE}.target, origin.${identifier(column.name)} AS value
    FROM ${PATCH_TABLE} JOIN ${CHANGE_TABLE} AS origin ON origin.rowid = ${PATCH_TABLE}.source
    WHERE ${PATCH_TABLE}.source <> ${FROM_OLD_ROW}`,
  )
}

/** Takes values of one column from the rows of a stored file, as `PATCH_TABLE` says. */
export function patchFromFileSql(column: TableColumn, url: string, ordinal: number): string {
  return patchSql(
    column,
    `SELECT ${PATCH_TABLE}.target, stored.value
    FROM (SELECT file_row_number AS row, ${identifier(column.physicalName)} AS value
      FROM read_parquet(${literal(url)}, file_row_number = true)) AS stored
    JOIN ${PATCH_TABLE} ON ${PATCH_TABLE}.old_row = stored.row
      AND ${PATCH_TABLE}.source = ${FROM_OLD_ROW} AND ${PATCH_TABLE}.old_file = ${ordinal}`,
  )
}

/**
 * Sets a column of the changes whose row numbers are `target`. The engine updates nested values by
 * moving their rows to the end, so the changes are written anew there, in their order.
 */
function patchSql({ name, type }: TableColumn, found: string): string {
  const column = identifier(name)
  const isNested = typeof type !== 'string' && type.kind !== 'decimal'
  if (!isNested) {
    return `UPDATE ${CHANGE_TABLE} SET ${column} = found.value FROM (${found}) AS found
      WHERE ${CHANGE_TABLE}.rowid = found.target`
  }
  const value = `CASE WHEN found.target IS NULL THEN ${CHANGE_TABLE}.${column} ELSE found.value END`
  return `CREATE OR REPLACE TEMP TABLE ${CHANGE_TABLE} AS
    SELECT ${CHANGE_TABLE}.* REPLACE (${value} AS ${column})
    FROM ${CHANGE_TABLE} LEFT JOIN (${found}) AS found ON ${CHANGE_TABLE}.rowid = found.target
    ORDER BY ${CHANGE_TABLE}.rowid`
}
