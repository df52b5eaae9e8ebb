/** Copies beside the stream whose snapshot is lost or useless, or whose table is not the same. */

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Source } from '../../../../src/contracts/index.ts'
import {
  type SlowConnections,
  slowConnections,
} from '../../../support/postgres/slow-connections.ts'
import {
  createSource,
  currentPosition,
  openAndRead,
  Reader,
  resetServer,
  StreamModel,
  startServer,
  type TestServer,
  tableRows,
} from './harness.ts'

/** Followed from the beginning. */
const ORDERS = 'public.orders'
/** Comes later. */
const ITEMS = 'public.items'
/** More than what is remembered of changes in part. */
const MANY_ROWS = 110_000
let server: TestServer

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await resetServer(server)
})

function openSource(url = server.url): Source {
  return createSource(url, { snapshot: { parallel: 2, chunkRows: 2_000 } })
}

/** A reader that follows orders; what `sql` makes is there, and not read yet. */
async function followOrders(sql: string, streams: readonly string[] = [ITEMS]): Promise<Reader> {
  await server.sql('CREATE TABLE orders (id int PRIMARY KEY, n int); INSERT INTO orders VALUES (1)')
  const reader = new Reader([ORDERS])
  await openAndRead(reader, server.url)
  await server.sql(`${sql}; ANALYZE;`)
  for (const stream of streams) {
    reader.streams.set(stream, new StreamModel())
    reader.matched.add(stream)
  }
  return reader
}

/** Rows whose long text lies outside of them and is not sent with every change. */
function makeItems(rows: number, every = 50): string {
  return `
    CREATE TABLE items (id int PRIMARY KEY, filler text, body text, n int)
      WITH (toast_tuple_target = 128);
    ALTER TABLE items ALTER body SET STORAGE EXTERNAL;
    INSERT INTO items SELECT i, repeat('x', ${every === 1 ? 1 : 500}),
      CASE WHEN i % ${every} = 0 THEN repeat(md5(i::text), 7) END, 0
    FROM generate_series(1, ${rows}) i`
}

/** Reads until rows were copied, leaves the rest of the copy where it is. */
async function copySome(reader: Reader, rowsCopied = 3_000): Promise<void> {
  const { copies } = reader.model(ITEMS)
  await reader.until(() => (copies.at(-1)?.rowsCopied ?? 0) >= rowsCopied)
  expect(reader.model(ITEMS).phase).toBe('copy')
  reader.holdsCopies = true
}

async function finish(reader: Reader, streams: readonly string[] = [ITEMS]): Promise<void> {
  reader.holdsCopies = false
  await reader.until(() => streams.every((stream) => reader.model(stream).phase === 'stream'))
  await reader.untilPosition(await currentPosition(server))
  for (const stream of [ORDERS, ...streams]) {
    const { rows, schema } = reader.model(stream)
    if (schema === null) throw new Error(`nothing came of ${stream}`)
    const expected = await tableRows(server, schema)
    const wrong = [...expected].filter(([key, row]) => {
      return JSON.stringify(rows.get(key), Object.keys(row)) !== JSON.stringify(row)
    })
    const extra = [...rows.keys()].filter((key) => !expected.has(key))
    const found = { wrong: wrong.slice(0, 3), extra: extra.slice(0, 3) }
    expect(found, stream).toEqual({ wrong: [], extra: [] })
  }
}

const attempts = (reader: Reader): number =>
  new Set(reader.model(ITEMS).copies.map(({ attempt }) => attempt)).size

test('a copy whose connections are lost goes on under another snapshot', async () => {
  const reader = await followOrders(makeItems(20_000))
  await using source = openSource()
  await reader.open(source)
  await copySome(reader)
  await server.sql(`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend'`)
  await server.sql(`
    UPDATE items SET n = n + 1 WHERE id % 150 = 0; DELETE FROM items WHERE id % 997 = 0;
    UPDATE items SET id = id + 1000000 WHERE id % 1100 = 0`)
  reader.holdsCopies = false
  await expect(reader.until(() => false)).rejects.toMatchObject({ kind: 'transient' })
  await reader.close()
  await server.sql('UPDATE items SET n = n + 1 WHERE id % 250 = 0')
  await reader.open(source)
  await finish(reader)
  expect(attempts(reader)).toBe(1)
  const copied = reader.model(ITEMS).ops.filter((op) => op === 'b').length
  expect(copied, 'rows copied in all').toBeLessThan(30_000)
  await reader.close()
})

/** Reads until a connection waits. */
async function untilHeld(reader: Reader, connections: SlowConnections): Promise<void> {
  for (let id = 10_000; connections.waiting === 0; id++) {
    await server.sql(`INSERT INTO orders VALUES (${id})`)
    await reader.untilPosition(await currentPosition(server))
  }
}

test('a change in part that did not wait for the snapshot makes another one', async () => {
  const reader = await followOrders(makeItems(5_000))
  await using connections = await slowConnections(server.url)
  await using source = openSource(connections.url)
  await reader.open(source)
  // The one of the slot gets through, the one that reads under its snapshot does not.
  connections.holdAfter(1)
  await untilHeld(reader, connections)
  const before = connections.count
  // Behind the position of the snapshot: what it leaves out is in no row that came.
  await server.sql('UPDATE items SET n = 7 WHERE id % 50 = 0')
  await reader.untilPosition(await currentPosition(server))
  connections.release()
  await finish(reader)
  // Those that read, and once more the slot with those that read.
  expect(connections.count - before).toBeGreaterThanOrEqual(4)
  await reader.close()
})

test('more changes in part than are remembered make the copy begin at the first row', async () => {
  const reader = await followOrders(makeItems(MANY_ROWS, 1))
  await using source = openSource()
  await reader.open(source)
  await copySome(reader)
  await reader.close()
  reader.holdsCopies = false
  // Rows move into chunks that are done; their long text is not sent with them.
  await server.sql('DELETE FROM items WHERE id <= 1000')
  await server.sql('VACUUM items')
  await server.sql('UPDATE items SET id = id - 200000 WHERE id > 109000')
  await server.sql('UPDATE items SET n = 5')
  await reader.open(source)
  await finish(reader)
  expect(attempts(reader)).toBe(1)
  expect(reader.model(ITEMS).rows.size).toBe(MANY_ROWS - 1_000)
  await reader.close()
})

const PARTITIONED = `
  CREATE TABLE came (id int PRIMARY KEY, v int); INSERT INTO came VALUES (-1, 1), (-2, 2);
  CREATE TABLE items (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
  CREATE TABLE items_1 PARTITION OF items FOR VALUES FROM (1) TO (10000);
  CREATE TABLE items_2 PARTITION OF items FOR VALUES FROM (10000) TO (100000);
  INSERT INTO items SELECT i, i FROM generate_series(1, 20000) i`
const ATTACH = 'ALTER TABLE items ATTACH PARTITION came FOR VALUES FROM (-100) TO (0)'

test('a partition that comes with rows before the snapshot begins the copy anew', async () => {
  const reader = await followOrders(PARTITIONED)
  await using connections = await slowConnections(server.url)
  await using source = openSource(connections.url)
  await reader.open(source)
  connections.holdAfter(1)
  await untilHeld(reader, connections)
  await server.sql(ATTACH)
  connections.release()
  await expect(reader.until(() => false)).rejects.toMatchObject({ code: 'SLU-SRC-1217' })
  await reader.close()
  await reader.open(source)
  await finish(reader)
  await reader.close()
})

test('a copy does not go on over a partition that came with rows meanwhile', async () => {
  const reader = await followOrders(PARTITIONED)
  await using source = openSource()
  await reader.open(source)
  await copySome(reader)
  await reader.close()
  reader.holdsCopies = false
  await server.sql(ATTACH)
  await reader.open(source)
  await finish(reader)
  expect(attempts(reader)).toBe(2)
  expect(reader.model(ITEMS).rows.has('["-1"]')).toBe(true)
  await reader.close()
})

const WAITING = `SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'`

test('a statement that waits for one reader of a copy does not hold up another', async () => {
  const things = 'public.things'
  const more = 'CREATE TABLE things (id int PRIMARY KEY); INSERT INTO things VALUES (1)'
  const reader = await followOrders(`${makeItems(20_000)}; ${more}`, [ITEMS, things])
  await using source = openSource()
  await reader.open(source)
  await copySome(reader)
  const altered = server.sql('ALTER TABLE things ADD late int')
  while ((await server.sql(WAITING)).length === 0) await server.sql('SELECT pg_sleep(0.01)')
  await finish(reader, [ITEMS])
  await reader.until(() => reader.model(things).phase === 'stream')
  await reader.close()
  await altered
})
