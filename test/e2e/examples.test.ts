import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CliResult, type CliSurroundings, runInFolder } from '../support/cli/host.ts'
import { createProcesses } from '../support/cli/process.ts'
import { type CommandLine, commandLines } from '../support/doc-examples.ts'

/** Examples that need a server or do not end by themselves, and the test that runs the like. */
const ELSEWHERE: readonly (readonly [RegExp, string])[] = [
  [/^(quickstart|dev)\b/, 'test/crash/quickstart.test.ts'],
  [/^run( --listen|$)/, 'test/e2e/service.test.ts'],
  [/--follow/, 'test/e2e/cli.test.ts'],
  [/^(init|source \w+) .*postgres:/, 'test/e2e/postgres-setup.test.ts'],
  [/^resync/, 'test/e2e/resync.test.ts'],
  [/^verify/, 'test/e2e/postgres.test.ts'],
]
const isElsewhere = ({ args }: CommandLine): boolean =>
  ELSEWHERE.some(([pattern]) => pattern.test(args.join(' ')))

const CONFIG = `apiVersion: v1
store: { url: ./lake }
sources:
  orders: { files: { path: ./landing/orders, stream: orders } }
  customers: { files: { path: ./landing/customers, stream: customers } }
  stock: { files: { path: ./landing/stock, stream: stock } }
pipelines:
  - { name: shop, from: orders, tables: [orders], to: { key: [id] }, onError: dlq }
  - { name: customers, from: customers, tables: [customers], to: { key: [id] } }
  - { name: stock, from: stock, tables: [stock], to: { key: [shop, item] } }
`

/** Paths that a command takes from the folder it is started in. */
const NAMES_PATH = /conf\.d|delta\(/
const VERSIONS = 45
let folder = ''

const processes = createProcesses()
const sluice = (args: readonly string[], surroundings?: CliSurroundings): Promise<CliResult> =>
  runInFolder(folder, args, surroundings)

async function runExample(args: readonly string[]): Promise<CliResult> {
  if (args[0] === 'init') return sluice([...args, '--force', '-c', join(folder, 'made.yaml')])
  if (!NAMES_PATH.test(args.join(' '))) return sluice(args)
  const { code, ...text } = await processes.start(folder, args).ended
  return { exitCode: code ?? -1, ...text }
}

function land(table: string, records: readonly object[]): void {
  const lines = records.map((record) => `${JSON.stringify(record)}\n`)
  appendFileSync(join(folder, 'landing', table, 'a.ndjson'), lines.join(''))
}

const order = (id: number, day: number) => ({
  id,
  customer: 1,
  status: 'paid',
  state: 'NY',
  total: id * day,
})

async function ingest(nowMs: number, ...names: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await sluice(['run', ...names, '--once'], { nowMs })
  if (exitCode !== 0) throw new Error(stderr)
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-examples-'))
  for (const table of ['orders', 'customers', 'stock']) {
    mkdirSync(join(folder, 'landing', table), { recursive: true })
  }
  writeFileSync(join(folder, 'sluice.yaml'), CONFIG)
  mkdirSync(join(folder, 'conf.d'))
  writeFileSync(join(folder, 'conf.d', 'sluice.yaml'), CONFIG.replace('./lake', '"${LAKE}"'))
  land('customers', [{ id: 1, name: 'Ada' }])
  land('stock', [{ shop: 'a', item: 7, left: 3 }])
  land('orders', [order(41, 1), order(42, 1)])
  await ingest(Date.parse('2026-01-29T10:00:00Z'))
  for (let day = 2; day <= VERSIONS; day++) {
    land('orders', [order(42, day), order(day % 5, day)])
    await ingest(Date.parse('2026-01-30T10:00:00Z') + day, 'shop')
  }
  appendFileSync(join(folder, 'landing', 'orders', 'a.ndjson'), '{"id":1,"total":"much"}\n')
  land('stock', [{ shop: 'a', item: 7, left: 2 }])
  await ingest(Date.parse('2026-02-01T10:00:00Z'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const here = [...new Map(commandLines().map((one) => [one.line, one])).values()].filter(
  (one) => !isElsewhere(one),
)

test('finds the examples', () => expect(here.length).toBeGreaterThan(40))

test.each(here.map((one) => [one.line, one] as const))('runs %s', async (_, { place, args }) => {
  const { exitCode, stdout, stderr } = await runExample(args)
  const mayDiffer = args.includes('--exit-code')
  expect([0, ...(mayDiffer ? [10] : [])], `${place}: ${stderr}`).toContain(exitCode)
  expect(`${stdout}${stderr}`.trim(), place).not.toBe('')
})
