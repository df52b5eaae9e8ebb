/** NDJSON files: one JSON object a line. */

import type { SourceColumn } from '../../src/model/index.ts'
import { inferColumns } from './column-types.ts'
import {
  byteOrderMark,
  type FileFormat,
  readStart,
  SAMPLE_BYTES,
  SAMPLE_RECORDS_MAX,
  searchStart,
} from './file-format.ts'
import { type Folder, withFile } from './folder.ts'
import { JSON_LINES } from './lines.ts'

/** The format of NDJSON files. */
export const JSON_FILES: FileFormat = {
  infer: inferFromFirstFile,
  begin: async (file, shape) => ({
    schema: shape.current,
    format: 'json-lines',
    records: JSON_LINES,
    prologue: byteOrderMark(await readStart(file, 3), file.name),
    prologueLines: 0,
  }),
}

async function inferFromFirstFile(
  folder: Folder,
  names: readonly string[],
): Promise<readonly SourceColumn[]> {
  for (const name of names) {
    const lines = await readSample(folder, name)
    if (lines.length > 0) return inferColumns(lines, name)
  }
  return []
}

/** The first records of a file; a line that is cut by the end of the sample is left out. */
async function readSample(folder: Folder, name: string): Promise<readonly string[]> {
  const found = await withFile(folder, name, (handle, sizeBytes) =>
    searchStart({ name, handle, sizeBytes, isWhole: true }, SAMPLE_BYTES, (bytes) => {
      const text = bytes.toString('utf8').replace(/^\uFEFF/, '')
      const lines = text.split('\n', SAMPLE_RECORDS_MAX + 1)
      if (bytes.length < sizeBytes || lines.length > SAMPLE_RECORDS_MAX) lines.pop()
      const records = lines.filter((line) => line.trim() !== '')
      return records.length > 0 ? records : null
    }),
  )
  return found ?? []
}
