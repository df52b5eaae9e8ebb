import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEngine, type Engine } from '../../../../src/engine/index.ts'
import { createSystemClock } from '../../../../src/observe/system-clock.ts'
import { createReader, type Reader, type SqlCell } from '../../../../src/read/index.ts'
import { createPlainTable, type PlainTable } from '../../../support/read/plain-table.ts'
import { schemaOf } from '../../../support/read/schemas.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-read-'))
let engine: Engine
let reader: Reader

const orders = schemaOf({ id: 'integer', state: 'string' }, { key: ['id'] })
const row = (id: number, state: string): string =>
  `SELECT ${id} AS id, '${state}' AS state, 0 AS _sluice_split, ${id}::BIGINT AS _sluice_position`

/** v1: 1 a, 2 b · v2: 3 c · v3: 2 becomes B · v4: 1 deleted. */
async function ordersTable(): Promise<PlainTable> {
  const table = createPlainTable(engine, folder, orders)
  await table.apply({ add: [{ sql: `${row(1, 'a')} UNION ALL ${row(2, 'b')}` }] })
  await table.apply({ add: [{ sql: row(3, 'c') }] })
  await table.apply({ add: [{ sql: row(2, 'B') }], deletes: new Map([['part-0.parquet', [1]]]) })
  await table.apply({ deletes: new Map([['part-0.parquet', [0]]]) })
  return table
}

beforeAll(async () => {
  engine = await createEngine({
    memoryBytes: 256 * 1024 * 1024,
    threads: 1,
    temporaryFolder: join(folder, 'spill'),
  })
  const table = await ordersTable()
  const tables: Readonly<Record<string, PlainTable>> = { orders: table, 'shop.items': table }
  reader = createReader({
    engine,
    clock: createSystemClock(),
    tables: {
      names: async () => Object.keys(tables),
      byName: async (name) => tables[name] ?? null,
      byPath: async (path) => (path === '/lake/orders' ? table : null),
    },
  })
})

afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

async function rows(sql: string): Promise<readonly (readonly SqlCell[])[]> {
  return (await reader.rows(sql)).rows
}

const latest = [
  [2, 'B'],
  [3, 'c'],
]

test('reads the newest version without deleted rows and without meta columns', async () => {
  const result = await reader.rows('select * from orders order by id')
  expect(result.columns).toEqual([
    { name: 'id', type: 'INTEGER' },
    { name: 'state', type: 'VARCHAR' },
  ])
  expect(result.rows).toEqual(latest)
})

test.each([
  ['ORDERS'],
  ['"orders"'],
  ['main.orders'],
  ['shop.items'],
  ['"shop"."items"'],
  ["delta('/lake/orders')"],
])('knows a table as %s', async (name) => {
  expect(await rows(`select * from ${name} order by id`)).toEqual(latest)
})

test('lets columns be qualified by the names of their table', async () => {
  expect(
    await rows('select shop.items.id, o.state from shop.items join orders o using (id) order by 1'),
  ).toEqual(latest)
})

test.each([
  ['orders AT (VERSION => 1)'],
  ['orders at (version => 3 - 2)'],
  ["orders AT (TIMESTAMP => '2026-01-01 00:00:01')"],
  ["orders AT (TIMESTAMP => TIMESTAMPTZ '2026-01-01T00:00:01.9Z')"],
  ["delta('/lake/orders') AT (VERSION => 1)"],
  ['shop.items AT (VERSION => 1)'],
])('reads an older version: %s', async (relation) => {
  expect(await rows(`select * from ${relation} order by id`)).toEqual([
    [1, 'a'],
    [2, 'b'],
  ])
})

test('takes an alias before and behind AT, and the name of the table without one', async () => {
  expect(
    await rows(`select a.id, b.state, orders.state
      from orders AT (VERSION => 1) as a
      join orders b AT (VERSION => 3) on b.id = a.id
      join orders AT (VERSION => 2) on orders.id = a.id
      order by 1`),
  ).toEqual([
    [1, 'a', 'a'],
    [2, 'B', 'b'],
  ])
})

test('lets a common table expression win over a table, but not inside itself', async () => {
  expect(await rows("with orders as (select 7 as id) select 'x', id from orders")).toEqual([
    ['x', 7],
  ])
  expect(
    await rows('with orders as (select id + 1 as i from orders) select sum(i) from orders'),
  ).toEqual([[7n]])
  expect(
    await rows(`with recursive orders as (select 1 as n
      union all select n + 1 from orders where n < 3)
      select max(n) from orders`),
  ).toEqual([[3]])
})

test('leaves strings, comments and quoted aliases alone', async () => {
  expect(
    await rows(`select 'orders AT (VERSION => 1)' as "orders", -- from nowhere AT (VERSION => 9)
      count(*) /* delta('x') */ from orders`),
  ).toEqual([['orders AT (VERSION => 1)', 2n]])
})

test('finds tables in subqueries, joins, set operations and expressions', async () => {
  expect(
    await rows(`select (select count(*) from orders AT (VERSION => 1)),
      id in (from (select id from orders))
      from orders where exists (select 1 from "orders" o where o.id = orders.id)
      union all select 0, false from delta('/lake/orders') order by 1, 2`),
  ).toEqual([
    [0n, false],
    [0n, false],
    [2n, true],
    [2n, true],
  ])
})

test('keeps places right behind letters of several bytes', async () => {
  expect(await rows(`select 'é漢😀' as "ü", count(*) from orders AT (VERSION => 1)`)).toEqual([
    ['é漢😀', 2n],
  ])
})

test('shows the meta columns of a table on demand', async () => {
  const result = await reader.rows("select * from meta('orders') order by id")
  expect(result.columns.map(({ name }) => name)).toEqual([
    'id',
    'state',
    '_sluice_split',
    '_sluice_position',
  ])
  expect(result.rows[0]).toEqual([2, 'B', 0, 2n])
})

test('tells inserts, updates with both images and deletes of a range of versions', async () => {
  const changes = `select id, state, _change_type, _commit_version, _commit_timestamp
    from changes('orders', 1, 4) order by _commit_version, _change_type desc`
  expect(await rows(changes)).toEqual([
    [3, 'c', 'insert', 2n, '2026-01-01T00:00:02Z'],
    [2, 'b', 'update_preimage', 3n, '2026-01-01T00:00:03Z'],
    [2, 'B', 'update_postimage', 3n, '2026-01-01T00:00:03Z'],
    [1, 'a', 'delete', 4n, '2026-01-01T00:00:04Z'],
  ])
})

test('reads changes from the beginning to the end, and none of an empty range', async () => {
  expect(
    await rows("select count(*), max(_commit_version) from changes('orders', 'beginning')"),
  ).toEqual([[6n, 4n]])
  const empty = await reader.rows("select * from changes('orders', 4, 4)")
  expect(empty.rows).toEqual([])
  expect(empty.columns.map(({ name }) => name)).toEqual([
    'id',
    'state',
    '_change_type',
    '_commit_version',
    '_commit_timestamp',
  ])
})

test('describes, summarizes, explains and lists tables', async () => {
  expect((await rows('describe orders')).map((line) => line.slice(0, 2))).toEqual([
    ['id', 'INTEGER'],
    ['state', 'VARCHAR'],
  ])
  expect(await rows('describe orders at (version => 1)')).toHaveLength(2)
  expect(await rows('summarize orders')).toHaveLength(2)
  expect(String((await rows('explain select * from orders at (version => 1)'))[0]?.[1])).toMatch(
    /PARQUET/,
  )
  expect(await rows('show tables;')).toEqual([['orders'], ['shop.items']])
})

test('yields exact values', async () => {
  const result = await rows(`select 9223372036854775807::bigint,
    170141183460469231731687303715884105727::hugeint, 0.10::decimal(38,2),
    timestamptz '2026-01-01 00:00:00.000001+01', timestamp '1969-12-31 23:59:59.5',
    date '2026-02-03', '\\xAB'::blob, [1::bigint, null],
    {'a': 1.5::decimal(3,1)}, map {'k': date '2026-01-01'},
    uuid '00000000-0000-0000-0000-000000000001', 'nan'::double, null, timestamp 'infinity'`)
  expect(result).toEqual([
    [
      9223372036854775807n,
      170141183460469231731687303715884105727n,
      '0.10',
      '2025-12-31T23:00:00.000001Z',
      '1969-12-31T23:59:59.5',
      '2026-02-03',
      '\\xab',
      [1n, null],
      { a: '1.5' },
      [{ key: 'k', value: '2026-01-01' }],
      '00000000-0000-0000-0000-000000000001',
      Number.NaN,
      null,
      'infinity',
    ],
  ])
})

test('hands out as many rows as allowed and tells that there were more', async () => {
  const cut = await reader.rows('select * from range(5000)', { rowsMax: 3000 })
  expect([cut.rows.length, cut.isTruncated]).toEqual([3000, true])
  const whole = await reader.rows('select * from range(3000)', { rowsMax: 3000 })
  expect([whole.rows.length, whole.isTruncated]).toEqual([3000, false])
})

test.each([
  ['select nope from orders', 'SLU-SQL-6001', /nope/],
  ['select * from\n orders whre x', 'SLU-SQL-6001', /line 2/],
  ['select $1', 'SLU-SQL-6001', /parameters/],
  ['', 'SLU-SQL-6001', /no statement/],
  ['-- nothing\n;', 'SLU-SQL-6001', /no statement/],
  ['explain', 'SLU-SQL-6001', /no statement/],
  ['select * from nope', 'SLU-SQL-6002', /orders, shop.items/],
  ["select * from '/etc/passwd'", 'SLU-SQL-6002', /passwd/],
  ['select * from "x.csv"', 'SLU-SQL-6002', /x\.csv/],
  ['(with "x.csv" as (select 1) from "x.csv") union all from "x.csv"', 'SLU-SQL-6002', /x\.csv/],
  ['select * from information_schema.tables', 'SLU-SQL-6002', /information_schema/],
  ["select * from delta('/nowhere')", 'SLU-SQL-6002', /nowhere/],
  ["select * from changes('nope', 1)", 'SLU-SQL-6002', /nope/],
  ["select * from read_text('/etc/passwd')", 'SLU-SQL-6003', /read_text/],
  ["select * from query('select 1')", 'SLU-SQL-6003', /query/],
  ["select json_serialize_plan('select 1')", 'SLU-SQL-6003', /json_serialize_plan/],
  ["select 1 limit (select count(*) from read_csv('/etc/passwd'))", 'SLU-SQL-6003', /read_csv/],
  ["select 1 from orders order by (from system.main.glob('*'))", 'SLU-SQL-6003', /glob/],
  ["select list_transform([1], lambda x: (from 'x.csv'))", 'SLU-SQL-6002', /x\.csv/],
  ["describe 'x.csv'", 'SLU-SQL-6002', /x\.csv/],
  ["from (pivot 'x.csv' on a in (1))", 'SLU-SQL-6002', /x\.csv/],
  ['select * from duckdb_settings()', 'SLU-SQL-6003', /duckdb_settings/],
  ['pragma database_list', 'SLU-SQL-6003', /queries/],
  ["select current_setting('threads')", 'SLU-SQL-6003', /current_setting/],
  ['select 1; select 2', 'SLU-SQL-6003', /one statement/],
  ["copy (select 1) to '/tmp/x'", 'SLU-SQL-6003', /queries/],
  ["explain analyze copy (select 1) to '/tmp/x'", 'SLU-SQL-6003', /queries/],
  ["attach '/tmp/x.db'", 'SLU-SQL-6003', /queries/],
  ['delete from orders', 'SLU-SQL-6003', /queries/],
  ['set threads = 1', 'SLU-SQL-6003', /queries/],
  ['install httpfs', 'SLU-SQL-6003', /queries/],
  ['show all tables', 'SLU-SQL-6003', /SHOW TABLES/],
  ["select cast('x' as integer)", 'SLU-SQL-6004', /x/],
  ['select * from orders at (version => nope)', 'SLU-SQL-6006', /nope/],
  ["select * from orders at (timestamp => 'soon')", 'SLU-SQL-6006', /soon/],
  ['select * from (select 1) t at (version => 1)', 'SLU-SQL-6006', /follow/],
  ['with o as (select 1) select * from o at (version => 1)', 'SLU-SQL-6006', /follow/],
  ["select * from orders at (version => (select 1 from '/etc/passwd'))", 'SLU-SQL-6002', /passwd/],
  ["select * from changes('orders')", 'SLU-SQL-6006', /start after/],
  ["select * from changes('orders', 3, 1)", 'SLU-SQL-6006', /back/],
  ["select * from changes('orders', -2)", 'SLU-SQL-6006', /-2/],
  ['select * from delta(1)', 'SLU-SQL-6006', /quotes/],
  ['select * from orders at (version => 99)', 'SLU-TAB-3003', /version/],
])('refuses %s with %s', async (sql, code, message) => {
  await expect(reader.rows(sql)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  })
})

test('ends a query that computes when the signal aborts', async () => {
  const endless = 'select sum(a.range * b.range) from range(10000000) a, range(10000000) b'
  const reading = reader.rows(endless, { signal: AbortSignal.timeout(30) })
  await expect(reading).rejects.toMatchObject({ code: 'SLU-SQL-6005' })
})

test('ends a query that yields rows when the signal aborts', async () => {
  const controller = new AbortController()
  await using result = await reader.sql('from range(1000000000)', { signal: controller.signal })
  const reading = (async () => {
    for await (const batch of result.batches()) {
      expect(batch).toHaveLength(2048)
      controller.abort()
    }
  })()
  await expect(reading).rejects.toMatchObject({ code: 'SLU-SQL-6005' })
})

test('does not start a query whose signal has aborted', async () => {
  await expect(reader.rows('select 1', { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'SLU-SQL-6005',
  })
})

test('tells that a data file is gone, and still reads the versions without it', async () => {
  const table = createPlainTable(engine, mkdtempSync(join(folder, 'gone-')), orders)
  await table.apply({ add: [{ sql: row(1, 'a') }] })
  await table.apply({ add: [{ sql: row(2, 'b') }] })
  const [first, second] = [...(await table.latest()).files()].map((file) => table.readUrl(file))
  rmSync(second as string)
  const tables = { names: async () => ['t'], byName: async () => table, byPath: async () => null }
  const over = createReader({ engine, clock: createSystemClock(), tables })
  await expect(over.rows('select count(*) from t')).rejects.toMatchObject({
    code: 'SLU-STO-2005',
    message: expect.stringContaining(second as string),
  })
  expect((await over.rows('select id from t at (version => 1)')).rows).toEqual([[1]])
  expect(first).not.toBe(second)
})

const page = readFileSync(join(import.meta.dirname, '../../../../docs/sql.md'), 'utf8')
const examples = [...page.matchAll(/```sql\n(.*?)```/gs)]
  .flatMap(([, block]) => (block as string).split(';\n'))
  .map((sql) => sql.trim())
  .filter((sql) => sql !== '')

test('has examples in the docs', () => expect(examples.length).toBeGreaterThan(8))

test.each(examples)('runs the example of the docs: %s', async (sql) => {
  expect(await rows(sql)).not.toEqual([])
})

test('leaves nothing behind in the engine', async () => {
  await rows('select * from orders')
  await expect(rows('select * from nope')).rejects.toThrow()
  await using session = await engine.session()
  const databases = await session.query(
    "select count(*) from duckdb_databases() where database_name like 'sluice%'",
  )
  expect(databases.rows).toEqual([[0n]])
})
