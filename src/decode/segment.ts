/** What the lander leaves: a file of records and how they lie in it. */

import type { BlockPart, RecordPlace } from '../contracts/index.ts'
import type { SourcePosition } from '../model/index.ts'

/** How the fields of CSV records are told apart. */
export type CsvLayout = NonNullable<BlockPart['csv']>

/** Rows of a file of the source. */
export type FileRows = NonNullable<BlockPart['file']>

/** A file of whole records of one stream and one schema, as the lander left it. */
export interface LandedSegment
  extends Pick<
    BlockPart,
    | 'schema'
    | 'format'
    | 'csv'
    | 'debezium'
    | 'file'
    | 'firstPosition'
    | 'recordCount'
    | 'partialCount'
    | 'unreadable'
    | 'hasShortNumbers'
  > {
  readonly path: string
  /** Beside `json-lines` whose members must all have a column: a file of `jsonLinesShape`. */
  readonly shapePath?: string
  /** Of all records, as they were landed or lie in their file; 0 when not known. */
  readonly sizeBytes?: number
  /** A file of the lines of `BlockPart.metadata`, where the schema has such columns. */
  readonly metadataPath?: string
  /** Length of the longest record at most this, in bytes. */
  readonly lineBytesMax: number
  /** Where the records stand in the files of the source: a run of records each, in order. */
  readonly runs?: readonly RecordRun[]
  /** Given where records do not follow each other in one split. */
  readonly marks?: SegmentMarks
  /** SELECT of the numbers of records (`row`, from 0) that are to be left out; none when absent. */
  readonly passedOver?: string
}

/** Records of one file, from one on. */
export interface RecordRun {
  /** Index of its first record in the segment. */
  readonly firstRow: number
  readonly place: RecordPlace
}

/** What is known of each record of a segment, beside its bytes. Arrays are parallel to them. */
export interface SegmentMarks {
  /** Temp table of the session that decodes, filled from the arrays before. */
  readonly table: string
  /** `Cursor.splitNumber` of the split that the record came from. */
  readonly splits: Int32Array
  readonly positions: BigInt64Array
  /** Source time, epoch milliseconds; `NO_TIME` where not known. */
  readonly timesMs: BigInt64Array
  /** 1 where the record deletes its key; null when none does. */
  readonly deletes: Uint8Array | null
}

/** The position of a record of a segment, by its number. */
export function positionAt(
  { marks, firstPosition }: Pick<LandedSegment, 'marks' | 'firstPosition'>,
  row: number,
): SourcePosition {
  return marks === undefined ? firstPosition + BigInt(row) : (marks.positions[row] as bigint)
}
