import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { isSluiceError } from '../../../../src/model/index.ts'
import {
  clock,
  createSource,
  currentPosition,
  openAndRead,
  Reader,
  resetServer,
  startServer,
  type TestServer,
} from './harness.ts'

const ORDERS = 'public.orders'
let server: TestServer

beforeAll(async () => {
  server = await startServer({ wal_sender_timeout: '60s' })
})

afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await resetServer(server)
  await server.sql(`
    CREATE TABLE orders (id int PRIMARY KEY, status text); INSERT INTO orders VALUES (1, 'a');`)
})

/** The code that an attempt ends with, `none` when it succeeds. */
async function codeOf(attempt: () => Promise<unknown>): Promise<string> {
  try {
    await attempt()
    return 'none'
  } catch (error) {
    if (!isSluiceError(error)) throw error
    expect(error.remedy.length).toBeGreaterThan(10)
    return error.code
  }
}

/** A reader that has copied the table and closed its session. */
async function copied(): Promise<Reader> {
  const reader = new Reader([ORDERS])
  await openAndRead(reader, server.url)
  return reader
}

const withUrl = (change: (url: URL) => void): string => {
  const url = new URL(server.url)
  change(url)
  return url.href
}

describe('a source that is set up wrongly', () => {
  it.each([
    ['a wrong password', (url: URL) => (url.password = 'wrong'), 'SLU-SRC-1201'],
    ['an unknown user', (url: URL) => (url.username = 'nobody'), 'SLU-SRC-1201'],
    ['an unknown database', (url: URL) => (url.pathname = '/nowhere'), 'SLU-SRC-1202'],
    ['a port where nobody listens', (url: URL) => (url.port = '9'), 'SLU-SRC-1200'],
  ])('says so for %s', async (_, change, code) => {
    const url = withUrl((target) => void change(target))
    expect(await codeOf(() => openAndRead(new Reader([ORDERS]), url))).toBe(code)
  })

  it('says so for a user without the right to replicate, or to read a table', async () => {
    await server.sql(`
      DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN PASSWORD 'p';
      CREATE PUBLICATION sluice_test FOR TABLE orders;`)
    const url = withUrl((target) => {
      target.username = 'plain'
      target.password = 'p'
    })
    expect(await codeOf(() => openAndRead(new Reader([ORDERS]), url))).toBe('SLU-SRC-1204')
    await server.sql('ALTER ROLE plain REPLICATION')
    expect(await codeOf(() => openAndRead(new Reader([ORDERS]), url))).toBe('SLU-SRC-1204')
    await server.sql('GRANT SELECT ON orders TO plain')
    expect(await codeOf(() => openAndRead(new Reader([ORDERS]), url))).toBe('none')
  })

  it('says so when it may not change the publication, with the statement to run', async () => {
    await server.sql(`
      DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN REPLICATION PASSWORD 'p';
      GRANT SELECT ON orders TO plain`)
    const url = withUrl((target) => {
      target.username = 'plain'
      target.password = 'p'
    })
    expect(await codeOf(() => openAndRead(new Reader([ORDERS]), url))).toBe('SLU-SRC-1205')
    const off = { createPublication: false }
    expect(await codeOf(() => openAndRead(new Reader([ORDERS]), server.url, off))).toBe(
      'SLU-SRC-1205',
    )
    await server.sql(`CREATE PUBLICATION sluice_test FOR TABLE orders WITH (publish = 'insert')`)
    expect(await codeOf(() => openAndRead(new Reader([ORDERS]), server.url))).toBe('SLU-SRC-1205')
  })

  it('refuses a publication that thins out rows or columns', async () => {
    await server.sql('CREATE PUBLICATION sluice_test FOR TABLE orders WHERE (id > 0)')
    expect(await codeOf(() => openAndRead(new Reader([ORDERS]), server.url))).toBe('SLU-SRC-1221')
  })

  it('says so for a type that a column cannot have', async () => {
    const columnTypes = { 'public.orders.status': 'decimal(38,2)' }
    const attempt = openAndRead(new Reader([ORDERS]), server.url, { columnTypes })
    await expect(attempt).rejects.toMatchObject({ code: 'SLU-SRC-1222' })
  })

  it('says so for a table that does not exist', async () => {
    const reader = new Reader(['public.nothing'])
    expect(await codeOf(() => openAndRead(reader, server.url))).toBe('SLU-SRC-1206')
  })

  it('says so when wal_level is not logical, before anything is made', async () => {
    await using replica = await startServer({ wal_level: 'replica' })
    await replica.sql('CREATE TABLE orders (id int PRIMARY KEY)')
    expect(await codeOf(() => openAndRead(new Reader([ORDERS]), replica.url))).toBe('SLU-SRC-1203')
    await using source = createSource(replica.url)
    const checks = await source.check([ORDERS])
    expect(checks.find((check) => check.name === 'server')).toMatchObject({ status: 'fail' })
    expect(await replica.sql('SELECT * FROM pg_publication')).toEqual([])
  })

  it('lists every finding of a check, and finds nothing wrong with a good set-up', async () => {
    await server.sql('CREATE TABLE keyless (a int)')
    await using source = createSource(server.url)
    const checks = await source.check([ORDERS, 'public.keyless', 'public.nothing'])
    const statusOf = (name: string): string | undefined =>
      checks.find((check) => check.name === name)?.status
    expect(statusOf(`table ${ORDERS}`)).toBe('ok')
    expect(statusOf('table public.keyless')).toBe('warn')
    expect(statusOf('table public.nothing')).toBe('fail')
    const columnTypes = { 'public.orders.status': 'text', 'public.orders.stauts': 'text' }
    await using typed = createSource(server.url, { columnTypes })
    const warned = (await typed.check([ORDERS])).filter(({ name }) => name.startsWith('column'))
    expect(warned).toMatchObject([{ name: 'column type public.orders.stauts', status: 'warn' }])
    const good = await source.check([ORDERS])
    expect(good.filter((check) => check.status === 'fail')).toEqual([])
    expect(good.every((check) => check.status === 'ok' || check.remedy.length > 0)).toBe(true)
  })
})

describe('a slot that cannot be trusted', () => {
  it('is not taken over when somebody else made it', async () => {
    await server.sql(`SELECT pg_create_logical_replication_slot('sluice_test', 'pgoutput')`)
    expect(await codeOf(() => openAndRead(new Reader([ORDERS]), server.url))).toBe('SLU-SRC-1210')
  })

  it('stops the pipeline when it is gone', async () => {
    const reader = await copied()
    await server.sql(`SELECT pg_drop_replication_slot('sluice_test')`)
    expect(await codeOf(() => openAndRead(reader, server.url))).toBe('SLU-SRC-1211')
  })

  it('stops the pipeline when another reader moved it', async () => {
    const reader = await copied()
    await server.sql(`INSERT INTO orders VALUES (2, 'b')`)
    await server.sql(`SELECT pg_replication_slot_advance('sluice_test', pg_current_wal_lsn())`)
    expect(await codeOf(() => openAndRead(reader, server.url))).toBe('SLU-SRC-1212')
  })

  it('stops the pipeline on another server and another timeline', async () => {
    const reader = await copied()
    const model = reader.model(ORDERS)
    const identity = model.identity
    model.identity = { ...identity, systemIdentifier: '1' }
    expect(await codeOf(() => openAndRead(reader, server.url))).toBe('SLU-SRC-1213')
    model.identity = { ...identity, timeline: 2 }
    expect(await codeOf(() => openAndRead(reader, server.url))).toBe('SLU-SRC-1214')
    model.identity = identity
    expect(await codeOf(() => openAndRead(reader, server.url))).toBe('none')
  })

  it('stops the pipeline when the table left the publication or was made anew', async () => {
    const reader = await copied()
    await server.sql('ALTER PUBLICATION sluice_test DROP TABLE orders')
    expect(await codeOf(() => openAndRead(reader, server.url))).toBe('SLU-SRC-1216')
    await server.sql('ALTER PUBLICATION sluice_test ADD TABLE orders')
    expect(await codeOf(() => openAndRead(reader, server.url))).toBe('none')
    await server.sql(`
      DROP TABLE orders; CREATE TABLE orders (id int PRIMARY KEY, status text);
      ALTER PUBLICATION sluice_test ADD TABLE orders`)
    expect(await codeOf(() => openAndRead(reader, server.url))).toBe('SLU-SRC-1216')
  })

  it('is made anew while nothing depends on it, also after a crash in between', async () => {
    const reader = new Reader([ORDERS])
    const write = reader.memory.write.bind(reader.memory)
    reader.memory.write = async (notes) => {
      if (notes.state === 'created') throw new Error('killed here')
      await write(notes)
    }
    await expect(openAndRead(reader, server.url)).rejects.toThrow()
    reader.memory.write = write
    expect(await codeOf(() => openAndRead(reader, server.url))).toBe('none')
    expect(reader.model(ORDERS).rows.size).toBe(1)
  })

  it('fences the second of two instances, and lets it in once the first is gone', async () => {
    const first = new Reader([ORDERS])
    await using source = createSource(server.url)
    await first.open(source)
    await first.until(() => first.nextPosition > 0n)
    const second = new Reader([ORDERS], first.memory)
    second.streams.set(ORDERS, first.model(ORDERS))
    const slow = { slotWaitMs: 300 }
    expect(await codeOf(() => openAndRead(second, server.url, slow))).toBe('SLU-SRC-1215')
    const waiting = codeOf(() => openAndRead(second, server.url))
    await clock.sleep(0)
    await first.close()
    expect(await waiting).toBe('none')
  })
})

describe('a server that goes away', () => {
  it('ends the stream with a transient error, and nothing is missing afterwards', async () => {
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.nextPosition > 0n)
    await server.sql(`INSERT INTO orders VALUES (2, 'before')`)
    const position = await currentPosition(server)
    await reader.untilPosition(position)
    reader.session!.acknowledge('slot', position)
    const ended = codeOf(() => reader.until(() => false))
    await server.sql(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots`)
    expect(await ended).toBe('SLU-SRC-1200')
    await reader.close()
    await server.sql(`INSERT INTO orders VALUES (3, 'between')`)
    await server.stop()
    expect(await codeOf(() => reader.open(source))).toBe('SLU-SRC-1200')
    await server.restart()
    await server.sql(`INSERT INTO orders VALUES (4, 'after')`)
    await reader.open(source)
    await reader.untilPosition(await currentPosition(server))
    expect([...reader.model(ORDERS).rows.values()].map((row) => row.id)).toEqual([
      '1',
      '2',
      '3',
      '4',
    ])
    await reader.close()
  })

  it('ends a copy with a transient error', async () => {
    await server.sql(
      `INSERT INTO orders SELECT i, repeat('x', 500) FROM generate_series(2, 100000) i`,
    )
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source, 1024 * 1024)
    await reader.step()
    await server.sql(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE ' +
        `'COPY%' AND pid <> pg_backend_pid()`,
    )
    expect(await codeOf(() => reader.until(() => reader.nextPosition > 0n))).toBe('SLU-SRC-1200')
    await reader.close()
    await reader.open(source)
    await reader.until(() => reader.nextPosition > 0n)
    expect(reader.model(ORDERS).rows.size).toBe(100_000)
    await reader.close()
  })

  it('ends quietly when it is told to stop', async () => {
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.nextPosition > 0n)
    const last = reader.step()
    await reader.close()
    expect(await last).toBeNull()
    const active = await server.sql('SELECT active FROM pg_replication_slots')
    expect(active).toHaveLength(1)
  })
})
