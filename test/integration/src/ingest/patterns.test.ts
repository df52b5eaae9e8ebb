/** Tables that patterns choose: at the start, while the pipeline runs, and when they go. */

import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createLivePipeline } from '../../../support/postgres/live-pipeline.ts'
import {
  currentPosition,
  resetServer,
  startServer,
  type TestServer,
} from '../../connectors/postgres/harness.ts'

/** Tables that come and go are noticed at once. */
const SOON = 'discoverIntervalMs: 100'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})
beforeEach(async () => {
  await resetServer(server)
  await server.sql('DROP PUBLICATION IF EXISTS sluice_live')
  await server.sql('DROP SCHEMA IF EXISTS sales CASCADE; CREATE SCHEMA sales')
})

test('patterns choose tables, exclusions take away, overrides hold', async () => {
  await server.sql(`
    CREATE TABLE customers (id int PRIMARY KEY);
    CREATE TABLE tmp_load (id int PRIMARY KEY);
    CREATE TABLE "Odd.name" (id int PRIMARY KEY);
    CREATE TABLE no_key (id int);
    CREATE VIEW v AS SELECT 1 AS id;
    CREATE TABLE sales.order_items (id int PRIMARY KEY);
    CREATE TABLE sales.returns (id int PRIMARY KEY);
    INSERT INTO customers VALUES (1), (2); INSERT INTO sales.order_items VALUES (7);
    INSERT INTO "Odd.name" VALUES (3)`)
  await using live = createLivePipeline(
    server.url,
    `tables: ['public.*', 'sales.order_*', '!public.tmp_*'],
     overrides: { 'public."Odd.name"': { table: odd } }`,
  )
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  expect(life.status().tables.map(({ table }) => table)).toEqual([
    'odd',
    'public.customers',
    'sales.order_items',
  ])
  await life.reach(({ warnings }) => warnings.length > 0)
  expect(life.status().warnings.map(({ code, message }) => [code, message])).toEqual([
    [
      'SLU-SRC-1231',
      'public.no_key has no replica identity: Postgres would refuse its updates and deletes',
    ],
  ])
  for (const table of ['odd', 'public.customers', 'sales.order_items']) {
    expect(await live.differences(table), table).toBe(0n)
  }
  await life.drain()
  // What it left alone, Postgres still lets be updated.
  await server.sql('INSERT INTO no_key VALUES (1); UPDATE no_key SET id = 2')
})

test('a table that was left out for a while is copied again', async () => {
  await server.sql('CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)')
  await server.sql('INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)')
  await using live = createLivePipeline(server.url, 'tables: [public.a, public.b]')
  const both = await live.start()
  await both.catchUp(await currentPosition(server))
  await both.drain()
  live.configure('tables: [public.a]')
  const alone = await live.start()
  await server.sql('INSERT INTO a VALUES (2); INSERT INTO b VALUES (2)')
  await alone.reach(() => alone.table('a')?.rowCount === 2n)
  await alone.catchUp(await currentPosition(server))
  await alone.drain()
  live.configure('tables: [public.a, public.b]')
  const again = await live.start()
  await again.reach(() => again.table('b')?.rowCount === 2n)
  await again.catchUp(await currentPosition(server))
  expect(await live.differences('b')).toBe(0n)
  await again.drain()
})

test('nothing to read at all is an error with a remedy', async () => {
  await using live = createLivePipeline(server.url, "tables: ['public.*']")
  const empty = await live.start()
  expect(await empty.failure()).toMatchObject({
    code: 'SLU-SRC-1230',
    message: expect.stringContaining('no table matches "public.*"'),
  })
  await server.sql('CREATE TABLE a (id int)')
  const blind = await live.start()
  expect(await blind.failure()).toMatchObject({
    code: 'SLU-SRC-1230',
    remedy: expect.stringContaining('REPLICA IDENTITY FULL'),
  })
})

test('a table that may not be published waits, and the statement is told', async () => {
  await server.sql(`
    DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN REPLICATION PASSWORD 'r';
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;
    CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);
    CREATE PUBLICATION sluice_live FOR TABLE a WITH (publish_via_partition_root = true)`)
  const url = server.url.replace(/\/\/[^@]*@/, '//reader:r@')
  await using live = createLivePipeline(url, "tables: ['public.*']", SOON)
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  expect(life.status().tables.map(({ table }) => table)).toEqual(['a'])
  await life.reach(({ warnings }) => warnings.length > 0)
  expect(life.status().warnings).toMatchObject([
    { code: 'SLU-SRC-1205', remedy: expect.stringContaining('ADD TABLE "public"."b";') },
  ])
  await server.sql('ALTER PUBLICATION sluice_live ADD TABLE b; INSERT INTO b VALUES (1)')
  await life.reach(() => life.table('b')?.rowCount === 1n)
  await life.reach(({ warnings }) => warnings.length === 0)
  await life.drain()
})

test('a table that is made while the pipeline runs is copied and followed', async () => {
  await server.sql('CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)')
  await using live = createLivePipeline(server.url, "tables: ['public.*', '!public.tmp*']", SOON)
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  await server.sql(`
    CREATE TABLE b (id int PRIMARY KEY, note text); CREATE TABLE tmp (id int PRIMARY KEY);
    INSERT INTO b SELECT i, 'copied' FROM generate_series(1, 1000) i; INSERT INTO a VALUES (2)`)
  await life.reach(() => life.table('b') !== undefined)
  await server.sql("UPDATE b SET note = 'streamed' WHERE id <= 10; DELETE FROM b WHERE id = 11")
  await life.reach(() => life.table('b')?.rowCount === 999n && life.table('b')?.copy === null)
  await life.catchUp(await currentPosition(server))
  expect(life.status().tables.map(({ table }) => table)).toEqual(['a', 'b'])
  expect(await live.differences('a')).toBe(0n)
  expect(await live.differences('b')).toBe(0n)
  await life.drain()
})

test('the others commit while a table is copied', async () => {
  await server.sql('CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (0)')
  await using live = createLivePipeline(server.url, "tables: ['public.*']", SOON)
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  // The snapshot of the copy waits for this transaction.
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  await client.query('BEGIN; INSERT INTO a VALUES (1000)')
  await server.sql(`
    CREATE TABLE b (id int PRIMARY KEY, note text);
    INSERT INTO b SELECT i, 'copied' FROM generate_series(1, 10000) i`)
  await life.reach(() => life.table('b')?.copy !== undefined)
  for (const id of [1n, 2n, 3n]) {
    await server.sql(`INSERT INTO a VALUES (${id}); UPDATE b SET note = '${id}' WHERE id = ${id}`)
    await life.reach(() => life.table('a')?.rowCount === id + 1n)
    expect(life.table('b')?.copy, 'not complete').toMatchObject({ rowsCopied: 0 })
  }
  await client.query('COMMIT')
  await client.end()
  await life.reach(() => life.table('b')?.copy === null)
  await life.catchUp(await currentPosition(server))
  expect(await live.differences('a')).toBe(0n)
  expect(await live.differences('b')).toBe(0n)
  await life.drain()
})

test('tables that rows are only added to have each row once when they come later', async () => {
  await server.sql('CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (0)')
  const more = "overrides: { 'public.b': { mode: append } }"
  await using live = createLivePipeline(server.url, `tables: ['public.*'], ${more}`, SOON)
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  // The snapshot of the copies waits for this transaction.
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  await client.query('BEGIN; INSERT INTO a VALUES (1000)')
  await server.sql(`
    CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b SELECT generate_series(1, 1000);
    CREATE TABLE c (v int); ALTER TABLE c REPLICA IDENTITY FULL;
    INSERT INTO c SELECT generate_series(1, 1000)`)
  await life.reach(() => ['b', 'c'].every((table) => life.table(table)?.copy !== undefined))
  for (const id of [1n, 2n, 3n]) {
    await server.sql(
      `INSERT INTO b VALUES (1000 + ${id}); INSERT INTO c VALUES (1); INSERT INTO a VALUES (${id})`,
    )
    await life.reach(() => life.table('a')?.rowCount === id + 1n)
  }
  await client.query('COMMIT')
  await client.end()
  await life.reach(() => ['b', 'c'].every((table) => life.table(table)?.copy === null))
  await server.sql('INSERT INTO b VALUES (0); INSERT INTO c VALUES (2)')
  await life.catchUp(await currentPosition(server))
  for (const table of ['b', 'c']) {
    expect(life.table(table)?.rowCount, table).toBe(1004n)
    expect(await live.differences(table), table).toBe(0n)
  }
  await life.drain()
})

test('a table that is dropped stays as it was at the end, and the others go on', async () => {
  await server.sql('CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)')
  await using live = createLivePipeline(server.url, "tables: ['public.*']", SOON)
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  await server.sql('INSERT INTO b SELECT generate_series(1, 500); DROP TABLE b')
  await life.reach(({ warnings }) => warnings.some(({ code }) => code === 'SLU-SRC-1232'))
  await server.sql('INSERT INTO a VALUES (1)')
  await life.reach(() => life.table('a')?.rowCount === 1n)
  expect(life.table('b')).toBeUndefined()
  {
    await using runtime = await live.runtime()
    await using table = await runtime.format.open('b')
    expect((await table?.latest())?.rowCount).toBe(500n)
    // Commands still know it.
    expect(runtime.config.pipelines[0]?.targets.map(({ table: name }) => name)).toEqual(['a', 'b'])
  }
  await server.sql('CREATE TABLE b (id int PRIMARY KEY, more text)')
  await server.sql("INSERT INTO b VALUES (7, 'new')")
  await life.reach(() => life.table('b')?.rowCount === 1n)
  await life.catchUp(await currentPosition(server))
  expect(await live.differences('b')).toBe(0n)
  expect(life.status().warnings).toEqual([])
  await life.drain()
})

test('a table that is made anew under its name is copied again', async () => {
  await server.sql('CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)')
  await using live = createLivePipeline(server.url, "tables: ['public.*']", SOON)
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  await server.sql(`
    BEGIN; CREATE TABLE a_new (id int PRIMARY KEY, v int); INSERT INTO a_new VALUES (5, 5), (6, 6);
    ALTER TABLE a RENAME TO a_old; ALTER TABLE a_new RENAME TO a; COMMIT`)
  await life.reach(() => life.table('a')?.rowCount === 2n && life.table('a_old')?.rowCount === 1n)
  await server.sql('INSERT INTO a VALUES (7, 7); INSERT INTO a_old VALUES (8)')
  await life.catchUp(await currentPosition(server))
  expect(await live.differences('a')).toBe(0n)
  expect(await live.differences('a_old')).toBe(0n)
  await life.drain()
  await server.sql('DROP TABLE a; CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (9)')
  const again = await live.start()
  await again.reach(() => again.table('a')?.rowCount === 1n)
  await again.catchUp(await currentPosition(server))
  expect(await live.differences('a')).toBe(0n)
  expect(live.warned).toContain('SLU-SRC-1233')
  await again.drain()
})

test('a table that left the publication is put in again and copied again', async () => {
  await server.sql('CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)')
  await using live = createLivePipeline(server.url, "tables: ['public.*']", SOON)
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  await server.sql('ALTER PUBLICATION sluice_live DROP TABLE b; INSERT INTO b VALUES (1)')
  await life.reach(() => life.table('b')?.rowCount === 1n)
  await life.catchUp(await currentPosition(server))
  expect(await live.differences('b')).toBe(0n)
  await life.drain()
})
