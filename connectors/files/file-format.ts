/** Seam inside the room: what a format knows of a file before its first record. */

import type { FileHandle } from 'node:fs/promises'
import type { CsvLayout, RawFormat } from '../../src/contracts/index.ts'
import {
  SluiceError,
  type SourceColumn,
  type StreamSchema,
  wrapError,
} from '../../src/model/index.ts'
import type { Folder } from './folder.ts'
import { LINE_BYTES_MAX, type RecordFormat } from './records.ts'
import type { Shape } from './shape.ts'

/** Records of a file from which columns are inferred, at most. */
export const SAMPLE_RECORDS_MAX = 1000
/** Bytes of a file that are looked at for them; a first record may be longer. */
export const SAMPLE_BYTES = 4 * 1024 * 1024

/** An open file. */
export interface OpenFile {
  readonly name: string
  readonly handle: FileHandle
  readonly sizeBytes: number
  /** True when nothing more is to be written to it: an unended last line counts. */
  readonly isWhole: boolean
}

/** A file whose beginning is known: text, or rows. */
export type FileShape = TextShape | RowsShape

/** A file whose rows are read by the engine. */
export interface RowsShape {
  readonly format: 'parquet'
  readonly schema: StreamSchema
  readonly rows: {
    readonly path: string
    readonly columns: readonly string[]
    readonly rowCount: number
  }
}

/** A file of records as text. */
export interface TextShape {
  readonly schema: StreamSchema
  readonly format: Exclude<RawFormat, 'parquet'>
  readonly csv?: CsvLayout
  readonly records: RecordFormat
  /** What stands before the first record: a byte order mark, a header. */
  readonly prologue: Buffer
  readonly prologueLines: number
}

/** A format of files. */
export interface FileFormat {
  /** Columns of the folder's files, from the first ones that tell; none when no file does. */
  infer(folder: Folder, names: readonly string[]): Promise<readonly SourceColumn[]>
  /**
   * Looks at the beginning of a file; new columns are added to the shape. Null when there is no
   * whole beginning yet. Throws SLU-SRC-1405 for UTF-16 and what the format throws.
   */
  begin(file: OpenFile, shape: Shape): Promise<FileShape | null>
}

const UTF8_MARK = Buffer.of(0xef, 0xbb, 0xbf)
const UTF16_MARKS = [Buffer.of(0xff, 0xfe), Buffer.of(0xfe, 0xff)]

/** The byte order mark that a file begins with, or nothing. Throws SLU-SRC-1405 for UTF-16. */
export function byteOrderMark(bytes: Buffer, file: string): Buffer {
  if (UTF16_MARKS.some((mark) => bytes.subarray(0, 2).equals(mark))) {
    throw new SluiceError('SLU-SRC-1405', {
      message: `The file ${file} is UTF-16, not UTF-8.`,
      remedy: `Convert it: iconv -f UTF-16 -t UTF-8. Nothing of it was read.`,
      context: { file },
    })
  }
  return bytes.subarray(0, 3).equals(UTF8_MARK) ? UTF8_MARK : UTF8_MARK.subarray(0, 0)
}

/** The first `wanted` bytes of a file, or all of a shorter one. Throws SLU-SRC-1408. */
export async function readStart(
  { handle, name, sizeBytes }: OpenFile,
  wanted: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(Math.min(sizeBytes, wanted))
  try {
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0)
    return bytes.subarray(0, bytesRead)
  } catch (error) {
    throw wrapError(error, 'SLU-SRC-1408', `The file ${name} cannot be read`)
  }
}

/**
 * What `find` makes of the start of a file: of ever more of it until it finds something, up to the
 * length of a record.
 */
export async function searchStart<Found>(
  file: OpenFile,
  firstBytes: number,
  find: (bytes: Buffer) => Found | null,
): Promise<Found | null> {
  for (let wanted = firstBytes; ; wanted *= 2) {
    const bytes = await readStart(file, wanted)
    const found = find(bytes)
    if (found !== null || bytes.length < wanted || wanted > LINE_BYTES_MAX) return found
  }
}
