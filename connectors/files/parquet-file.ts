/** Parquet files: their rows stay where they are; the engine reads them there. */

import { join } from 'node:path'
import type { ParquetPort, ParquetShape } from '../../src/contracts/index.ts'
import { printColumnType, SluiceError, type SourceColumn } from '../../src/model/index.ts'
import { readFully } from './content.ts'
import { type FileFormat, type OpenFile, withFile } from './file-format.ts'
import type { Folder } from './folder.ts'

/** What the format needs to look into files. */
export type ParquetReader = Pick<ParquetPort, 'describe'>

/** How the Parquet files of a folder are read. */
export interface ParquetOptions {
  readonly reader: ParquetReader
  readonly folder: Folder
  /** Columns to read; null reads all. */
  readonly only: ReadonlySet<string> | null
}

const MAGIC = Buffer.from('PAR1')

/** The format of Parquet files. */
export function parquetFiles(options: ParquetOptions): FileFormat {
  return {
    infer: async (folder, names) => {
      for (const name of names) {
        const columns = await withFile(folder, name, async (file) => {
          const shape = await readShape(file, options)
          return shape === null ? [] : columnsOf(shape, name, options)
        })
        if (columns.length > 0) return columns
      }
      return []
    },
    begin: async (file, shape) => {
      const found = await readShape(file, options)
      if (found === null) return null
      const schema = shape.meet(columnsOf(found, file.name, options))
      const columns = found.columns.map(({ name }) => name)
      const path = join(options.folder.path, file.name)
      return { format: 'parquet', schema, rows: { path, columns, rowCount: found.rowCount } }
    },
  }
}

/** Null for a file that is still being written: its end is not there yet. */
async function readShape(file: OpenFile, { reader, folder }: ParquetOptions) {
  const end = Buffer.alloc(MAGIC.length)
  const { sizeBytes } = file.content
  await readFully(file.content, end, Math.max(0, sizeBytes - end.length))
  if (!end.equals(MAGIC)) {
    if (!file.isWhole) return null
    throw new SluiceError('SLU-SRC-1411', {
      message: `The file ${file.name} does not end as a Parquet file does.`,
      context: { file: file.name, sizeBytes },
    })
  }
  return describeFile(reader, join(folder.path, file.name), file.name)
}

async function describeFile(
  reader: ParquetReader,
  path: string,
  file: string,
): Promise<ParquetShape> {
  try {
    return await reader.describe(path)
  } catch (error) {
    throw new SluiceError('SLU-SRC-1411', {
      message: `The file ${file} cannot be read as Parquet: ${String((error as Error).message)}`,
      context: { file },
      cause: error,
    })
  }
}

function columnsOf(
  { columns }: ParquetShape,
  file: string,
  { only }: ParquetOptions,
): readonly SourceColumn[] {
  const wanted = columns.filter(({ name }) => only?.has(name) ?? true)
  return wanted.map(({ name, type, engineType }) => {
    if (type === null) {
      throw new SluiceError('SLU-SRC-1411', {
        message: `Column "${name}" of ${file} has the type ${engineType}, which no table can hold.`,
        context: { file, column: name },
      })
    }
    // The table remembers the name: it must lead back to the type where one can be written.
    const isNested = typeof type !== 'string' && type.kind !== 'decimal'
    const sourceType = isNested ? engineType : printColumnType(type)
    return { name, type, sourceType, nullable: true }
  })
}
