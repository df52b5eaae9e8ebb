/** Seam inside the room: what a format knows of a file before its first record. */

import type { CsvLayout, RawFormat } from '../../src/contracts/index.ts'
import {
  type Shape,
  SluiceError,
  type SourceColumn,
  type StreamSchema,
} from '../../src/model/index.ts'
import { type FileContent, openContent, readFully } from './content.ts'
import type { Folder } from './folder.ts'
import { LINE_BYTES_MAX, type RecordFormat } from './records.ts'

/** Records of a file from which columns are inferred, at most. */
export const SAMPLE_RECORDS_MAX = 1000
/** Bytes of a file that are looked at for them; a first record may be longer. */
export const SAMPLE_BYTES = 4 * 1024 * 1024

/** An open file. */
export interface OpenFile {
  readonly name: string
  readonly content: FileContent
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

/**
 * Lends a file of the folder for a look at its beginning: a packed one may break off. Throws as
 * `openContent` does.
 */
export async function withFile<Result>(
  folder: Folder,
  name: string,
  use: (file: OpenFile) => Promise<Result>,
): Promise<Result> {
  await using content = await openContent(folder, name, false)
  return await use({ name, content, isWhole: true })
}

/** The first bytes of a file. */
export interface FileStart {
  readonly bytes: Buffer
  /** True when the file has no more. */
  readonly isAll: boolean
}

/** The first `wanted` bytes of a file, or all of a shorter one. Throws what `read` throws. */
export async function readStart({ content }: OpenFile, wanted: number): Promise<FileStart> {
  // One byte more tells whether that was all.
  const bytes = Buffer.alloc(
    content.isPacked ? wanted + 1 : Math.min(content.sizeBytes, wanted) + 1,
  )
  const filled = await readFully(content, bytes, 0)
  const isAll = filled < bytes.length && filled <= wanted
  return { bytes: bytes.subarray(0, Math.min(filled, wanted)), isAll }
}

/** The byte order mark of a file. */
export async function readMark(file: OpenFile): Promise<Buffer> {
  return byteOrderMark((await readStart(file, 3)).bytes, file.name)
}

/**
 * What `find` makes of the start of a file: of ever more of it until it finds something, up to the
 * length of a record.
 */
export async function searchStart<Found>(
  file: OpenFile,
  firstBytes: number,
  find: (start: FileStart) => Found | null,
): Promise<Found | null> {
  for (let wanted = firstBytes; ; wanted *= 2) {
    const start = await readStart(file, wanted)
    const found = find(start)
    if (found !== null || start.isAll || wanted > LINE_BYTES_MAX) return found
  }
}
