/** Columns that come with a default on a live server: rows of before have it in Postgres too. */

import { expect, test } from 'vitest'
import { createLivePipeline, type LivePipeline } from '../../../support/postgres/live-pipeline.ts'
import { currentPosition } from './harness.ts'
import { liveServer } from './live-server.ts'

/** Where the log ends is told at once. */
const SOON = 'statusIntervalMs: 100'

const server = liveServer(`
    CREATE TABLE t (id int PRIMARY KEY, a int);
    INSERT INTO t SELECT i, i FROM generate_series(1, 20) i`)

/** Runs the pipeline until its tables equal their source, after what `meanwhile` does. */
async function catchUp(
  live: LivePipeline,
  tables: readonly string[],
  meanwhile?: () => Promise<unknown>,
): Promise<void> {
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  await meanwhile?.()
  await life.catchUp(await currentPosition(server))
  for (const table of tables) expect(await live.differences(table), table).toBe(0n)
  await life.drain()
}

/** Values of one row of the newest version. */
async function rowOf(live: LivePipeline, columns: string, id: number): Promise<readonly unknown[]> {
  await using runtime = await live.runtime()
  await using opened = await runtime.openReader()
  const { rows } = await opened.reader.rows(`SELECT ${columns} FROM t WHERE id = ${id}`)
  return rows[0] ?? []
}

test('rows of before have the default, whatever its type', async () => {
  await server.sql(`
    CREATE TYPE mood AS ENUM ('so so', 'fine');
    CREATE DOMAIN code AS text DEFAULT 'from the domain'`)
  await using live = createLivePipeline(server.url, 'tables: [public.t]', SOON)
  await catchUp(live, ['t'], () =>
    server.sql(String.raw`
      ALTER TABLE t
        ADD i2 smallint DEFAULT -7, ADD i4 int NOT NULL DEFAULT 42, ADD i8 bigint DEFAULT 9e18,
        ADD n numeric(10,2) DEFAULT 12.5, ADD free numeric DEFAULT 0.1000,
        ADD f real DEFAULT 0.1, ADD d float8 DEFAULT 'NaN', ADD inf float8 DEFAULT '-Infinity',
        ADD yes bool DEFAULT true, ADD x bytea DEFAULT '\x00ff5c',
        ADD plain text DEFAULT E'tab\there,\nline \\N \\U {"quoted"} ''it'' ü🙂',
        ADD e text DEFAULT '',
        ADD c char(5) DEFAULT 'ab', ADD v varchar(9) DEFAULT 'NULL',
        ADD day date DEFAULT '0044-03-15 BC', ADD ts timestamp DEFAULT '2024-02-29 12:34:56.789',
        ADD tz timestamptz DEFAULT '2024-02-29 12:34:56+05',
        ADD iv interval DEFAULT '1 day 2 hours',
        ADD u uuid DEFAULT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
        ADD js jsonb DEFAULT '{"a": [1, "two"]}', ADD bx box DEFAULT '(1,1),(0,0)',
        ADD ai int[] DEFAULT '{1,NULL,3}', ADD aa text[] DEFAULT ARRAY['a,b', 'say "hi"', NULL, ''],
        ADD m mood DEFAULT 'so so', ADD ms mood[] DEFAULT '{fine,"so so"}', ADD k code,
        ADD at timestamptz DEFAULT now(), ADD nothing int DEFAULT NULL;
      UPDATE t SET a = 0 WHERE id = 1`),
  )
  expect(await rowOf(live, 'i4, n::VARCHAR, k, m, nothing', 20)).toEqual([
    42,
    '12.50',
    'from the domain',
    'so so',
    null,
  ])
})

test('the default is that of the moment, not of today', async () => {
  await using live = createLivePipeline(server.url, 'tables: [public.t]', SOON)
  await catchUp(live, ['t'])
  await server.sql(`
    ALTER TABLE t ADD b int DEFAULT 5;
    INSERT INTO t VALUES (21, 21);
    ALTER TABLE t ALTER b SET DEFAULT 6;
    INSERT INTO t VALUES (22, 22);
    ALTER TABLE t ALTER b DROP DEFAULT;
    INSERT INTO t VALUES (23, 23)`)
  await catchUp(live, ['t'])
  expect(await rowOf(live, 'b', 1)).toEqual([5])
  await server.sql(`
    ALTER TABLE t DROP b; ALTER TABLE t ADD b text DEFAULT 'again';
    UPDATE t SET a = 1 WHERE id = 2`)
  await catchUp(live, ['t'])
  expect(await rowOf(live, 'b', 1)).toEqual(['again'])
})

test('a column that comes inside a transaction, between rows of it', async () => {
  for (const partRows of [2, 100_000]) {
    await server.sql(`DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, a int, b text);
      INSERT INTO t SELECT i, i, 'b' FROM generate_series(1, 20) i;
      DROP PUBLICATION IF EXISTS sluice_live`)
    await resetSlots()
    await using live = createLivePipeline(
      server.url,
      'tables: [public.t]',
      SOON,
      `every: 100ms, partRows: ${partRows}`,
    )
    await catchUp(live, ['t'], () =>
      server.sql(`BEGIN;
        INSERT INTO t SELECT i, i, 'new' FROM generate_series(21, 30) i;
        UPDATE t SET a = 100 WHERE id < 4; DELETE FROM t WHERE id IN (5, 25);
        UPDATE t SET id = 500 WHERE id = 6;
        ALTER TABLE t ADD c int DEFAULT 7, ADD d text NOT NULL DEFAULT 'd';
        INSERT INTO t VALUES (31, 31, 'x'); INSERT INTO t VALUES (32, 32, 'x', 8, 'e');
        UPDATE t SET c = 9 WHERE id IN (1, 21); DELETE FROM t WHERE id IN (7, 22);
        ALTER TABLE t ADD e numeric(6,2) DEFAULT 1;
        INSERT INTO t VALUES (33, 33, 'y', 1, 'f', 2);
        COMMIT`),
    )
    expect(await rowOf(live, 'c, d, e::VARCHAR', 20)).toEqual([7, 'd', '1.00'])
  }
})

test('partitioned tables, tables in partitions and without a key', async () => {
  await server.sql(`
    CREATE TABLE root (id int PRIMARY KEY, a int) PARTITION BY RANGE (id);
    CREATE TABLE root_low PARTITION OF root FOR VALUES FROM (0) TO (10);
    CREATE TABLE root_high PARTITION OF root FOR VALUES FROM (10) TO (100);
    INSERT INTO root SELECT i, i FROM generate_series(1, 20) i;
    CREATE TABLE events (at int, what text);
    INSERT INTO events VALUES (1, 'one'), (1, 'one'), (2, 'two')`)
  await using live = createLivePipeline(
    server.url,
    `tables: [public.root, public.events, public.t],
     overrides: { public.t: { partitionBy: [a] } }`,
  )
  await catchUp(live, ['root', 'events', 't'], () =>
    server.sql(`
      ALTER TABLE root ADD b text DEFAULT 'root';
      INSERT INTO root VALUES (50, 50);
      ALTER TABLE events ADD b int DEFAULT 3;
      INSERT INTO events VALUES (3, 'three', 4);
      ALTER TABLE t ADD b text DEFAULT 'x';
      UPDATE t SET b = 'y' WHERE id = 3`),
  )
})

test('a default that the table cannot hold stops before the column, or is NULL', async () => {
  await using live = createLivePipeline(server.url, 'tables: [public.t]', SOON)
  await catchUp(live, ['t'])
  await server.sql(`ALTER TABLE t ADD b timestamp DEFAULT 'infinity';
    UPDATE t SET b = '2024-01-01' WHERE id = 1`)
  const life = await live.start()
  expect(await life.failure()).toMatchObject({
    code: 'SLU-ING-4003',
    message: expect.stringContaining('got b with a default that rows of t cannot hold'),
  })
  live.configure('tables: [public.t]', "unfitValues: 'null'")
  await catchUp(live, [])
  expect(await rowOf(live, 'b', 2)).toEqual([null])
})

async function resetSlots(): Promise<void> {
  await server.sql(
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active`,
  )
}
