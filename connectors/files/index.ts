/**
 * A folder of NDJSON, CSV or Parquet files as an ordered, replayable source.
 * Comes in: settings and the cursor of a table. Goes out: blocks of whole records, in the order of
 * the file names.
 * Must never: skip a record, read one twice, make an object per record, or change a file.
 */

export { createFilesSource } from './create-source.ts'
export { type FilesSettings, filesSettingsSchema, filesSpec } from './spec.ts'
