import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Source } from '../../../../src/contracts/index.ts'
import {
  createSource,
  currentPosition,
  Reader,
  resetServer,
  startServer,
  type TestServer,
  tableRows,
} from './harness.ts'

const ORDERS = 'public.orders'
const ROWS = 30_000
const CHUNK_ROWS = 2_000
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

/** Rows of 1 MiB and more a chunk, so that every chunk is a few blocks. */
async function createOrders(columns = '', more = ''): Promise<void> {
  await server.sql(`
    CREATE TABLE orders (id int PRIMARY KEY, filler text, body text, n int${columns}) ${more};
    ALTER TABLE orders ALTER body SET STORAGE EXTERNAL;`)
  await server.sql(`
    INSERT INTO orders SELECT i, repeat('x', 700), CASE WHEN i % 100 = 0 THEN
      (SELECT string_agg(md5(i || ':' || part), '') FROM generate_series(1, 100) part) END, 0
    FROM generate_series(1, ${ROWS}) i; ANALYZE orders;`)
}

function openSource(): Source {
  return createSource(server.url, { snapshot: { parallel: 3, chunkRows: CHUNK_ROWS } })
}

/** Reads until so many rows are copied, and stops as a crash would. */
async function copyUntil(reader: Reader, source: Source, rowsCopied: number): Promise<void> {
  await reader.open(source)
  const { copies } = reader.model(ORDERS)
  const before = copies.length
  await reader.until(() => copies.length > before && (copies.at(-1)?.rowsCopied ?? 0) >= rowsCopied)
  await reader.close()
}

async function finish(reader: Reader, source: Source): Promise<void> {
  await reader.open(source)
  await reader.until(() => reader.model(ORDERS).phase === 'stream')
  await expectExactCopy(reader)
  await server.sql('UPDATE orders SET n = n + 1 WHERE id % 1000 = 1')
  await reader.untilPosition(await currentPosition(server))
  await expectEqual(reader)
  await reader.close()
}

/** Nobody writes meanwhile: the copy alone must already be right. */
async function expectExactCopy(reader: Reader): Promise<void> {
  await expectEqual(reader)
  expect(reader.model(ORDERS).copies.at(-1)?.rowsCopied).toBeGreaterThan(0)
}

async function expectEqual(reader: Reader): Promise<void> {
  const { rows, schema } = reader.model(ORDERS)
  const expected = await tableRows(server, schema!)
  const wrong = [...expected].filter(([key, row]) => {
    const found = rows.get(key)
    return JSON.stringify(found, Object.keys(row)) !== JSON.stringify(row)
  })
  const extra = [...rows.keys()].filter((key) => !expected.has(key))
  expect({ wrong: wrong.slice(0, 3), extra: extra.slice(0, 3) }).toEqual({ wrong: [], extra: [] })
}

const attemptsOf = (reader: Reader): number =>
  new Set(reader.model(ORDERS).copies.map((copy) => copy.attempt)).size

/** Every kind of change, to rows that are copied and to rows that are not. */
function changes(round: number): string {
  return `
    UPDATE orders SET n = n + 1 WHERE id % 300 = 0;
    UPDATE orders SET body = 'short ' || id WHERE id % 700 = ${round};
    DELETE FROM orders WHERE id % 997 = ${round};
    INSERT INTO orders SELECT ${100_000 * round} + i, 'late', repeat('y', 5000), i
      FROM generate_series(1, 500) i;
    UPDATE orders SET id = id + 1000000 * ${round} WHERE id % 1100 = 0 AND id < 1000000;
    UPDATE orders SET id = -id - 1000000 * ${round}
      WHERE id % 2500 = 0 AND id > 0;
    DELETE FROM orders WHERE id % 5000 = 0 AND id > 0;
    INSERT INTO orders SELECT i, 'again', repeat('z', 4000), i
      FROM generate_series(5000, 30000, 5000) i ON CONFLICT DO NOTHING;
    UPDATE orders SET n = n + 1 WHERE id % 5000 = 0;`
}

test('goes on behind the last whole chunk, with all changes since then', async () => {
  await createOrders()
  await using source = openSource()
  const reader = new Reader([ORDERS])
  await copyUntil(reader, source, 7_000)
  await server.sql(changes(1))
  await copyUntil(reader, source, 15_000)
  // Rows of chunks that are done move into free space of others, and the other way round.
  await server.sql('VACUUM orders')
  await server.sql(changes(2))
  await copyUntil(reader, source, 22_000)
  await server.sql(changes(3))
  await finish(reader, source)
  expect(attemptsOf(reader)).toBe(1)
  expect(reader.model(ORDERS).copies.filter((copy) => copy.first)).toHaveLength(1)
  const copied = reader.model(ORDERS).ops.filter((op) => op === 'r').length
  expect(copied, 'rows copied in all').toBeLessThan(ROWS * 1.6)
  const slots = await server.sql('SELECT slot_name FROM pg_replication_slots')
  expect(slots).toEqual([{ slot_name: 'sluice_test' }])
})

test('takes the rows of changes that leave values out from the snapshot', async () => {
  await createOrders()
  await using source = openSource()
  const reader = new Reader([ORDERS])
  await copyUntil(reader, source, 5_000)
  // Moves into chunks that are done; the long text is not sent with it.
  await server.sql('DELETE FROM orders WHERE id <= 1000')
  await server.sql('VACUUM orders')
  await server.sql(`
    UPDATE orders SET id = id - 29900 WHERE id > 29900;
    UPDATE orders SET n = 5 WHERE id = 100`)
  await finish(reader, source)
  expect(reader.model(ORDERS).rows.get('["100"]')?.body).toHaveLength(3200)
})

test('goes on through crashes on the way to the next snapshot', async () => {
  await createOrders()
  await using source = openSource()
  const reader = new Reader([ORDERS])
  await copyUntil(reader, source, 5_000)
  for (const round of [1, 2, 3]) {
    await server.sql(changes(round))
    await reader.open(source)
    const rowsBefore = reader.model(ORDERS).copies.length
    await reader.step()
    expect(reader.model(ORDERS).copies, 'no chunk before the changes').toHaveLength(rowsBefore)
    await reader.close()
  }
  await finish(reader, source)
})

test('reads a rewritten table from its first block, into the same attempt', async () => {
  await createOrders()
  await using source = openSource()
  const reader = new Reader([ORDERS])
  await copyUntil(reader, source, 9_000)
  await server.sql(changes(1))
  await server.sql('VACUUM FULL orders')
  await finish(reader, source)
  expect(attemptsOf(reader)).toBe(1)
})

test('copies partitions one after the other and goes on in the middle of one', async () => {
  await server.sql(`
    CREATE TABLE orders (id int, filler text, body text, n int, PRIMARY KEY (id))
      PARTITION BY HASH (id);
    CREATE TABLE orders_0 PARTITION OF orders FOR VALUES WITH (MODULUS 3, REMAINDER 0);
    CREATE TABLE orders_1 PARTITION OF orders FOR VALUES WITH (MODULUS 3, REMAINDER 1);
    CREATE TABLE orders_2 PARTITION OF orders FOR VALUES WITH (MODULUS 3, REMAINDER 2);
    INSERT INTO orders SELECT i, repeat('x', 700), repeat('y', 3000), 0
      FROM generate_series(1, 12000) i;`)
  await using source = openSource()
  const reader = new Reader([ORDERS])
  await copyUntil(reader, source, 6_500)
  await server.sql(changes(1))
  await finish(reader, source)
  expect(attemptsOf(reader)).toBe(1)
  const copied = reader.model(ORDERS).ops.filter((op) => op === 'r').length
  expect(copied).toBeLessThan(20_000)
})

test('begins from empty when the shape changed, and when the slot is new', async () => {
  await createOrders()
  await using source = openSource()
  const reader = new Reader([ORDERS])
  await copyUntil(reader, source, 5_000)
  await server.sql('ALTER TABLE orders ADD COLUMN later int DEFAULT 7')
  await copyUntil(reader, source, 5_000)
  expect(attemptsOf(reader)).toBe(2)
  await server.sql(`SELECT pg_drop_replication_slot('sluice_test')`)
  await server.sql('DELETE FROM orders WHERE id <= 100')
  await copyUntil(reader, source, 5_000)
  expect(attemptsOf(reader)).toBe(3)
  await finish(reader, source)
})

test('begins from empty when the table was not published meanwhile', async () => {
  await createOrders()
  await using source = openSource()
  const reader = new Reader([ORDERS])
  await copyUntil(reader, source, 5_000)
  await server.sql(`
    ALTER PUBLICATION sluice_test DROP TABLE orders; DELETE FROM orders WHERE id < 50`)
  await finish(reader, source)
  expect(attemptsOf(reader)).toBe(2)
})

test('keeps other tables moving on the way up to the snapshot', async () => {
  await server.sql(`
    CREATE TABLE items (id int PRIMARY KEY, n int);
    INSERT INTO items SELECT i, 0 FROM generate_series(1, 100) i;
    CREATE PUBLICATION sluice_test FOR TABLE items;`)
  await using source = openSource()
  const first = new Reader(['public.items'])
  await first.open(source)
  await first.until(() => first.model('public.items').phase === 'stream')
  await first.close()
  await createOrders()
  const reader = new Reader(['public.items', ORDERS], first.memory)
  reader.streams.set('public.items', first.model('public.items'))
  await copyUntil(reader, source, 5_000)
  await server.sql('UPDATE items SET n = n + 1; DELETE FROM items WHERE id = 7')
  await server.sql(changes(1))
  await finish(reader, source)
  const items = reader.model('public.items')
  expect(items.rows).toEqual(await tableRows(server, items.schema!))
})

test('begins with an empty table when told never to copy', async () => {
  await createOrders()
  await using source = createSource(server.url, { snapshot: { mode: 'never' } })
  const reader = new Reader([ORDERS])
  await reader.open(source)
  const block = await reader.step()
  expect(block).toMatchObject({ parts: [], copy: { first: true, complete: true, rowsCopied: 0 } })
  await server.sql(`INSERT INTO orders VALUES (-1, 'new', 'row', 1)`)
  await reader.untilPosition(await currentPosition(server))
  expect([...reader.model(ORDERS).rows.keys()]).toEqual(['["-1"]'])
  await reader.close()
})
