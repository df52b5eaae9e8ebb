import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSystemClock } from '../../../src/observe/system-clock.ts'
import { startEmbeddedPostgres } from '../../../src/quickstart/embedded-postgres.ts'

const clock = createSystemClock()
let base: string
let folder: string

beforeEach(async () => {
  base = await mkdtemp(path.join(tmpdir(), 'sluice-embedded-'))
  folder = path.join(base, 'data')
})

afterEach(async () => {
  await rm(base, { recursive: true, force: true })
})

async function ask(url: string, sql: string): Promise<Record<string, unknown>> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows[0] ?? {}
  } finally {
    await client.end()
  }
}

/**
 * Starts a server in a process of its own and tells the url; the process then waits to be killed.
 */
async function startElsewhere(): Promise<{
  url: string
  kill: (signal: NodeJS.Signals) => Promise<void>
}> {
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  const script = `
    import { createSystemClock } from '${root}/src/observe/system-clock.ts'
    import { startEmbeddedPostgres } from '${root}/src/quickstart/embedded-postgres.ts'
    const folder = ${JSON.stringify(folder)}
    const server = await startEmbeddedPostgres({ folder, clock: createSystemClock() })
    console.log(server.url)
    setInterval(() => undefined, 1000)`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }
  return { url: line.toString().trim(), kill }
}

describe('the embedded Postgres', () => {
  it('keeps databases and port over a stop, and is ready for logical replication', async () => {
    const first = await startEmbeddedPostgres({ folder, clock, database: 'shop' })
    await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer')
    await first.stop()
    await first.stop()
    await using second = await startEmbeddedPostgres({ folder, clock, database: 'shop' })
    expect(second.port).toBe(first.port)
    expect(await ask(second.url, 'SELECT answer FROM kept')).toEqual({ answer: 42 })
    expect(await ask(second.url, 'SHOW wal_level')).toEqual({ wal_level: 'logical' })
    expect(await ask(second.url, 'SHOW listen_addresses')).toEqual({
      listen_addresses: '127.0.0.1',
    })
  })

  it('takes over the server of a run that was killed', async () => {
    const other = await startElsewhere()
    await ask(other.url, 'CREATE TABLE kept AS SELECT 1 AS answer')
    await other.kill('SIGKILL')
    await using server = await startEmbeddedPostgres({ folder, clock })
    expect(await ask(server.url, 'SELECT answer FROM kept')).toEqual({ answer: 1 })
  })

  it('refuses a folder whose server belongs to a living process', async () => {
    const other = await startElsewhere()
    try {
      await expect(startEmbeddedPostgres({ folder, clock })).rejects.toMatchObject({
        code: 'SLU-SRC-1291',
      })
      expect(await ask(other.url, 'SELECT 1 AS alive')).toEqual({ alive: 1 })
    } finally {
      await other.kill('SIGKILL')
    }
    await (await startEmbeddedPostgres({ folder, clock })).stop()
  })

  it('leaves the signals of its process alone', async () => {
    const other = await startElsewhere()
    await other.kill('SIGTERM')
    await (await startEmbeddedPostgres({ folder, clock })).stop()
  })

  it('says why it did not start', async () => {
    const settings = { wal_level: 'nonsense' }
    await expect(startEmbeddedPostgres({ folder, clock, settings })).rejects.toMatchObject({
      code: 'SLU-SRC-1290',
      message: expect.stringContaining('wal_level'),
    })
  })
})
