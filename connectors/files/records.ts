/** What the reader asks of a text format: where the records of a piece of a file end. */

import type { UnreadableRecords } from '../../src/contracts/index.ts'

/**
 * Longest record in bytes, its line end included: what one record may take of memory and of the
 * engine's buffers.
 */
export const LINE_BYTES_MAX = 16 * 1024 * 1024

/** What is wrong with a record. */
export type RecordProblem =
  | 'not-utf8'
  | 'not-an-object'
  | 'too-deep'
  | 'too-long'
  | 'ragged'
  | 'bad-quote'
  | 'bad-line-end'
  | 'open-quote'
  | 'no-rows'

/** What a piece of a file holds, up to its last whole record or to its first bad one. */
export interface RecordScan {
  /** End of the last whole good record: the piece's bytes before it are `lineCount` lines. */
  readonly endBytes: number
  readonly lineCount: number
  /** Records among the lines; blank lines are none. */
  readonly recordCount: number
  /** Length of the longest record. */
  readonly lineBytesMax: number
  /** What is wrong with the record at `endBytes`; null when every whole record is good. */
  readonly problem: RecordProblem | null
  /** What more there is to say of it. */
  readonly reason?: string
}

/** A scan that no bad record ends. */
export interface AllRecordsScan extends RecordScan {
  readonly problem: null
  /** Null when every record may be one. */
  readonly unreadable: UnreadableRecords | null
  /** Of each record the lines before it in the piece; null when all lines are records. */
  readonly linesBefore: Uint32Array | null
  /** Start and end of each unreadable record, where `records` lands those in another form. */
  readonly unreadableEnds?: Uint32Array
}

/** Finds records in bytes. Pure; makes no object and no string per record. */
export interface RecordFormat {
  /** Scans whole records from the start of `bytes`; what follows the last one is left. */
  scan(bytes: Buffer): RecordScan
  /**
   * The same, with the records that are none among the others; ends before a line that is too long.
   * `isWhole` says that nothing follows: no record may then be left.
   */
  scanAll(bytes: Buffer, isWhole: boolean): AllRecordsScan
  /** The bytes of the scanned records alone, in the form that is landed. */
  records(bytes: Buffer, scan: RecordScan): Buffer
}
