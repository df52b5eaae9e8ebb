/** NDJSON files: one JSON object a line. */

import {
  findUnknownMembers,
  LF,
  OPENING_BRACE,
  SluiceError,
  type SourceColumn,
  skipSpace,
} from '../../src/model/index.ts'
import {
  byteOrderMark,
  type FileFormat,
  readMark,
  SAMPLE_BYTES,
  SAMPLE_RECORDS_MAX,
  searchStart,
  withFile,
} from './file-format.ts'
import type { Folder } from './folder.ts'
import { JSON_LINES } from './lines.ts'

/** The format of NDJSON files; members that are `declared` are not inferred. */
export function jsonFiles(declared: ReadonlySet<string>): FileFormat {
  return {
    infer: async (folder, names) => {
      for (const name of names) {
        const sample = await readSample(folder, name)
        if (sample !== null) return inferFrom(sample, declared, name)
      }
      return []
    },
    begin: async (file, shape) => ({
      // Grows while the file is read.
      get schema() {
        return shape.current
      },
      format: 'json-lines',
      records: JSON_LINES,
      prologue: await readMark(file),
      prologueLines: 0,
    }),
  }
}

function inferFrom(
  { bytes, firstLine, isRecord }: Sample,
  declared: ReadonlySet<string>,
  file: string,
): readonly SourceColumn[] {
  const found = findUnknownMembers(bytes, declared, { file, firstLine })
  if (found !== null || declared.size > 0) return found?.columns ?? []
  if (isRecord) {
    throw new SluiceError('SLU-SRC-1402', { message: `${file} has no record that names a column.` })
  }
  throw new SluiceError('SLU-SRC-1407', { message: `${file}:${firstLine} is not a JSON object.` })
}

/** The first lines of a file from the first record on; one that is cut is left out. */
export interface Sample {
  readonly bytes: Buffer
  readonly firstLine: number
  /** True when the first of them begins as an object. */
  readonly isRecord: boolean
}

/** Reads the first lines of a file; null when it has none yet. */
export async function readSample(folder: Folder, name: string): Promise<Sample | null> {
  return await withFile(folder, name, (file) =>
    searchStart(file, SAMPLE_BYTES, ({ bytes, isAll }) =>
      sampleOf(bytes.subarray(byteOrderMark(bytes, name).length), isAll),
    ),
  )
}

function sampleOf(bytes: Buffer, isAll: boolean): Sample | null {
  const first = skipSpace(bytes, 0, bytes.length)
  if (first === bytes.length) return null
  const start = bytes.lastIndexOf(LF, first) + 1
  let end = start
  for (let count = 0; count < SAMPLE_RECORDS_MAX; count++) {
    const next = bytes.indexOf(LF, end) + 1
    if (next === 0) {
      if (isAll) end = bytes.length
      break
    }
    end = next
  }
  if (end === start) return null
  const firstLine = bytes.toString('latin1', 0, start).split('\n').length
  const isRecord = bytes[first] === OPENING_BRACE
  return { bytes: bytes.subarray(start, end), firstLine, isRecord }
}
