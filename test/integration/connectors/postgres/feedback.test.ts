import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  clock,
  confirmedPosition,
  createSource,
  currentPosition,
  Reader,
  resetServer,
  startServer,
  type TestServer,
} from './harness.ts'

const ORDERS = 'public.orders'
let server: TestServer

beforeAll(async () => {
  server = await startServer({ wal_sender_timeout: '1s' })
})

afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await resetServer(server)
  await server.sql('CREATE TABLE orders (id int PRIMARY KEY, filler text)')
})

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await clock.sleep(20)
}

describe('feedback to the server', () => {
  it('moves the slot to what was acknowledged and never further', async () => {
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.nextPosition > 0n)
    const atStart = await confirmedPosition(server)
    await server.sql(`INSERT INTO orders VALUES (1, 'a')`)
    await reader.untilPosition(await currentPosition(server))
    const middle = reader.nextPosition
    await server.sql(`INSERT INTO orders VALUES (2, 'b')`)
    await reader.untilPosition(await currentPosition(server))
    // Several status messages go out meanwhile: the server would drop us otherwise.
    const sent = async (): Promise<unknown> =>
      (await server.sql('SELECT reply_time FROM pg_stat_replication'))[0]?.reply_time?.toString()
    const before = await sent()
    await waitFor(async () => (await sent()) !== before)
    expect(await confirmedPosition(server)).toBe(atStart)
    reader.session!.acknowledge('slot', middle)
    await waitFor(async () => (await confirmedPosition(server)) >= middle)
    expect(await confirmedPosition(server)).toBe(middle)
    reader.session!.acknowledge('slot', reader.nextPosition + 1_000_000n)
    await waitFor(async () => (await confirmedPosition(server)) > middle)
    expect(await confirmedPosition(server)).toBeLessThanOrEqual(reader.nextPosition)
    await reader.close()
  })

  it('delivers again what was not acknowledged', async () => {
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.nextPosition > 0n)
    const resume = reader.model(ORDERS).nextPosition
    await server.sql(`INSERT INTO orders VALUES (1, 'a')`)
    await reader.untilPosition(await currentPosition(server))
    await reader.close()
    reader.model(ORDERS).nextPosition = resume
    reader.model(ORDERS).rows.clear()
    await reader.open(source)
    await reader.until(() => reader.model(ORDERS).rows.size === 1)
    await reader.close()
  })

  it('lets the slot advance while only other tables change', async () => {
    await server.sql('CREATE TABLE other (id serial PRIMARY KEY, v text)')
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.nextPosition > 0n)
    await server.sql(`INSERT INTO other (v) SELECT repeat('x', 500) FROM generate_series(1, 2000)`)
    const target = await currentPosition(server)
    await reader.untilPosition(target)
    expect(reader.blocks.at(-1)).toMatchObject({ parts: [], endsTransaction: true, copy: null })
    reader.session!.acknowledge('slot', reader.nextPosition)
    await waitFor(async () => (await confirmedPosition(server)) >= target)
    await reader.close()
  })

  it('keeps the connection while the consumer rests for longer than the server waits', async () => {
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source, 64 * 1024)
    await reader.until(() => reader.nextPosition > 0n)
    const [row] = await server.sql('SELECT active_pid FROM pg_replication_slots')
    await server.sql(
      `INSERT INTO orders SELECT i, repeat('y', 1000) FROM generate_series(1, 40000) i`,
    )
    const [{ started }] = (await server.sql('SELECT now()::text AS started')) as [
      { started: string },
    ]
    await waitFor(async () => {
      const [late] = await server.sql(`SELECT now() - $1::timestamptz > '3s' AS late`, [started])
      return late!.late === true
    })
    await reader.untilPosition(await currentPosition(server))
    expect(reader.model(ORDERS).rows.size).toBe(40000)
    expect(await server.sql('SELECT active_pid FROM pg_replication_slots')).toEqual([row])
    await reader.close()
  })
})
