/** Tables that patterns choose: at the start, while the pipeline runs, and when they go. */

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createLivePipeline } from '../../../support/postgres/live-pipeline.ts'
import {
  currentPosition,
  resetServer,
  startServer,
  type TestServer,
} from '../../connectors/postgres/harness.ts'

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
  await using live = createLivePipeline(url, "tables: ['public.*']")
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  expect(life.status().tables.map(({ table }) => table)).toEqual(['a'])
  expect(life.status().warnings).toMatchObject([
    { code: 'SLU-SRC-1205', remedy: expect.stringContaining('ADD TABLE "public"."b";') },
  ])
  await life.drain()
})
