import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Source } from '../../../../src/contracts/index.ts'
import {
  confirmedPosition,
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
const ROWS = 20_000
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

function openSource(): Source {
  return createSource(server.url, { snapshot: { parallel: 2, chunkRows: 2_000 } })
}

/** A reader that follows orders; items is there, full, and not read yet. */
async function followOrders(more = ''): Promise<Reader> {
  await server.sql('CREATE TABLE orders (id int PRIMARY KEY, n int); INSERT INTO orders VALUES (1)')
  const reader = new Reader([ORDERS])
  await openAndRead(reader, server.url)
  await server.sql(`
    CREATE TABLE items (id int PRIMARY KEY, filler text, body text, n int) ${more};
    ALTER TABLE items ALTER body SET STORAGE EXTERNAL;`)
  await server.sql(`
    INSERT INTO items SELECT i, repeat('x', 700), CASE WHEN i % 50 = 0 THEN
      (SELECT string_agg(md5(i || ':' || part), '') FROM generate_series(1, 100) part) END, 0
    FROM generate_series(1, ${ROWS}) i; ANALYZE items;`)
  reader.streams.set(ITEMS, new StreamModel())
  reader.matched.add(ITEMS)
  return reader
}

/** Reads until rows were copied, leaves the rest of the copy where it is. */
async function copySome(reader: Reader, rowsCopied = 3_000): Promise<void> {
  const { copies } = reader.model(ITEMS)
  await reader.until(() => (copies.at(-1)?.rowsCopied ?? 0) >= rowsCopied)
  expect(reader.model(ITEMS).phase).toBe('copy')
  reader.holdsCopies = true
}

async function finish(reader: Reader): Promise<void> {
  reader.holdsCopies = false
  await reader.until(() => reader.model(ITEMS).phase === 'stream')
  await expectEqual(reader)
}

async function expectEqual(reader: Reader): Promise<void> {
  await reader.untilPosition(await currentPosition(server))
  for (const stream of [ORDERS, ITEMS]) {
    const { rows, schema } = reader.model(stream)
    if (schema === null) throw new Error(`nothing came of ${stream}`)
    const expected = await tableRows(server, schema)
    const wrong = [...expected].filter(([key, row]) => {
      const found = rows.get(key)
      return JSON.stringify(found, Object.keys(row)) !== JSON.stringify(row)
    })
    const extra = [...rows.keys()].filter((key) => !expected.has(key))
    const found = { wrong: wrong.slice(0, 3), extra: extra.slice(0, 3) }
    expect(found, stream).toEqual({ wrong: [], extra: [] })
  }
}

/** Every kind of change, to rows that are copied and to rows that are not. */
function changes(round: number): string {
  return `
    UPDATE items SET n = n + 1 WHERE id % 150 = 0;
    UPDATE items SET body = 'short ' || id WHERE id % 700 = ${round};
    DELETE FROM items WHERE id % 997 = ${round};
    INSERT INTO items SELECT ${100_000 * round} + i, 'late', repeat('y', 5000), i
      FROM generate_series(1, 100) i;
    UPDATE items SET id = id + 1000000 * ${round} WHERE id % 1100 = 0 AND id < 1000000;
    UPDATE items SET id = -id - 1000000 * ${round} WHERE id % 2500 = 0 AND id > 0;
    DELETE FROM items WHERE id % 5000 = 0 AND id > 0;
    INSERT INTO items SELECT i, 'again', repeat('z', 4000), i
      FROM generate_series(5000, ${ROWS}, 5000) i ON CONFLICT DO NOTHING;
    UPDATE items SET n = n + 1 WHERE id % 5000 = 0;`
}

async function connected(): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: server.url })
  client.on('error', () => undefined)
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

test('the stream of the others goes on while a table is copied', async () => {
  const reader = await followOrders()
  await using source = openSource()
  await reader.open(source)
  await copySome(reader)
  for (const round of [1, 2, 3]) {
    await server.sql(`INSERT INTO orders VALUES (${round} * 10); ${changes(round)}`)
    await reader.untilPosition(await currentPosition(server))
    expect(reader.model(ORDERS).rows.size).toBe(1 + round)
    expect(reader.model(ITEMS).phase).toBe('copy')
  }
  await finish(reader)
  await server.sql(changes(4))
  await expectEqual(reader)
  expect(reader.model(ITEMS).ops).not.toContain('r')
  await reader.close()
})

test('the slot moves on while a table is copied', async () => {
  const reader = await followOrders()
  await using source = openSource()
  await reader.open(source)
  await copySome(reader)
  const before = await currentPosition(server)
  await server.sql('INSERT INTO orders VALUES (2)')
  await reader.untilPosition(await currentPosition(server))
  reader.session?.acknowledge('slot', reader.nextPosition)
  while ((await confirmedPosition(server)) <= before) await server.sql('SELECT pg_sleep(0.01)')
  await finish(reader)
  await reader.close()
})

test('a copy goes on where it was, wherever it is broken off', async () => {
  const reader = await followOrders()
  await using source = openSource()
  for (const [round, rows] of [3_000, 8_000, 14_000].entries()) {
    await reader.open(source)
    await copySome(reader, rows)
    await server.sql(changes(2 * round + 1))
    await reader.untilPosition(await currentPosition(server))
    await reader.close()
    reader.holdsCopies = false
    // Rows of chunks that are done move into free space of others, and the other way round.
    await server.sql('VACUUM items')
    await server.sql(changes(2 * round + 2))
  }
  await reader.open(source)
  await finish(reader)
  const { copies, ops } = reader.model(ITEMS)
  expect(new Set(copies.map(({ attempt }) => attempt)).size).toBe(1)
  expect(copies.filter(({ first }) => first)).toHaveLength(1)
  expect(ops.filter((op) => op === 'b').length, 'rows copied in all').toBeLessThan(ROWS * 1.8)
  await reader.close()
  const slots = await server.sql('SELECT slot_name FROM pg_replication_slots WHERE NOT temporary')
  expect(slots).toEqual([{ slot_name: 'sluice_test' }])
})

test('rows that move into chunks that are done are not lost', async () => {
  const reader = await followOrders()
  await using source = openSource()
  await reader.open(source)
  await copySome(reader)
  await reader.close()
  reader.holdsCopies = false
  // Moves into chunks that are done; the long text is not sent with it.
  await server.sql('DELETE FROM items WHERE id <= 1000')
  await server.sql('VACUUM items')
  await server.sql(`
    UPDATE items SET id = id - 19900 WHERE id > 19900;
    UPDATE items SET n = 5 WHERE id = 100`)
  await reader.open(source)
  await finish(reader)
  expect(reader.model(ITEMS).rows.get('["100"]')?.body).toHaveLength(3200)
  await reader.close()
})

/** Reads while the snapshot waits for a transaction, until it is known to wait. */
async function untilSnapshotWaits(reader: Reader): Promise<void> {
  const waiting = 'SELECT 1 FROM pg_replication_slots WHERE temporary'
  for (let id = 10_000; (await server.sql(waiting)).length === 0; id++) {
    await server.sql(`INSERT INTO orders VALUES (${id})`)
    await reader.untilPosition(await currentPosition(server))
  }
}

test('the others do not wait for transactions that the snapshot waits for', async () => {
  const reader = await followOrders()
  await using source = openSource()
  await using client = await connected()
  await client.query('BEGIN; INSERT INTO orders VALUES (1000)')
  await reader.open(source)
  await untilSnapshotWaits(reader)
  for (const round of [1, 2]) {
    await server.sql(`INSERT INTO orders VALUES (${round} * 10); ${changes(round)}`)
    await reader.untilPosition(await currentPosition(server))
    expect(reader.model(ORDERS).rows.has(`["${round * 10}"]`)).toBe(true)
  }
  expect(reader.model(ITEMS).ops).not.toContain('b')
  await client.query('COMMIT')
  await finish(reader)
  await reader.close()
})

test('a statement that changes the table waits for the copy, a truncate too', async () => {
  const reader = await followOrders()
  await using source = openSource()
  await reader.open(source)
  await copySome(reader)
  const truncated = server.sql('TRUNCATE items; INSERT INTO items VALUES (7)')
  const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'`
  while ((await server.sql(waiting)).length === 0) await server.sql('SELECT pg_sleep(0.01)')
  await server.sql('INSERT INTO orders VALUES (2)')
  await reader.until(() => reader.model(ORDERS).rows.size === 2)
  reader.holdsCopies = false
  await reader.until(() => reader.model(ITEMS).phase === 'stream')
  await reader.until(() => reader.model(ITEMS).rows.size === 1)
  await truncated
  await expectEqual(reader)
  await reader.close()
})

/** Something happens to the table after it was chosen and before its snapshot. */
async function changeBeforeCopy(reader: Reader, source: Source, sql: string): Promise<void> {
  await using client = await connected()
  await client.query('BEGIN; INSERT INTO orders VALUES (1000)')
  await reader.open(source)
  await untilSnapshotWaits(reader)
  await server.sql(sql)
  await client.query('COMMIT')
}

test.for([
  ['dropped', 'DROP TABLE items', 'SLU-SRC-1232'],
  ['renamed', 'ALTER TABLE items RENAME TO things', 'SLU-SRC-1232'],
  ['changed in its shape', 'ALTER TABLE items ADD more int', 'SLU-SRC-1217'],
  ['made anew', 'DROP TABLE items; CREATE TABLE items (id int PRIMARY KEY, v int)', 'SLU-SRC-1217'],
] as const)('a table that is %s before its copy is looked at again', async ([, sql, code]) => {
  const reader = await followOrders()
  await using source = openSource()
  await changeBeforeCopy(reader, source, sql)
  await expect(reader.until(() => false)).rejects.toMatchObject({ code })
  await reader.close()
})

test('a table that is emptied before its copy has only what came since', async () => {
  const reader = await followOrders()
  await using source = openSource()
  await changeBeforeCopy(reader, source, 'TRUNCATE items; INSERT INTO items VALUES (7)')
  await finish(reader)
  expect(reader.model(ITEMS).rows.size).toBe(1)
  await reader.close()
})
