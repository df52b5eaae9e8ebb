/** A commit as the timeline shows it, for what is worked out from several. */

import type { CommitOperation, TimelineEntry } from '../../../src/model/index.ts'

/** Adds ten rows in 100 bytes and hides two; its writer counts no changes. */
export function timelineEntry(version: bigint, operation: CommitOperation): TimelineEntry {
  return {
    version,
    timestampMicros: version * 1_000_000n,
    operation,
    operationName: 'STREAMING UPDATE',
    writer: 'sluice',
    addedFiles: 1,
    removedFiles: 0,
    addedBytes: 100,
    addedRows: 10,
    deletedRows: 2,
    deletionVectors: 1,
    accounting: null,
    cursors: [],
    stepTimingsMs: { stage: 3, commit: 4 },
    schema: () => null,
    commitInfo: {},
  }
}
