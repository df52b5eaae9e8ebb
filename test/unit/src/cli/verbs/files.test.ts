import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseDocument } from '../../../../support/cli/documents.ts'
import { createOrdersLake, type OrdersLake } from '../../../../support/cli/orders-lake.ts'

let lake: OrdersLake
beforeAll(async () => {
  lake = await createOrdersLake()
})
afterAll(() => lake[Symbol.dispose]())

const sluice = (...args: readonly string[]) => lake.sluice(...args)

const filesOf = async (...args: readonly string[]) =>
  parseDocument('files', (await sluice('files', 'orders', '--json', ...args)).stdout)

test('lists the files of a version with rows, deleted rows and partition', async () => {
  const { files, fileCount, version } = await filesOf('--version', '2')
  expect(version).toBe('2')
  expect(files).toHaveLength(fileCount)
  const rows = files.map((file) => [file.partition.shop, file.rowCount, file.deletedRows])
  expect(rows.toSorted()).toEqual([
    ['a', 1, 0],
    ['a', 1, 2],
    ['b', 1, 0],
  ])
})

test('stops at the limit and says so', async () => {
  expect((await filesOf('--limit', '1')).files).toHaveLength(1)
  const text = await sluice('files', 'orders', '--limit', '1')
  expect(text.stdout).toContain('shop=')
  expect(text.stderr).toMatch(/… 1 of \d+ files/)
})

test('refuses a version that is no number, or not there', async () => {
  expect((await sluice('files', 'orders', '--version', 'x')).stderr).toContain('SLU-CLI-8001')
  expect((await sluice('files', 'orders', '--version', '99')).exitCode).toBe(3)
})
