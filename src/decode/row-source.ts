/** Landed records that are rows of their own, without an operation, as SQL. */

import { assert, type SourceColumn } from '../model/index.ts'
import { csvRelation, csvValue } from './csv.ts'
import { jsonLineNumber, jsonLinesRelation, jsonLineValue } from './json-lines.ts'
import { markedRelation, ROW_NUMBER } from './marks.ts'
import { withMetadata } from './metadata.ts'
import { parquetRelation, parquetValue } from './parquet.ts'
import type { Refusal } from './refusal.ts'
import type { LandedSegment } from './segment.ts'

/** As many rows as the segment has records, `passedOver` ones left out. */
export interface RowSource {
  /** What to select from; has `ROW_NUMBER` beside what `value` reads. */
  readonly relation: string
  /** The value of a column in the column's type, or something that casts to it. */
  value(column: SourceColumn, refusal?: Refusal): string
  /** What happened to the row, where records tell. Default: it was inserted. */
  readonly op?: string
  /** True where a value was not sent; null, the default, where every one is. */
  isMissing?(column: SourceColumn): string | null
}

/** The rows of a segment; formats whose lines say themselves what happened have none. */
export function rowSource(segment: LandedSegment): RowSource {
  return withMetadata(recordSource(segment), segment, ROW_NUMBER)
}

function recordSource(segment: LandedSegment): RowSource {
  const { format, csv, file, recordCount } = segment
  switch (format) {
    case 'json-lines':
      return {
        relation: without(
          segment,
          numbered(segment, jsonLinesRelation(segment), jsonLineNumber(segment)),
        ),
        value: (column) => jsonLineValue(segment, column),
      }
    case 'csv':
      assert(csv !== undefined, 'SLU-BUG-9001', 'a CSV segment without its layout')
      return {
        relation: without(segment, numbered(segment, csvRelation(segment, csv))),
        value: (column, refusal) => csvValue(csv, column, refusal),
      }
    case 'parquet': {
      assert(file !== undefined, 'SLU-BUG-9001', 'a Parquet segment without its file')
      const rows = `(SELECT *, file_row_number - ${file.firstRow} AS ${ROW_NUMBER}
        FROM ${parquetRelation(file, recordCount)})`
      return {
        relation: without(segment, rows),
        value: (column, refusal) => parquetValue(file, column, refusal),
      }
    }
    case 'copy-text':
    case 'debezium-json':
      assert(false, 'SLU-BUG-9001', 'lines of changes are no rows')
      break
    default: {
      const never: never = format
      return never
    }
  }
}

function numbered(
  segment: LandedSegment,
  relation: string,
  number = 'row_number() OVER () - 1',
): string {
  if (segment.marks !== undefined) return markedRelation(segment.marks, relation)
  return `(SELECT *, ${number} AS ${ROW_NUMBER} FROM ${relation})`
}

/** Taken out before any value is looked at: those of the others alone are cast. */
function without({ passedOver }: LandedSegment, rows: string): string {
  if (passedOver === undefined) return rows
  return `(SELECT landed.* FROM ${rows} AS landed
    ANTI JOIN (${passedOver}) AS passed ON passed."row" = landed.${ROW_NUMBER}
    ORDER BY landed.${ROW_NUMBER})`
}
