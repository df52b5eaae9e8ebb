import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseDocument } from '../../../support/cli/documents.ts'
import { runInFolder } from '../../../support/cli/host.ts'

const CONFIG = `apiVersion: v1
store: { url: ./lake }
sources:
  landing: { files: { path: ./in, stream: orders } }
  log: { files: { path: ./log, stream: events } }
pipelines:
  - name: orders
    from: landing
    tables: [orders]
    to:
      key: [shop, id]
      partitionBy: [shop]
      deleteWhen: { column: op, equals: del }
  - name: events
    from: log
    tables: [events]
`

let folder = ''
const sluice = (...args: readonly string[]) => runInFolder(folder, args)

async function land(file: string, ...rows: readonly object[]): Promise<void> {
  appendFileSync(join(folder, file), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  expect((await sluice('run', '--quiet')).exitCode).toBe(0)
}

/** Versions of orders: 1 three inserts, 2 an update and a delete, 3 a new column, 4 a delete. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-table-verbs-'))
  mkdirSync(join(folder, 'in'))
  mkdirSync(join(folder, 'log'))
  writeFileSync(join(folder, 'sluice.yaml'), CONFIG)
  writeFileSync(join(folder, 'log', 'a.ndjson'), '{"n":1}\n{"n":1}\n{"n":2}\n')
  const orders = 'in/a.ndjson'
  await land(
    orders,
    { shop: 'a', id: 1, name: 'one', op: 'put' },
    { shop: 'a', id: 2, name: 'two', op: 'put' },
    { shop: 'b', id: 1, name: 'other', op: 'put' },
  )
  await land(orders, { shop: 'a', id: 1, name: 'ONE', op: 'put' }, { shop: 'a', id: 2, op: 'del' })
  appendFileSync(join(folder, 'log', 'a.ndjson'), '{"n":2}\n{"n":3}\n')
  await land(orders, { shop: 'b', id: 7, name: 'seven', op: 'put', size: 5 })
  await land(orders, { shop: 'b', id: 7, op: 'del' })
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('files', () => {
  const filesOf = async (...args: readonly string[]) =>
    parseDocument('files', (await sluice('files', 'orders', '--json', ...args)).stdout)

  test('lists the files of a version with rows, deleted rows and partition', async () => {
    const { files, fileCount, version } = await filesOf('--version', '2')
    expect(version).toBe('2')
    expect(files).toHaveLength(fileCount)
    const rows = files.map((file) => [file.partition.shop, file.rowCount, file.deletedRows])
    expect(rows.toSorted()).toEqual([
      ['a', 1, 0],
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
})

describe('stats', () => {
  test('adds up to the table', async () => {
    const { stdout } = await sluice('stats', 'orders', '--json')
    const stats = parseDocument('stats', stdout)
    expect(stats).toMatchObject({ rowCount: '2', partitionCount: 2, smallFiles: stats.fileCount })
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
    expect(sum(stats.histogram.map(({ count }) => count))).toBe(stats.fileCount)
    expect(sum(stats.partitions.map(({ sizeBytes }) => sizeBytes))).toBe(stats.sizeBytes)
    expect(sum(stats.partitions.map(({ rowCount }) => rowCount ?? 0))).toBe(2)
    expect(stats.writing).toMatchObject({ changedRows: 5, addedRows: 5, amplification: 1 })
  })

  test('draws a table without partitions too', async () => {
    const { stdout } = await sluice('stats', 'events')
    expect(stdout).toContain('file size')
    expect(stdout).not.toContain('partition')
  })
})
