/** What the lander leaves: a file of records and how they lie in it. */

import type { BlockPart } from '../contracts/index.ts'

/** How the fields of CSV records are told apart. */
export type CsvLayout = NonNullable<BlockPart['csv']>

/** Rows of a file of the source. */
export type FileRows = NonNullable<BlockPart['file']>

/** A file of whole records of one stream and one schema, as the lander left it. */
export interface LandedSegment
  extends Pick<
    BlockPart,
    'schema' | 'format' | 'csv' | 'file' | 'firstPosition' | 'recordCount' | 'partialCount'
  > {
  readonly path: string
  /** Length of the longest record at most this, in bytes. */
  readonly lineBytesMax: number
}
