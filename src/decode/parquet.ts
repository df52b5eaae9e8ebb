/** Rows of Parquet files of a source as SQL. */

import { identifier, literal, pathLiteral } from '../engine/index.ts'
import type { SourceColumn } from '../model/index.ts'
import { ENDS_QUERY } from './refusal.ts'
import type { FileRows } from './segment.ts'

/** The rows of a segment, each with its `file_row_number`. */
export function parquetRelation(file: FileRows, recordCount: number): string {
  return `read_parquet(${pathLiteral(file.path)}, file_row_number = true,
    hive_partitioning = false)
    WHERE file_row_number >= ${file.firstRow} AND file_row_number < ${file.firstRow + recordCount}`
}

/**
 * The value of a column; NULL when the file does not have it. Nanoseconds are cut off only where
 * the column says so.
 */
export function parquetValue(
  file: FileRows,
  { name, type, nanoseconds }: SourceColumn,
  refusal = ENDS_QUERY,
): string {
  if (!file.columns.includes(name)) return 'NULL'
  const value = identifier(name)
  if (type !== 'timestamp_ntz' || nanoseconds === 'cut') return value
  const refused = refusal(`${literal(`${name}: no microsecond is exactly `)} || ${value}::VARCHAR`)
  return `CASE WHEN typeof(${value}) <> 'TIMESTAMP_NS' OR epoch_ns(${value}) % 1000 = 0
    THEN ${value}::TIMESTAMP WHEN ${value} IS NOT NULL THEN ${refused} END`
}

/**
 * The rows of a segment as they stand in the file: `row` (from 0) and `raw`, a JSON object of all
 * columns as UTF-8.
 */
export function rowsAsJsonSql(file: FileRows, recordCount: number): string {
  const members = file.columns.map((name) => `${literal(name)}: ${identifier(name)}`)
  return `SELECT (file_row_number - ${file.firstRow})::UINTEGER AS "row",
      encode(to_json({${members.join(', ')}})::VARCHAR) AS raw
    FROM ${parquetRelation(file, recordCount)}`
}
