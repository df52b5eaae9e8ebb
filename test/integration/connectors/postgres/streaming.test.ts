/** Transactions that the server sends while they are in progress, and heartbeats. */

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  clock,
  confirmedPosition,
  createSource,
  currentPosition,
  Reader,
  resetServer,
  runSql,
  startServer,
  type TestServer,
  tableRows,
} from './harness.ts'

const DOCS = 'public.docs'
const OTHER = 'public.other'
let server: TestServer

beforeAll(async () => {
  server = await startServer({ logical_decoding_work_mem: '64kB', wal_sender_timeout: '2s' })
})

afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await resetServer(server)
  await server.sql(`
    CREATE TABLE docs (id int PRIMARY KEY, value int, body text);
    ALTER TABLE docs ALTER COLUMN body SET STORAGE EXTERNAL;
    CREATE TABLE other (id int PRIMARY KEY, value int);
    INSERT INTO docs SELECT n, n, repeat('old', 1000) FROM generate_series(1, 20) n`)
})

async function waitFor(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await clock.sleep(20)
}

/** A session of its own, for a transaction that stays open. */
async function connect(): Promise<pg.Client & AsyncDisposable> {
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() })
}

async function expectEqual(reader: Reader): Promise<void> {
  for (const stream of [DOCS, OTHER]) {
    const model = reader.model(stream)
    // A table without rows has not told its schema yet.
    const none = model.schema === null
    expect(model.rows).toEqual(none ? new Map() : await tableRows(server, model.schema!))
  }
}

/** Copies, then takes blocks in the background: what is in progress comes without being asked. */
async function startReader(more = {}, bufferBytesMax?: number) {
  const source = createSource(server.url, more)
  const reader = new Reader([DOCS, OTHER])
  await reader.open(source, bufferBytesMax)
  await reader.untilPosition(await currentPosition(server))
  return { source, reader }
}

const spooled = (reader: Reader): string[] => readdirSync(reader.spoolFolder)

const spooledText = (reader: Reader): string =>
  spooled(reader)
    .map((name) => readFileSync(path.join(reader.spoolFolder, name), 'latin1'))
    .join('')

describe('transactions in progress', () => {
  it('are kept until they commit, without what was rolled back in them', async () => {
    const { source, reader } = await startReader()
    await using _ = source
    await using first = await connect()
    await using second = await connect()
    await first.query('BEGIN')
    await first.query('INSERT INTO docs SELECT n, n, NULL FROM generate_series(100, 2999) n')
    await first.query('UPDATE docs SET value = value + 1')
    await waitFor(() => spooled(reader).length === 1)
    await second.query('BEGIN')
    await second.query('INSERT INTO other SELECT n, n FROM generate_series(1, 3000) n')
    await waitFor(() => spooled(reader).length === 2)
    await first.query('SAVEPOINT a')
    await first.query('DELETE FROM docs WHERE id % 2 = 0')
    await first.query('SAVEPOINT b')
    await first.query('ALTER TABLE docs ADD COLUMN extra text')
    await first.query(`UPDATE docs SET extra = 'x', body = repeat('gone', 100)`)
    await first.query('RELEASE b')
    await first.query('ROLLBACK TO a')
    await first.query('SAVEPOINT c')
    await first.query(`UPDATE docs SET body = repeat('new', 300) WHERE id % 3 = 0`)
    await first.query('RELEASE c')
    await first.query('UPDATE docs SET value = -value WHERE id % 5 = 0')
    await first.query('DELETE FROM docs WHERE id % 7 = 0')
    await server.sql(`INSERT INTO other VALUES (-1, 1)`)
    await second.query('ROLLBACK')
    const before = await currentPosition(server)
    await reader.untilPosition(before)
    expect(reader.model(DOCS).rows.size, 'nothing of it is seen before it commits').toBe(20)
    expect(reader.model(OTHER).rows.size).toBe(1)
    await first.query('COMMIT')
    await reader.untilPosition(await currentPosition(server))
    await expectEqual(reader)
    const positions = new Set(reader.model(DOCS).positions.slice(20))
    expect(positions.size, 'one position for all of it').toBe(1)
    expect([...positions][0]).toBeGreaterThanOrEqual(before)
    expect(spooled(reader)).toEqual([])
    const [stats] = await server.sql(
      `SELECT stream_txns > 0 AS streamed FROM pg_stat_replication_slots`,
    )
    expect(stats?.streamed).toBe(true)
    await reader.close()
  })

  it('see the shape that a table has in them', async () => {
    const { source, reader } = await startReader()
    await using _ = source
    await using client = await connect()
    await client.query('BEGIN')
    await client.query('INSERT INTO docs SELECT n, n, NULL FROM generate_series(100, 2999) n')
    await client.query('ALTER TABLE docs ADD COLUMN extra text')
    await client.query(`UPDATE docs SET extra = 'x' || id WHERE id > 50`)
    await client.query('SAVEPOINT a')
    await client.query('ALTER TABLE docs DROP COLUMN value')
    await client.query('INSERT INTO docs SELECT n FROM generate_series(5000, 8000) n')
    await client.query('ROLLBACK TO a')
    await client.query('UPDATE docs SET value = 0 WHERE id < 200')
    await server.sql('INSERT INTO other VALUES (1, 1)')
    await client.query('COMMIT')
    await server.sql(`INSERT INTO docs VALUES (9999, 1, 'after', 'the shape stays')`)
    await reader.untilPosition(await currentPosition(server))
    await expectEqual(reader)
    await reader.close()
  })

  it('keep their place among the others while the consumer is slow', async () => {
    const { source, reader } = await startReader({ statusIntervalMs: 200 }, 64 * 1024)
    await using _ = source
    await using client = await connect()
    await client.query('BEGIN')
    await client.query(
      `INSERT INTO docs SELECT n, n, repeat('x', 700) FROM generate_series(100, 12000) n`,
    )
    await client.query('COMMIT')
    await server.sql('UPDATE docs SET value = 1 WHERE id % 4 = 0')
    await server.sql('INSERT INTO other SELECT n, n FROM generate_series(1, 2000) n')
    await server.sql('DELETE FROM docs WHERE id % 8 = 0')
    // Longer than the server waits for a sign of life.
    const answered = async (): Promise<unknown> =>
      (await server.sql('SELECT reply_time FROM pg_stat_replication'))[0]?.reply_time?.toString()
    for (let times = 0; times < 5; times++) {
      const last = await answered()
      await waitFor(async () => (await answered()) !== last)
    }
    await reader.untilPosition(await currentPosition(server))
    await expectEqual(reader)
    await reader.close()
  })

  it('come again after a restart in their middle', async () => {
    const { source, reader } = await startReader()
    await using client = await connect()
    await client.query('BEGIN')
    await client.query('INSERT INTO docs SELECT n, n, NULL FROM generate_series(100, 2999) n')
    await waitFor(() => spooled(reader).length === 1)
    await server.sql('INSERT INTO other VALUES (1, 1)')
    await reader.untilPosition(await currentPosition(server))
    reader.session!.acknowledge('slot', reader.nextPosition)
    await reader.close()
    await reader.open(source)
    // The first block says that the stream has begun.
    await reader.step()
    await client.query('UPDATE docs SET value = value + 1')
    // The shape of this table is told once, by what is then rolled back.
    await client.query('SAVEPOINT a')
    await client.query('INSERT INTO other SELECT n, n FROM generate_series(10, 3000) n')
    // Somebody else's commit flushes the log, so that the server gets to see all of that.
    await server.sql('CREATE TABLE elsewhere (id int)')
    await waitFor(() => spooledText(reader).includes('other\0'))
    await client.query('ROLLBACK TO a')
    await client.query('INSERT INTO other VALUES (7, 7)')
    await client.query('COMMIT')
    await reader.untilPosition(await currentPosition(server))
    await expectEqual(reader)
    await reader.close()
    await source[Symbol.asyncDispose]()
  })

  it('are left to the server when the disk may not hold them', async () => {
    const { source, reader } = await startReader({ spoolBytesMax: 1024 * 1024 })
    await using _ = source
    await using client = await connect()
    await client.query('BEGIN')
    await client.query(
      `INSERT INTO docs SELECT n, n, repeat('x', 700) FROM generate_series(100, 4000) n`,
    )
    await expect(reader.until(() => false)).rejects.toMatchObject({
      code: 'SLU-SRC-1224',
      kind: 'transient',
    })
    await reader.close()
    await reader.open(source)
    await client.query('COMMIT')
    await reader.untilPosition(await currentPosition(server))
    expect(spooled(reader)).toEqual([])
    await expectEqual(reader)
    await reader.close()
  })

  it('stay with the server when streaming is off', async () => {
    const { source, reader } = await startReader({ streaming: 'off' })
    await using _ = source
    await server.sql('INSERT INTO docs SELECT n, n, NULL FROM generate_series(100, 2999) n')
    await reader.untilPosition(await currentPosition(server))
    await expectEqual(reader)
    const [stats] = await server.sql(
      `SELECT sum(stream_txns)::int AS streamed FROM pg_stat_replication_slots`,
    )
    expect(stats?.streamed).toBe(0)
    await reader.close()
  })
})

describe('an idle database with a busy neighbour', () => {
  it('moves its slot on, and writes heartbeats when told to', async () => {
    await server.sql('CREATE DATABASE neighbour')
    const { source, reader } = await startReader({ heartbeatIntervalMs: 1000 })
    await using _ = source
    await server.sql(`SELECT pg_create_logical_replication_slot('watch', 'test_decoding')`)
    const url = server.url.replace(/\/[^/]*$/, '/neighbour')
    await runSql(url, 'CREATE TABLE busy AS SELECT n FROM generate_series(1, 20000) n')
    const target = await currentPosition(server)
    await reader.untilPosition(target)
    reader.session!.acknowledge('slot', reader.nextPosition)
    await waitFor(async () => (await confirmedPosition(server)) >= target)
    await waitFor(async () => {
      const changes = await server.sql(
        `SELECT data FROM pg_logical_slot_get_changes('watch', NULL, NULL)`,
      )
      return changes.some(({ data }) => /transactional: 0 prefix: sluice/.test(String(data)))
    })
    // Messages of others, in a transaction and not, are no changes of ours.
    await server.sql(`SELECT pg_logical_emit_message(true, 'theirs', 'one'),
      pg_logical_emit_message(false, 'theirs', 'two')`)
    await server.sql('INSERT INTO other VALUES (1, 1)')
    await reader.untilPosition(await currentPosition(server))
    await reader.close()
    await server.sql('DROP DATABASE neighbour WITH (FORCE)')
    await expectEqual(reader)
  })
})
