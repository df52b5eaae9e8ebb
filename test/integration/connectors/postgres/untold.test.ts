/** Changes to rows that Postgres makes without a record: noticed, answered as the settings say. */

import { expect, test } from 'vitest'
import { openPipelineLog } from '../../../../src/ingest/index.ts'
import {
  createLivePipeline,
  type LivePipeline,
  type PipelineLife,
} from '../../../support/postgres/live-pipeline.ts'
import { currentPosition } from './harness.ts'
import { liveServer } from './live-server.ts'

/** Nothing waits for an interval. */
const SOON = 'statusIntervalMs: 100, discoverIntervalMs: 100'

const server = liveServer(`
    CREATE TABLE t (id int PRIMARY KEY, a int);
    INSERT INTO t SELECT i, i FROM generate_series(1, 20) i;
    CREATE TABLE parts (id int PRIMARY KEY, a int) PARTITION BY RANGE (id);
    CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE mid PARTITION OF parts FOR VALUES FROM (10) TO (20);
    INSERT INTO parts SELECT i, i FROM generate_series(1, 15) i`)

const open = (table: string, source = ''): LivePipeline =>
  createLivePipeline(server.url, `tables: [public.${table}]`, `${SOON}, ${source}`)

async function begin(live: LivePipeline): Promise<PipelineLife> {
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  return life
}

/** Waits until the pipeline's own log holds the text. */
async function seen(live: LivePipeline, text: string): Promise<void> {
  await using runtime = await live.runtime()
  for (;;) {
    const { sourceMemory } = (await openPipelineLog(runtime.store, 'live', 'test')).notes
    if (JSON.stringify(sourceMemory).includes(text)) return
  }
}

/** The table equals its source as soon as it holds everything. */
async function isEqual(live: LivePipeline, life: PipelineLife, table: string): Promise<void> {
  await life.catchUp(await currentPosition(server))
  expect(await live.differences(table)).toBe(0n)
}

/** Waits until the table equals its source: it is copied again. */
async function becomesEqual(live: LivePipeline, life: PipelineLife, table: string): Promise<void> {
  while ((await live.differences(table)) > 0n) await life.reach(() => true)
}

test('a default of its own for each row stops, with what is at stake and what to run', async () => {
  await using live = open('t')
  const life = await begin(live)
  await server.sql('ALTER TABLE t ADD b uuid DEFAULT gen_random_uuid()')
  expect(await life.failure()).toMatchObject({
    code: 'SLU-SRC-1234',
    message: 'rows of public.t have values in its new column b that no record told',
    remedy: expect.stringContaining('sluice resync TABLE'),
  })
  // It is remembered: nothing goes on as if it had not been.
  await server.sql('UPDATE t SET a = 0 WHERE id = 1')
  expect(await (await live.start()).failure()).toMatchObject({ code: 'SLU-SRC-1234' })
  live.configure('tables: [public.t]', `${SOON}, onUntold: resync`)
  const again = await live.start()
  await becomesEqual(live, again, 't')
  await again.drain()
})

test('onUntold: resync copies again while it runs, warn goes on', async () => {
  await using live = open('t', 'onUntold: resync')
  const life = await begin(live)
  const columns = ['b serial', 'c int GENERATED ALWAYS AS IDENTITY', 'd float8 DEFAULT random()']
  for (const column of columns) {
    await server.sql(`ALTER TABLE t ADD ${column}; UPDATE t SET a = a + 1 WHERE id = 2`)
    await life.reach(() => live.warned.filter((code) => code === 'SLU-SRC-1234').length > 0)
    live.warned.length = 0
    await becomesEqual(live, life, 't')
  }
  await life.drain()
  live.configure('tables: [public.t]', `${SOON}, onUntold: warn`)
  const warned = await begin(live)
  await server.sql('ALTER TABLE t ADD e float8 DEFAULT random(); UPDATE t SET a = 1 WHERE id = 2')
  await warned.reach(() => live.warned.includes('SLU-SRC-1234'))
  await warned.catchUp(await currentPosition(server))
  await warned.drain()
  await (await begin(live)).drain()
})

test('a default is known though the table was written again, or the pipeline stops', async () => {
  await using live = open('t')
  const life = await begin(live)
  await server.sql('ALTER TABLE t ADD b int DEFAULT 5')
  await seen(live, '"initials":{"3":"5"}')
  await server.sql('VACUUM FULL t')
  await server.sql('UPDATE t SET a = 0 WHERE id = 1')
  await isEqual(live, life, 't')
  await life.drain()
  await server.sql("ALTER TABLE t ADD c text DEFAULT 'lost'")
  await server.sql('VACUUM FULL t')
  expect(await (await live.start()).failure()).toMatchObject({ code: 'SLU-SRC-1234' })
})

test('what only looks like it goes on without a word', async () => {
  await using live = open('t')
  const life = await begin(live)
  for (const statement of [
    'ALTER TABLE t ADD b int',
    'VACUUM FULL t',
    "UPDATE t SET a = 7 WHERE id = 7; ALTER TABLE t ADD c text DEFAULT 'c'",
    'CREATE INDEX ON t (a); ALTER TABLE t ALTER a SET NOT NULL; GRANT SELECT ON t TO public',
    'TRUNCATE t; INSERT INTO t SELECT i, i FROM generate_series(1, 9) i',
    "CLUSTER t USING t_pkey; UPDATE t SET c = 'd' WHERE id = 3",
    'ALTER TABLE t DROP b; VACUUM FULL t; INSERT INTO t VALUES (50, 50)',
  ]) {
    // VACUUM and CLUSTER stand in no transaction.
    for (const one of statement.split('; ')) await server.sql(one)
    await isEqual(live, life, 't')
  }
  expect(live.warned).toEqual([])
  await life.drain()
  await server.sql('VACUUM FULL t')
  const next = await begin(live)
  await isEqual(live, next, 't')
  expect(live.warned).toEqual([])
  await next.drain()
})

test('a type altered with an expression is warned of, or copied again', async () => {
  await using live = open('t')
  const life = await begin(live)
  await server.sql(`ALTER TABLE t ALTER a TYPE int USING a * 100; INSERT INTO t VALUES (21, 21)`)
  await life.reach(() => live.warned.includes('SLU-SRC-1236'))
  await life.catchUp(await currentPosition(server))
  expect(await live.differences('t')).toBeGreaterThan(0n)
  await life.drain()
  live.configure('tables: [public.t]', `${SOON}, onUntold: resync`)
  const next = await begin(live)
  live.warned.length = 0
  await server.sql(`ALTER TABLE t ALTER a TYPE bigint USING a * 10; INSERT INTO t VALUES (22, 22)`)
  await next.reach(() => live.warned.includes('SLU-SRC-1236'))
  await becomesEqual(live, next, 't')
  await next.drain()
})

test('a partition attached with rows stops or is copied; an empty one goes on', async () => {
  await using live = open('parts')
  const life = await begin(live)
  await server.sql(`
    CREATE TABLE high PARTITION OF parts FOR VALUES FROM (20) TO (30);
    INSERT INTO parts VALUES (21, 21);
    CREATE TABLE empty (LIKE parts INCLUDING ALL);
    ALTER TABLE parts ATTACH PARTITION empty FOR VALUES FROM (30) TO (40);
    INSERT INTO parts VALUES (31, 31)`)
  await isEqual(live, life, 'parts')
  await server.sql(`
    BEGIN;
    CREATE TABLE born (LIKE parts INCLUDING ALL);
    ALTER TABLE parts ATTACH PARTITION born FOR VALUES FROM (40) TO (50);
    INSERT INTO parts VALUES (41, 41);
    COMMIT; TRUNCATE parts; INSERT INTO parts SELECT i, i FROM generate_series(1, 45) i`)
  await isEqual(live, life, 'parts')
  expect(live.warned).toEqual([])
  await server.sql(`
    CREATE TABLE full_one (LIKE parts INCLUDING ALL);
    INSERT INTO full_one SELECT i, i FROM generate_series(50, 55) i;
    ALTER TABLE parts ATTACH PARTITION full_one FOR VALUES FROM (50) TO (60)`)
  expect(await life.failure()).toMatchObject({
    code: 'SLU-SRC-1234',
    message: 'public.full_one became a partition of public.parts with rows in it',
  })
  live.configure('tables: [public.parts]', `${SOON}, onUntold: resync`)
  const next = await live.start()
  await next.reach(() => next.table('parts')?.rowCount === 51n)
  await isEqual(live, next, 'parts')
  live.warned.length = 0
  await server.sql('TRUNCATE mid')
  await next.reach(() => live.warned.includes('SLU-SRC-1234'))
  await becomesEqual(live, next, 'parts')
  await next.drain()
})

test('a partition that goes stops, is copied without, or its rows are kept', async () => {
  await using live = open('parts')
  const life = await begin(live)
  await server.sql(`
    CREATE TABLE high PARTITION OF parts FOR VALUES FROM (20) TO (30);
    CREATE TABLE higher PARTITION OF parts FOR VALUES FROM (30) TO (40);
    INSERT INTO parts VALUES (35, 35)`)
  await isEqual(live, life, 'parts')
  await server.sql('ALTER TABLE parts DETACH PARTITION high')
  await isEqual(live, life, 'parts')
  await server.sql('ALTER TABLE parts DETACH PARTITION mid')
  expect(await life.failure()).toMatchObject({
    code: 'SLU-SRC-1235',
    remedy: expect.stringContaining('onPartitionGone: keep'),
  })
  live.configure('tables: [public.parts]', `${SOON}, onPartitionGone: keep`)
  const keeping = await begin(live)
  await server.sql('INSERT INTO parts VALUES (3, 3) ON CONFLICT (id) DO UPDATE SET a = 33')
  await keeping.catchUp(await currentPosition(server))
  expect(keeping.table('parts')?.rowCount).toBe(16n)
  await keeping.drain()
  live.configure('tables: [public.parts]', `${SOON}, onPartitionGone: resync`)
  const copying = await begin(live)
  await server.sql('DROP TABLE higher')
  await copying.reach(() => live.warned.includes('SLU-SRC-1235'))
  await becomesEqual(live, copying, 'parts')
  await copying.drain()
})
