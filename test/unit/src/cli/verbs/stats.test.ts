import { afterAll, beforeAll, expect, test } from 'vitest'
import { writingOf } from '../../../../../src/cli/verbs/stats.ts'
import { NO_RECORDS } from '../../../../../src/ingest/unit.ts'
import { parseDocument } from '../../../../support/cli/documents.ts'
import { createOrdersLake, type OrdersLake } from '../../../../support/cli/orders-lake.ts'
import { timelineEntry } from '../../../../support/cli/timeline-entry.ts'

let lake: OrdersLake
beforeAll(async () => {
  lake = await createOrdersLake()
})
afterAll(() => lake[Symbol.dispose]())

const sluice = (...args: readonly string[]) => lake.sluice(...args)

test('adds up to the table', async () => {
  const { stdout } = await sluice('stats', 'orders', '--json')
  const stats = parseDocument('stats', stdout)
  expect(stats).toMatchObject({ rowCount: '3', partitionCount: 2, smallFiles: stats.fileCount })
  expect(stats).toMatchObject({ deletedRows: 2, deletedShare: 0.4, filesWithVector: 1 })
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
  expect(sum(stats.histogram.map(({ count }) => count))).toBe(stats.fileCount)
  expect(sum(stats.partitions.map(({ sizeBytes }) => sizeBytes))).toBe(stats.sizeBytes)
  expect(sum(stats.partitions.map(({ rowCount }) => rowCount ?? 0))).toBe(3)
  expect(stats.writing).toMatchObject({ changedRows: 6, addedRows: 6, amplification: 1 })
})

test('draws a table without partitions too', async () => {
  const { stdout } = await sluice('stats', 'events')
  expect(stdout).toContain('file size')
  expect(stdout).not.toContain('partition')
})

test('does not hold the rows of other writers against ours', () => {
  const accounting = { ...NO_RECORDS, inserted: 3, updated: 2, deleted: 4 }
  const own = { ...timelineEntry(2n, 'ingest'), accounting }
  expect(writingOf([own, timelineEntry(1n, 'foreign')])).toEqual({
    commits: 2,
    addedBytes: 200,
    addedRows: 10,
    changedRows: 5,
    amplification: 2,
  })
  expect(writingOf([timelineEntry(1n, 'foreign')]).amplification).toBeNull()
})
