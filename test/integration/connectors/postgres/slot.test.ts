import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  createPostgresSource,
  postgresSettingsSchema,
} from '../../../../connectors/postgres/index.ts'
import type { SourceCheck, Telemetry } from '../../../../src/contracts/index.ts'
import { isSluiceError, type SluiceError } from '../../../../src/model/index.ts'
import { testedVersion } from '../../../support/postgres-versions.ts'
import {
  clock,
  createSource,
  currentPosition,
  openAndRead,
  Reader,
  resetServer,
  runSql,
  silent,
  startServer,
  type TestServer,
} from './harness.ts'

const ORDERS = 'public.orders'
const runFile = promisify(execFile)
let server: TestServer

beforeAll(async () => {
  server = await startServer({ max_replication_slots: '3' })
})
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})
beforeEach(async () => {
  await resetServer(server)
  await server.sql(`
    CREATE TABLE orders (id int PRIMARY KEY, status text); INSERT INTO orders VALUES (1, 'a');`)
})

/** A reader that has copied the table and closed its session. */
async function copied(): Promise<Reader> {
  const reader = new Reader([ORDERS])
  await openAndRead(reader, server.url)
  return reader
}

/** The error that an attempt to go on ends with. */
async function failureOf(reader: Reader, url = server.url): Promise<SluiceError> {
  try {
    await openAndRead(reader, url)
  } catch (error) {
    if (isSluiceError(error)) return error
    throw error
  }
  throw new Error('the source went on')
}

async function setting(name: string, value: string): Promise<void> {
  await server.sql(`ALTER SYSTEM SET ${name} = '${value}'`)
  await server.sql('SELECT pg_reload_conf()')
  for (;;) {
    const [row] = await server.sql(`SELECT setting FROM pg_settings WHERE name = $1`, [name])
    if (row?.setting === value) return
  }
}

/** Lets `act` and checkpoints run until the server has given the slot up. */
async function untilLost(act: string): Promise<void> {
  for (;;) {
    const [row] = await server.sql(`SELECT wal_status FROM pg_replication_slots`)
    if (row?.wal_status === 'lost') return
    await server.sql(act)
    await server.sql('CHECKPOINT')
  }
}

describe('a slot that the server gave up', () => {
  it('stops the pipeline when its WAL was removed, and says which setting did it', async () => {
    const reader = await copied()
    await setting('max_slot_wal_keep_size', '1')
    await untilLost(`SELECT pg_logical_emit_message(false, 'x', repeat('x', 4000000)),
      pg_switch_wal()`)
    await setting('max_slot_wal_keep_size', '-1')
    const error = await failureOf(reader)
    expect(error).toMatchObject({ code: 'SLU-SRC-1211', kind: 'gap' })
    expect(error.message).toContain('max_slot_wal_keep_size')
    expect(error.remedy).toContain('--on-slot-lost resync')
    expect(reader.model(ORDERS).rows.size).toBe(1)
  })

  it('is replaced, and every table copied again, when the setting says so', async () => {
    const reader = await copied()
    await server.sql(`SELECT pg_drop_replication_slot('sluice_test')`)
    await server.sql(`DELETE FROM orders; INSERT INTO orders VALUES (2, 'in the gap')`)
    await openAndRead(reader, server.url, { onSlotLost: 'resync' })
    expect([...reader.model(ORDERS).rows.values()]).toEqual([{ id: '2', status: 'in the gap' }])
    await server.sql(`INSERT INTO orders VALUES (3, 'after')`)
    await using source = createSource(server.url)
    await reader.open(source)
    await reader.untilPosition(await currentPosition(server))
    await reader.close()
    expect(reader.model(ORDERS).rows.size).toBe(2)
  })

  // The setting came with 18; before, there is nothing to provoke.
  const on18 = testedVersion() >= 18 ? [true] : []
  it.each(on18)('says so when nobody read it for too long', async () => {
    const reader = await copied()
    await setting('idle_replication_slot_timeout', '1')
    await untilLost('SELECT 1')
    await setting('idle_replication_slot_timeout', '0')
    const error = await failureOf(reader)
    expect(error.code).toBe('SLU-SRC-1211')
    expect(error.remedy).toContain('SET idle_replication_slot_timeout')
  })
})

describe('a slot whose WAL budget runs low', () => {
  afterEach(() => setting('max_slot_wal_keep_size', '-1'))

  const budgetOf = async (walBudgetWarn: string): Promise<SourceCheck | undefined> => {
    await using source = createSource(server.url, { walBudgetWarn })
    const checks = await source.check([ORDERS])
    return checks.find(({ name }) => name === 'WAL budget')
  }

  it('is told by check, the log and the progress before anything is lost', async () => {
    const reader = await copied()
    await setting('max_slot_wal_keep_size', '64')
    expect(await budgetOf('50%')).toBeUndefined()
    // 52 MiB: of 64, and up to a whole segment more where the slot stands at the begin of one.
    for (let message = 0; message < 11; message++) {
      await server.sql(`SELECT pg_logical_emit_message(false, 'x', repeat('x', 5000000))`)
    }
    const found = await budgetOf('50%')
    expect(found).toMatchObject({ status: 'warn', seen: expect.stringContaining('SLU-SRC-1229') })
    expect(found?.remedy).toContain("max_slot_wal_keep_size = '128MB'")
    expect(await budgetOf('0%')).toBeUndefined()

    const logged = Promise.withResolvers<unknown>()
    const telemetry: Telemetry = {
      ...silent,
      log: (level, message, fields) => {
        if (level === 'warn') logged.resolve({ message, code: fields?.code })
      },
    }
    const settings = postgresSettingsSchema.parse({ url: server.url })
    const context = { name: 'pg', pipeline: 'test', clock, telemetry }
    await using source = await createPostgresSource(settings, context)
    await reader.open(source)
    const step = reader.step()
    const message = expect.stringContaining('slot sluice_test has')
    expect(await logged.promise).toEqual({ message, code: 'SLU-SRC-1229' })
    expect(reader.session?.progress().warnings).toMatchObject([{ code: 'SLU-SRC-1229' }])
    await reader.close()
    await step
  })
})

describe('a slot of the same name that is another one', () => {
  const drop = `SELECT pg_drop_replication_slot('sluice_test')`

  it('is noticed when somebody made it anew', async () => {
    const reader = await copied()
    await server.sql(drop)
    await server.sql(`INSERT INTO orders VALUES (2, 'lost')`)
    await server.sql(`SELECT pg_create_logical_replication_slot('sluice_test', 'pgoutput')`)
    expect(await failureOf(reader)).toMatchObject({ code: 'SLU-SRC-1212', kind: 'gap' })
  })

  it.each([
    ['plugin', `SELECT pg_create_logical_replication_slot('sluice_test', 'test_decoding')`],
    ['type', `SELECT pg_create_physical_replication_slot('sluice_test', true)`],
  ])('is left alone when its %s differs', async (_, create) => {
    const reader = await copied()
    await server.sql(drop)
    await server.sql(create)
    const error = await failureOf(reader)
    expect(error.code).toBe('SLU-SRC-1210')
    expect(error.remedy).toContain('changes from')
    expect(await server.sql('SELECT slot_name FROM pg_replication_slots')).toHaveLength(1)
  })

  it('is left alone when it belongs to another database', async () => {
    await server.sql('DROP DATABASE IF EXISTS elsewhere')
    await server.sql('CREATE DATABASE elsewhere')
    const reader = await copied()
    await server.sql(drop)
    const other = new URL(server.url)
    other.pathname = '/elsewhere'
    await runSql(other.href, `SELECT pg_create_logical_replication_slot('sluice_test', 'pgoutput')`)
    const error = await failureOf(reader)
    expect([error.code, error.message]).toEqual([
      'SLU-SRC-1210',
      expect.stringContaining('database elsewhere'),
    ])
    await runSql(other.href, drop)
    await server.sql('DROP DATABASE elsewhere')
  })
})

describe('a server without a free slot', () => {
  it('says so, with the setting to raise', async () => {
    for (const name of ['a', 'b', 'c']) {
      await server.sql(`SELECT pg_create_physical_replication_slot('${name}')`)
    }
    const error = await failureOf(new Reader([ORDERS]))
    expect([error.code, error.remedy]).toEqual([
      'SLU-SRC-1207',
      expect.stringContaining('max_replication_slots'),
    ])
  })
})

describe('a server that is not what it was', () => {
  it('is refused when it is another cluster', async () => {
    const reader = await copied()
    await using other = await startServer()
    await other.sql('CREATE TABLE orders (id int PRIMARY KEY, status text)')
    expect(await failureOf(reader, other.url)).toMatchObject({ code: 'SLU-SRC-1213', kind: 'gap' })
    expect(await other.sql('SELECT * FROM pg_replication_slots')).toEqual([])
  })

  it('is waited for while it is a standby, and followed to its new timeline', async () => {
    const reader = await copied()
    await server.stop()
    await writeFile(path.join(server.folder, 'standby.signal'), '')
    await server.restart({ hot_standby: 'on' })
    expect(await failureOf(reader)).toMatchObject({ code: 'SLU-SRC-1223', kind: 'transient' })
    await server.sql('SELECT pg_promote()')
    await server.sql(`INSERT INTO orders VALUES (2, 'after the promotion')`)
    for (const _ of ['the first time', 'and ever after']) {
      await using source = createSource(server.url)
      await reader.open(source)
      await reader.untilPosition(await currentPosition(server))
      await reader.close()
    }
    expect(reader.model(ORDERS).rows.size).toBe(2)
    expect(reader.memory.notes?.timeline).toBe(2)
  })

  it('is refused when it was restored to a time before what the tables hold', async () => {
    const reader = await copied()
    await server.stop()
    const backup = `${server.folder}.backup`
    await runFile('cp', ['-a', server.folder, backup])
    await server.restart()
    await server.sql(`INSERT INTO orders VALUES (2, 'undone by the restore')`)
    await server.sql(`SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000000))`)
    await using source = createSource(server.url)
    await reader.open(source)
    await reader.untilPosition(await currentPosition(server))
    await reader.close()
    await server.stop()
    await rm(server.folder, { recursive: true })
    await runFile('mv', [backup, server.folder])
    await server.restart()
    const error = await failureOf(reader)
    expect([error.code, error.kind]).toEqual(['SLU-SRC-1214', 'gap'])
    expect(error.message).toContain('the log of the server ends at')
  })
})
