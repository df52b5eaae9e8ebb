/**
 * Seam: Parquet files of JSON-shaped rows, for table metadata. Implemented by src/engine over
 * DuckDB.
 */

import type { ColumnType, StructField } from '../model/index.ts'

/** What to write and how its columns are typed. */
export interface ParquetRows {
  /** Columns in order; a member that a row lacks is NULL, a missing struct is a NULL struct. */
  readonly columns: readonly StructField[]
  /** JSON objects, one a row, without line ends. Taken once, in order. */
  readonly rows: Iterable<string> | AsyncIterable<string>
}

/**
 * Reads and writes Parquet files whose rows are JSON objects. Not for table data: it makes text
 * of each row.
 * Promises: 64-bit integers keep all their digits in both directions; maps are JSON objects; the
 * memory used does not grow with the number of rows.
 */
export interface ParquetPort {
  /**
   * Rows of a file as JSON text, in batches. `columns` names the columns wanted and, of structs,
   * the members wanted; what the file lacks is left out. Throws the engine's codes when it
   * cannot be read.
   */
  readRows(url: string, columns: readonly StructField[]): AsyncIterable<readonly string[]>
  /**
   * Writes the rows to a new local file, zstd-compressed, and returns its path; the caller moves
   * it away.
   */
  writeRows(request: ParquetRows): Promise<string>
  /** What a file holds. Throws the engine's codes when it cannot be read. */
  describe(path: string): Promise<ParquetShape>
}

/** The columns and rows of a Parquet file. */
export interface ParquetShape {
  readonly columns: readonly ParquetColumn[]
  readonly rowCount: number
}

/** A column of a Parquet file. */
export interface ParquetColumn {
  readonly name: string
  /** The column type that holds all of its values; null when there is none. */
  readonly type: ColumnType | null
  /** The engine's name of its type, for people. */
  readonly engineType: string
}
