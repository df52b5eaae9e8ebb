/** `sluice files TABLE`: the data files of a version. */

import type { Snapshot } from '../../contracts/index.ts'
import { type DataFile, microsFromMs } from '../../model/index.ts'
import { findTable, openTable, snapshotAt, type VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { countText, sizeText, timeJson, timeText, UNKNOWN } from '../format.ts'
import { partitionOf, partitionText } from '../partition-text.ts'

/** Options of the command. */
export interface FilesOptions {
  readonly limit: number
  readonly version?: string
}

/** Lists live files in the stable order of the snapshot. Throws SLU-TAB-3003. */
export async function filesVerb(
  context: VerbContext,
  name: string,
  options: FilesOptions,
): Promise<number> {
  await using runtime = await context.openRuntime()
  const found = findTable(runtime.config, name)
  await using table = await openTable(runtime, found)
  const snapshot = await snapshotAt(table, options.version)
  const files: DataFile[] = []
  for (const file of snapshot.files()) {
    if (files.length === options.limit) break
    files.push(file)
  }
  const { output } = context
  output.document('files', {
    table: found.target.table,
    version: snapshot.version,
    fileCount: snapshot.fileCount,
    sizeBytes: snapshot.sizeBytes,
    files: files.map((file) => fileJson(snapshot, file)),
  })
  output.table(
    [
      { title: 'file', align: 'left' },
      { title: 'size', align: 'right' },
      { title: 'rows', align: 'right' },
      { title: 'deleted', align: 'right' },
      { title: 'written', align: 'left' },
      { title: 'partition', align: 'left' },
    ],
    files.map((file) => [
      file.path,
      sizeText(file.sizeBytes),
      countText(liveRowsOf(file)),
      countText(deletedRowsOf(file)),
      timeText(microsFromMs(file.modificationTimeMs)),
      partitionText(partitionOf(snapshot.schema, file)) || UNKNOWN,
    ]),
  )
  if (files.length < snapshot.fileCount) {
    output.note(`… ${files.length} of ${snapshot.fileCount} files: --limit ${snapshot.fileCount}`)
  }
  return EXIT.ok
}

/** Rows of a file that its vector does not hide; null without statistics. */
export function liveRowsOf(file: DataFile): number | null {
  return file.statistics === null ? null : file.statistics.recordCount - deletedRowsOf(file)
}

/** Rows of a file that its vector hides. */
export function deletedRowsOf({ deletionVector }: DataFile): number {
  return deletionVector?.cardinality ?? 0
}

function fileJson({ schema }: Snapshot, file: DataFile): object {
  return {
    path: file.path,
    sizeBytes: file.sizeBytes,
    rowCount: liveRowsOf(file),
    deletedRows: deletedRowsOf(file),
    modifiedAt: timeJson(microsFromMs(file.modificationTimeMs)),
    partition: partitionOf(schema, file),
  }
}
