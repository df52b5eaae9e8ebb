/**
 * A folder of NDJSON files as an ordered, replayable source.
 * Comes in: settings and the cursor of a table. Goes out: blocks of whole lines, in the order of
 * the file names.
 * Must never: skip a line, read one twice, make an object per line, or change a file.
 */

export { createFilesSource } from './create-source.ts'
export { type FilesSettings, filesSettingsSchema, filesSpec } from './spec.ts'
