/** CSV files: a header or named columns, then records. */

import type { CsvLayout } from '../../src/contracts/index.ts'
import { type Shape, SluiceError, type SourceColumn } from '../../src/model/index.ts'
import { csvFormat, firstRecordEnd, parseRecords } from './csv.ts'
import { headerNames, inferCsvColumns } from './csv-columns.ts'
import type { CsvDialect } from './csv-record.ts'
import {
  type FileFormat,
  type FileStart,
  type OpenFile,
  readMark,
  readStart,
  SAMPLE_BYTES,
  SAMPLE_RECORDS_MAX,
  searchStart,
  type TextShape,
  withFile,
} from './file-format.ts'
import { LINE_BYTES_MAX } from './records.ts'

/** How the CSV files of a folder are written. */
export interface CsvOptions extends CsvDialect {
  readonly nullTexts: readonly string[]
  /** The columns in the order of the fields, when files have no header; else null. */
  readonly names: readonly string[] | null
  /** False when columns that nobody declared are not to be read. */
  readonly addsColumns: boolean
}

/** Bytes of a file in which its header is looked for first. */
const HEADER_BYTES = 64 * 1024

interface Beginning {
  readonly prologue: Buffer
  readonly lineCount: number
  readonly names: readonly string[]
}

/** The format of CSV files with these options. */
export function csvFiles(options: CsvOptions): FileFormat {
  let last: { readonly file: string; readonly shape: TextShape } | null = null
  return {
    infer: async (folder, fileNames) => {
      for (const name of fileNames) {
        const columns = await withFile(folder, name, async (file) => {
          const beginning = await readBeginning(file, options)
          return beginning === null ? null : await inferFrom(file, beginning, options)
        })
        if (columns !== null && columns.length > 0) return columns
      }
      return []
    },
    begin: async (file, shape) => {
      if (last?.file !== file.name) {
        const beginning = await readBeginning(file, options)
        const found = beginning === null ? null : await shapeOf(file, beginning, options, shape)
        if (found === null) return null
        last = { file: file.name, shape: found }
      }
      return last.shape
    },
  }
}

async function readBeginning(file: OpenFile, options: CsvOptions): Promise<Beginning | null> {
  const mark = await readMark(file)
  if (options.names !== null) return { prologue: mark, lineCount: 0, names: options.names }
  return searchStart(file, HEADER_BYTES, (start) => {
    const { bytes } = start
    const text = bytes.subarray(mark.length)
    const ended = file.isWhole && start.isAll ? withLineEnd(text) : text
    const end = firstRecordEnd(ended, options)
    if (end === null) return file.isWhole ? withoutHeader(file, start) : null
    const header = ended.subarray(0, end)
    const [fields] = parseRecords(header, options, 1)
    if (fields === undefined) {
      throw new SluiceError('SLU-SRC-1409', {
        message: `The header of ${file.name} is not well formed: a quote does not enclose a field.`,
        context: { file: file.name },
      })
    }
    const prologue = bytes.subarray(0, Math.min(bytes.length, mark.length + end))
    const names = headerNames(fields, file.name)
    return { prologue, lineCount: header.toString('latin1').split('\n').length - 1, names }
  })
}

/** A whole file that holds blank lines alone has no header, and no records either. */
function withoutHeader(file: OpenFile, { bytes, isAll }: FileStart): Beginning | null {
  if (bytes.length > LINE_BYTES_MAX) {
    throw new SluiceError('SLU-SRC-1406', {
      message: `The header of ${file.name} is longer than 16 MiB; perhaps a quote never closes.`,
      context: { file: file.name },
    })
  }
  return isAll && bytes.length > 0 ? { prologue: bytes, lineCount: 0, names: [] } : null
}

function withLineEnd(bytes: Buffer): Buffer {
  if (bytes.length === 0 || bytes.at(-1) === 0x0a) return bytes
  return Buffer.concat([bytes, Buffer.of(0x0a)])
}

/** The columns of a file, typed from its first records; null while it may still get some. */
async function inferFrom(
  file: OpenFile,
  { prologue, names }: Beginning,
  options: CsvOptions,
): Promise<readonly SourceColumn[] | null> {
  const start = await readStart(file, SAMPLE_BYTES)
  const bytes = start.bytes.subarray(prologue.length)
  const ended = start.isAll ? withLineEnd(bytes) : bytes
  const records = parseRecords(ended, options, SAMPLE_RECORDS_MAX)
  if (records.length === 0 && !file.isWhole) return null
  return inferCsvColumns(names, records, options.nullTexts)
}

async function shapeOf(
  file: OpenFile,
  beginning: Beginning,
  options: CsvOptions,
  shape: Shape,
): Promise<TextShape | null> {
  const { names, prologue, lineCount } = beginning
  shape.checkNames(names.map((name) => ({ name })))
  const has = (name: string): boolean =>
    shape.current.columns.some((column) => column.name === name)
  if (options.addsColumns && !names.every(has)) {
    const columns = await inferFrom(file, beginning, options)
    if (columns === null) return null
    shape.add(columns)
  }
  const { delimiter, quote, nullTexts } = options
  const fields = names.map((name) => (has(name) ? name : null))
  const csv: CsvLayout = { delimiter, quote, nullTexts, fields }
  return {
    schema: shape.current,
    format: 'csv',
    csv,
    records: csvFormat(options, names.length),
    prologue,
    prologueLines: lineCount,
  }
}
