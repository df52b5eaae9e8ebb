import { expect, test } from 'vitest'
import { groupRuns, totalMs } from '../../../../../src/cli/verbs/timeline.ts'
import { timelineEntry as entry } from '../../../../support/cli/timeline-entry.ts'

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
