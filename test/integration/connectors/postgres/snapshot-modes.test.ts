/** What a first copy is followed by: the stream, the end, or no copy at all. */

import { expect, test } from 'vitest'
import { createLivePipeline } from '../../../support/postgres/live-pipeline.ts'
import { currentPosition } from './harness.ts'
import { liveServer } from './live-server.ts'

const server = liveServer(`
    CREATE TABLE t (id int PRIMARY KEY, a int); CREATE TABLE log (what text);
    INSERT INTO t SELECT i, i FROM generate_series(1, 500) i;
    INSERT INTO log SELECT 'line ' || i FROM generate_series(1, 30) i`)

const mode = (name: string): string =>
  `statusIntervalMs: 100, snapshot: { mode: ${name}, chunkRows: 100 }`

test('initial_only copies and ends, and leaves nothing behind in Postgres', async () => {
  await using live = createLivePipeline(
    server.url,
    'tables: [public.t, public.log]',
    mode('initial_only'),
  )
  const life = await live.start()
  expect(await life.failure()).toBeNull()
  expect(life.status().tables.map(({ rowCount }) => rowCount)).toEqual([500n, 30n])
  const left = await server.sql(`SELECT slot_name AS name FROM pg_replication_slots
    UNION ALL SELECT pubname FROM pg_publication`)
  expect(left).toEqual([])
  await server.sql('INSERT INTO t VALUES (501, 1)')
  const again = await live.start()
  expect(await again.failure()).toBeNull()
  expect(again.table('t')?.rowCount).toBe(500n)
  // What was written since is in no slot: following needs a copy.
  live.configure('tables: [public.t, public.log]', mode('initial'))
  expect(await (await live.start()).failure()).toMatchObject({ code: 'SLU-SRC-1211' })
  live.configure('tables: [public.t, public.log]', `${mode('initial')}, onSlotLost: resync`)
  const following = await live.start()
  await following.reach(() => following.table('t')?.rowCount === 501n)
  await following.drain()
})

test('never begins empty, with the changes from then on', async () => {
  await using live = createLivePipeline(server.url, 'tables: [public.t]', mode('never'))
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  expect(life.table('t')?.rowCount).toBe(0n)
  await server.sql(`
    INSERT INTO t VALUES (501, 1); UPDATE t SET a = 0 WHERE id < 3; DELETE FROM t WHERE id = 9`)
  await life.catchUp(await currentPosition(server))
  expect(life.table('t')?.rowCount).toBe(3n)
  await life.drain()
})
