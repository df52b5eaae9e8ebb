import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { startServer, type TestServer } from '../integration/connectors/postgres/harness.ts'
import { parseDocument } from '../support/cli/documents.ts'
import { type CliProcess, createProcesses, type Ended } from '../support/cli/process.ts'

const processes = createProcesses()
let server: TestServer
let folder = ''
let number = 0
/** Fresh for each test, as slots and publications carry it. */
let pipeline = ''

beforeAll(async () => {
  server = await startServer()
  await server.sql(`CREATE TABLE customers (id int PRIMARY KEY, name text, balance numeric(12,2))`)
  await server.sql(
    `INSERT INTO customers SELECT i, 'n' || i, i * 1.25 FROM generate_series(1, 500) i`,
  )
  await server.sql('CREATE TABLE orders (id bigint PRIMARY KEY, customer int, note text)')
  await server.sql(
    `INSERT INTO orders SELECT i, i % 500, repeat('x', 9000) FROM generate_series(1, 50) i`,
  )
  await server.sql(`CREATE ROLE reader LOGIN PASSWORD 'reader'`)
})
afterAll(() => server[Symbol.asyncDispose]())

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-'))
  pipeline = `shop${number++}`
})
afterEach(async () => {
  await processes.killAll()
  rmSync(folder, { recursive: true, force: true })
})

function configure(url: string, changes: (text: string) => string = (text) => text): void {
  const text = `apiVersion: v1
store: { url: ./lake }
sources:
  pg: { postgres: { url: '${url}', connectTimeoutMs: 2000 } }
pipelines:
  - name: ${pipeline}
    from: pg
    tables: [public.customers, public.orders]
    commit: { every: 100ms }
`
  writeFileSync(join(folder, 'sluice.yaml'), changes(text))
}

const start = (...args: readonly string[]): CliProcess => processes.start(folder, args)
const run = (...args: readonly string[]): Promise<Ended> => start(...args).ended

async function failsWith(args: readonly string[], code: string, exitCode: number): Promise<string> {
  const ended = await run(...args)
  expect([ended.code, ended.stderr]).toEqual([exitCode, expect.stringContaining(code)])
  expect(ended.stderr).toContain('remedy:')
  return ended.stderr
}

test('copies, catches up, and equals the database row for row', async () => {
  configure(server.url)
  const checked = parseDocument('check', (await run('check', '--json')).stdout)
  expect(checked.checks.filter(({ status }) => status === 'fail')).toEqual([])

  const first = await run('run', '--once', '--json')
  expect(parseDocument('run', first.stdout).pipelines[0]).toMatchObject({ end: 'drained' })
  // Nothing to do: still comes to an end.
  expect((await run('run', '--once')).code).toBe(0)

  await server.sql(`UPDATE customers SET balance = balance + 0.01 WHERE id <= 10`)
  await server.sql(`UPDATE orders SET customer = 7 WHERE id <= 5`)
  await server.sql(`DELETE FROM customers WHERE id = 500`)
  await server.sql(`UPDATE orders SET id = 1000 WHERE id = 50`)
  expect((await run('run', '--once')).code).toBe(0)

  for (const table of ['customers', 'orders']) {
    const verified = parseDocument('verify', (await run('verify', table, '--json')).stdout)
    expect(verified).toMatchObject({ equal: true, unsettledKeys: '0' })
  }
  const query = 'select count(*), sum(balance) from customers'
  const { rows } = parseDocument('sql', (await run('sql', '--json', query)).stdout)
  const [expected] = await server.sql('SELECT count(*)::int c, sum(balance)::text s FROM customers')
  expect(rows[0]).toEqual([expected?.c, expected?.s])
})

test('tells the differing keys with exit code 10', async () => {
  configure(server.url)
  const live = start('run')
  await live.says('table opened')
  const equal = await run('verify', 'customers', '--json', '--timeout', '60s')
  expect(parseDocument('verify', equal.stdout)).toMatchObject({ equal: true })
  await server.sql(`ALTER PUBLICATION sluice_${pipeline} DROP TABLE customers`)
  await server.sql(`INSERT INTO customers VALUES (9001, 'behind the back', 1)`)
  await server.sql(`ALTER PUBLICATION sluice_${pipeline} ADD TABLE customers`)
  const ended = await run('verify', 'customers', '--json')
  await server.sql('DELETE FROM customers WHERE id = 9001')
  expect([ended.code, ended.stderr]).toEqual([10, ''])
  expect(parseDocument('verify', ended.stdout)).toMatchObject({
    equal: false,
    missingRows: '1',
    extraRows: '0',
    differences: [{ kind: 'missing', key: [9001] }],
  })
})

test('refuses a comparison while nobody brings the table up to the source', async () => {
  configure(server.url)
  expect((await run('run', '--once')).code).toBe(0)
  await server.sql(`UPDATE customers SET name = 'later' WHERE id = 1`)
  await failsWith(['verify', 'customers'], 'SLU-CLI-8007', 9)
})

test('rides out a server that is gone for a while', async () => {
  await using own = await startServer()
  await own.sql('CREATE TABLE customers (id int PRIMARY KEY)')
  await own.sql('CREATE TABLE orders (id int PRIMARY KEY, note text)')
  configure(own.url)
  expect((await run('run', '--once')).code).toBe(0)
  const live = start('run')
  await live.says('table opened')
  await own.stop()
  await live.says('starting over')
  let code: string | undefined
  while (code === undefined) {
    const away = parseDocument('status', (await run('status', '--json')).stdout)
    code = away.pipelines[0]?.lastError?.code
  }
  expect(code).toMatch(/^SLU-SRC-12/)
  const checked = await run('check')
  expect([checked.code, checked.stdout]).toEqual([10, expect.stringContaining('SLU-SRC-1200')])
  await own.restart()
  await own.sql(`INSERT INTO orders VALUES (5000, 'after the outage')`)
  const feed = start('changes', 'orders', '--from', 'beginning', '--follow', '--ndjson')
  for (;;) {
    const line = await feed.nextLine()
    if (line === null || line.includes('after the outage')) break
  }
  const verified = parseDocument('verify', (await run('verify', 'orders', '--json')).stdout)
  expect(verified.equal).toBe(true)
  live.child.kill('SIGTERM')
  expect((await live.ended).code).toBe(0)
})

test('ends with a code, a cause and a remedy when it may not or cannot', async () => {
  const url = new URL(server.url)
  const withUser = (user: string, password: string): string => {
    const other = new URL(url)
    other.username = user
    other.password = password
    return other.href
  }
  configure(withUser('postgres', 'wrong'))
  await failsWith(['run'], 'SLU-SRC-1201', 4)
  configure(withUser('reader', 'reader'))
  await failsWith(['run'], 'SLU-SRC-1204', 4)
  const nowhere = new URL(url)
  nowhere.pathname = '/nowhere'
  configure(nowhere.href)
  await failsWith(['run'], 'SLU-SRC-1202', 78)
  configure(server.url, (text) => text.replace('public.orders', 'public.nothing'))
  await failsWith(['run'], 'SLU-', 78)
  configure(server.url, (text) => text.replace('./lake', './file'))
  writeFileSync(join(folder, 'file'), '')
  await failsWith(['run'], 'SLU-STO-2001', 4)
})

test('changes nothing in a folder that belongs to something else', async () => {
  configure(server.url)
  const log = join(folder, 'lake', 'customers', '_delta_log')
  mkdirSync(log, { recursive: true })
  const metaData = {
    id: '00000000-0000-0000-0000-000000000001',
    format: { provider: 'parquet', options: {} },
    schemaString: '{"type":"struct","fields":[]}',
    partitionColumns: [],
    configuration: {},
  }
  const protocol = { minReaderVersion: 1, minWriterVersion: 2 }
  const foreign = [{ protocol }, { metaData }].map((action) => JSON.stringify(action))
  writeFileSync(join(log, '00000000000000000000.json'), `${foreign.join('\n')}\n`)
  await failsWith(['run'], 'SLU-ING-4006', 78)
})

test('asks for wal_level = logical', async () => {
  await using plain = await startServer({ wal_level: 'replica' })
  await plain.sql('CREATE TABLE customers (id int PRIMARY KEY)')
  await plain.sql('CREATE TABLE orders (id int PRIMARY KEY)')
  configure(plain.url)
  const stderr = await failsWith(['run'], 'SLU-SRC-1203', 78)
  expect(stderr).toContain('wal_level')
})
