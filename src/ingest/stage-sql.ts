/** SQL of staging: the only place of this room where statements are put together. Pure. */

import { CHANGE_POSITION } from '../decode/index.ts'
import { fieldIds, identifier, literal } from '../engine/index.ts'
import { keyHashSql, orderingSql } from '../merge/index.ts'
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

/** Key hash and ordering of every change, in arrival order; a NULL key yields hash 0. */
export function changeKeysSql(
  schema: TableSchema,
  ordering: TableColumn | null,
): { readonly hash: string; readonly ordering: string } {
  return {
    hash: `coalesce(${keyHashSql(keyOf(schema), logical)}, 0::UHUGEINT)`,
    ordering: `(${orderingSql(ordering, logical, CHANGE_POSITION)})::BIGINT`,
  }
}

/** What the rows of a file are written from. */
export interface WriteQuery {
  readonly schema: TableSchema
  readonly splitNumber: number
  /** FROM clause: a temp table or the landed relation itself. */
  readonly from: string
  readonly position: string
  /** Target file, or folder when the table is partitioned. */
  readonly target: string
  readonly compressionLevel: number
}

/** COPY of the rows to Parquet, with field ids, returning file statistics. */
export function writeSql(query: WriteQuery): string {
  const columns = userColumns(query.schema).map(
    (column) => `${identifier(column.name)} AS ${identifier(column.physicalName)}`,
  )
  const select = [
    ...columns,
    `${query.splitNumber}::INTEGER AS ${SPLIT_COLUMN}`,
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
    ...(partitions.length === 0
      ? []
      : [`PARTITION_BY (${partitions.join(', ')})`, 'WRITE_PARTITION_COLUMNS true']),
  ]
  return `COPY (SELECT ${select} FROM ${query.from})
    TO ${literal(query.target)} (${options.join(', ')})`
}

/** Key hash, row position and ordering of every row of a stored file. */
export function storedKeysSql(
  schema: TableSchema,
  ordering: TableColumn | null,
  url: string,
): string {
  const hash = keyHashSql(keyOf(schema), physical)
  const order = orderingSql(ordering, physical, POSITION_COLUMN)
  return `SELECT ${hash} AS hash, file_row_number::UINTEGER AS row, (${order})::BIGINT AS ordering
    FROM read_parquet(${literal(url)}, file_row_number = true)`
}

/** Moves values of one column between changes of the batch, as `PATCH_TABLE` says. */
export function patchFromChangesSql(column: TableColumn): string {
  const name = identifier(column.name)
  return `UPDATE ${CHANGE_TABLE} SET ${name} = origin.${name}
    FROM ${PATCH_TABLE} JOIN ${CHANGE_TABLE} AS origin ON origin.rowid = ${PATCH_TABLE}.source
    WHERE ${CHANGE_TABLE}.rowid = ${PATCH_TABLE}.target AND ${PATCH_TABLE}.source <> 4294967295`
}

/** Takes values of one column from the rows of a stored file, as `PATCH_TABLE` says. */
export function patchFromFileSql(column: TableColumn, url: string, ordinal: number): string {
  const name = identifier(column.name)
  return `UPDATE ${CHANGE_TABLE} SET ${name} = stored.value
    FROM (SELECT file_row_number AS row, ${identifier(column.physicalName)} AS value
      FROM read_parquet(${literal(url)}, file_row_number = true)) AS stored
    JOIN ${PATCH_TABLE} ON ${PATCH_TABLE}.old_row = stored.row
      AND ${PATCH_TABLE}.source = 4294967295 AND ${PATCH_TABLE}.old_file = ${ordinal}
    WHERE ${CHANGE_TABLE}.rowid = ${PATCH_TABLE}.target`
}
