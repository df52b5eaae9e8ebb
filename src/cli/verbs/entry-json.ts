/** Commits in JSON documents. */

import type { TimelineEntry } from '../../model/index.ts'
import { timeJson } from '../format.ts'
import { cursorJson } from './cursor-json.ts'

/** A commit without its raw details. */
export function entryJson(entry: TimelineEntry): object {
  return {
    version: entry.version,
    time: timeJson(entry.timestampMicros),
    operation: entry.operation,
    operationName: entry.operationName,
    writer: entry.writer,
    addedFiles: entry.addedFiles,
    removedFiles: entry.removedFiles,
    addedBytes: entry.addedBytes,
    addedRows: entry.addedRows,
    deletedRows: entry.deletedRows,
    deletionVectors: entry.deletionVectors,
    accounting: entry.accounting,
    cursors: entry.cursors.map(cursorJson),
    stepTimingsMs: entry.stepTimingsMs,
  }
}
