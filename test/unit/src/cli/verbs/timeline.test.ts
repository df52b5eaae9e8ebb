import { expect, test } from 'vitest'
import { groupRuns, totalMs } from '../../../../../src/cli/verbs/timeline.ts'
import type { CommitOperation, TimelineEntry } from '../../../../../src/model/index.ts'

function entry(version: bigint, operation: CommitOperation): TimelineEntry {
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

test('puts neighbouring commits of one kind into one run', () => {
  const entries = [
    entry(4n, 'ingest'),
    entry(3n, 'ingest'),
    entry(2n, 'schema'),
    entry(1n, 'ingest'),
  ]
  const runs = groupRuns(entries).map(
    ({ operation, oldest, newest, count, addedRows, deletedRows }) => [
      operation,
      oldest.version,
      newest.version,
      count,
      addedRows,
      deletedRows,
    ],
  )
  expect(runs).toEqual([
    ['ingest', 3n, 4n, 2, 20, 4],
    ['schema', 2n, 2n, 1, 10, 2],
    ['ingest', 1n, 1n, 1, 10, 2],
  ])
  expect(groupRuns([])).toEqual([])
})

test('adds up the steps of a commit, or knows nothing', () => {
  expect(totalMs(entry(1n, 'ingest'))).toBe(7)
  expect(totalMs({ ...entry(1n, 'ingest'), stepTimingsMs: {} })).toBeNull()
})
