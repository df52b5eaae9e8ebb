import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
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
let pipeline = ''

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-'))
  pipeline = `again${number++}`
  await server.sql(`
    DROP TABLE IF EXISTS customers, orders;
    CREATE TABLE customers (id int PRIMARY KEY, name text);
    CREATE TABLE orders (id int PRIMARY KEY, note text);
    INSERT INTO customers SELECT i, 'n' || repeat('x', 900) FROM generate_series(1, 3000) i;
    INSERT INTO orders SELECT i, 'o' || i FROM generate_series(1, 100) i;`)
  const text = `apiVersion: v1
store: { url: ./lake }
sources:
  pg: { postgres: { url: '${server.url}', slotWaitMs: 20000 } }
pipelines:
  - name: ${pipeline}
    from: pg
    tables: [public.customers, public.orders]
    commit: { every: 50ms, maxRows: 1000 }
`
  writeFileSync(join(folder, 'sluice.yaml'), text)
})
afterEach(async () => {
  await processes.killAll()
  await server.sql(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots`)
  rmSync(folder, { recursive: true, force: true })
})

const start = (...args: readonly string[]): CliProcess => processes.start(folder, args)
const run = (...args: readonly string[]): Promise<Ended> => start(...args).ended

async function isEqual(table: string): Promise<boolean> {
  const { stdout } = await run('verify', table, '--json')
  return parseDocument('verify', stdout).equal
}

async function versionOf(table: string): Promise<string> {
  const { stdout } = await run('timeline', table, '--limit', '1', '--json')
  return parseDocument('timeline', stdout).commits[0]?.version ?? ''
}

async function countOf(query: string): Promise<unknown> {
  const { stdout } = await run('sql', '--json', `select count(*) from ${query}`)
  return parseDocument('sql', stdout).rows[0]?.[0]
}

/** Changes that no stream tells: the tables are not published meanwhile. */
async function changeUnseen(table: string, sql: string): Promise<void> {
  await server.sql(`ALTER PUBLICATION sluice_${pipeline} DROP TABLE ${table}`)
  await server.sql(sql)
  await server.sql(`ALTER PUBLICATION sluice_${pipeline} ADD TABLE ${table}`)
}

test('source peek shows a table of Postgres before anything of it is copied', async () => {
  const several = await run('source', 'peek')
  expect(several.stderr).toContain('public.customers, public.orders')
  const { stdout } = await run(
    'source',
    'peek',
    '--stream',
    'public.orders',
    '--limit',
    '2',
    '--json',
  )
  const found = parseDocument('source-peek', stdout)
  expect(found.key).toEqual(['id'])
  expect(found.sampled).toEqual({ records: 100, rejected: 0, files: [], isAll: true })
  expect(
    found.columns.map(({ name, sourceType, nullable, examples }) => {
      return [name, sourceType, nullable, examples[0]]
    }),
  ).toEqual([
    ['id', 'integer', false, '1'],
    ['note', 'text', true, 'o1'],
  ])
  expect(found.rows.map(({ values }) => values)).toEqual([
    { id: '1', note: 'o1' },
    { id: '2', note: 'o2' },
  ])
  const big = await run('source', 'peek', '--stream', 'public.customers', '--json')
  expect(parseDocument('source-peek', big.stdout).sampled).toMatchObject({
    records: 1000,
    isAll: false,
  })
  const slots = await server.sql('SELECT slot_name FROM pg_replication_slots')
  expect(slots).toEqual([])
})

test('stops at a lost slot, and copies again in place when told to', async () => {
  expect((await run('run', '--once')).code).toBe(0)
  await server.sql(`SELECT pg_drop_replication_slot('sluice_${pipeline}')`)
  await server.sql(`
    DELETE FROM customers WHERE id <= 10; UPDATE orders SET note = 'changed' WHERE id = 1;
    INSERT INTO orders VALUES (1000, 'in the gap')`)
  const stopped = await run('run', '--once')
  expect([stopped.code, stopped.stderr]).toEqual([6, expect.stringContaining('SLU-SRC-1211')])
  expect(stopped.stderr).toContain('sluice run --on-slot-lost resync')
  expect(await countOf('customers')).toBe(3000)

  const again = await run('run', '--once', '--on-slot-lost', 'resync')
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining('SLU-SRC-1211')])
  expect(await isEqual('customers')).toBe(true)
  expect(await isEqual('orders')).toBe(true)
  expect(await countOf('customers')).toBe(2990)

  await server.sql(`INSERT INTO orders VALUES (1001, 'streamed')`)
  expect((await run('run', '--once')).code).toBe(0)
  expect(await isEqual('orders')).toBe(true)
})

test('copies one table again and leaves the others alone', async () => {
  expect((await run('run', '--once')).code).toBe(0)
  await changeUnseen('customers', 'DELETE FROM customers WHERE id > 2900')
  const before = await versionOf('customers')
  const dry = parseDocument(
    'resync',
    (await run('resync', 'customers', '--dry-run', '--json')).stdout,
  )
  expect(dry).toMatchObject({ dryRun: true, tables: [{ table: 'customers', version: before }] })
  expect(await versionOf('customers')).toBe(before)

  const ordersBefore = await versionOf('orders')
  const asked = await run('resync', 'customers')
  expect([asked.code, asked.stdout]).toEqual([0, expect.stringContaining(`VERSION => ${before}`)])
  await server.sql(`INSERT INTO customers VALUES (5000, 'after the request')`)
  expect((await run('run', '--once')).code).toBe(0)
  expect(await isEqual('customers')).toBe(true)
  expect(await countOf('customers')).toBe(2901)
  expect(await countOf(`customers AT (VERSION => ${before})`)).toBe(3000)
  expect(await versionOf('orders')).toBe(ordersBefore)
})

test('copies again after a kill in the middle of it', async () => {
  expect((await run('run', '--once')).code).toBe(0)
  await changeUnseen('customers', 'DELETE FROM customers WHERE id > 2900')
  expect((await run('resync', 'customers')).code).toBe(0)
  const failpoint = { SLUICE_FAILPOINT: 'staged:2' }
  const killed = await processes.start(folder, ['run', '--once'], failpoint).ended
  expect(killed.code).not.toBe(0)
  expect(killed.stderr).not.toContain('remedy:')
  // Part of the new copy is written; readers still see all of the old one.
  expect(await countOf('customers')).toBe(3000)
  expect((await run('run', '--once')).code).toBe(0)
  expect(await isEqual('customers')).toBe(true)
})

test('is noticed by a pipeline that runs, with its next commit of the table', async () => {
  const live = start('run')
  await live.says('table opened')
  await server.sql(`UPDATE customers SET name = 'first' WHERE id = 1`)
  while ((await countOf(`customers where name = 'first'`)) !== 1) {
    // asked again until the pipeline has caught up
  }
  await changeUnseen('customers', 'DELETE FROM customers WHERE id > 2900')
  expect((await run('resync', 'customers')).code).toBe(0)
  await server.sql(`UPDATE customers SET name = 'second' WHERE id = 1`)
  await live.says('SLU-ING-4015')
  while ((await countOf('customers')) !== 2900) {
    // asked again until the copy is complete
  }
  expect(await isEqual('customers')).toBe(true)
  live.child.kill('SIGTERM')
  expect((await live.ended).code).toBe(0)
})
