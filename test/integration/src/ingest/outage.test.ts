/** The database goes away while changes are read and not yet committed. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compareWithSource } from '../../../../src/compare.ts'
import { openRuntime, type Runtime, sourceSpecs } from '../../../../src/compose.ts'
import { loadConfig } from '../../../../src/config/index.ts'
import type { Clock, PipelineStatus, Source, Telemetry } from '../../../../src/contracts/index.ts'
import {
  clock as realClock,
  silent,
  startServer,
  type TestServer,
} from '../../connectors/postgres/harness.ts'

/** How often the status is looked at; nothing depends on it. */
const POLL_MS = 5
/** Moved time must not make a server that answers look like one that does not. */
const PATIENT = 'statusIntervalMs: 100, receiveTimeoutMs: 600000'

let server: TestServer
let folder = ''

beforeAll(async () => {
  server = await startServer()
  folder = mkdtempSync(join(tmpdir(), 'sluice-outage-'))
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** The system's clock, except that time can be moved on and that retries wait on moved time. */
function createMovedClock(): Clock & { movedMs: number; waitsPass: boolean } {
  return {
    ...realClock,
    movedMs: 0,
    waitsPass: false,
    monotonicMs() {
      return realClock.monotonicMs() + this.movedMs
    },
    sleep(ms, signal) {
      if (!this.waitsPass) return realClock.sleep(ms, signal)
      this.movedMs += ms
      return new Promise((resolve) => setImmediate(resolve))
    },
  }
}

/** Starts the one pipeline of a runtime. */
async function start(runtime: Runtime, source: Source) {
  const stop = new AbortController()
  const pipeline = await runtime.openPipeline(runtime.config.pipelines[0]!, source)
  let failure: unknown = null
  const running = pipeline.run(stop.signal)
  running.catch((error: unknown) => {
    failure = error
  })
  return {
    reach: async (isReached: (status: PipelineStatus) => boolean): Promise<void> => {
      while (!isReached(pipeline.status())) {
        if (failure !== null) throw failure
        await realClock.sleep(POLL_MS)
      }
    },
    drain: () => {
      stop.abort()
      return running
    },
  }
}

test('a minute without the database loses nothing, even after an idle hour', async () => {
  await server.sql('CREATE TABLE orders (id int PRIMARY KEY, note text)')
  await server.sql(`INSERT INTO orders SELECT i, 'n' FROM generate_series(1, 1000) i`)
  const path = join(folder, 'sluice.yaml')
  writeFileSync(
    path,
    `apiVersion: v1
store: { url: ./lake }
sources: { pg: { postgres: { url: '${server.url}', connectTimeoutMs: 2000, ${PATIENT} } } }
pipelines: [{ name: away, from: pg, tables: [public.orders], commit: { every: 10m } }]
`,
  )
  const clock = createMovedClock()
  const retries: string[] = []
  const telemetry: Telemetry = {
    ...silent,
    log: (_level, message, fields) => {
      if (message === 'starting over') retries.push(String(fields?.code))
    },
  }
  await using runtime = await openRuntime(loadConfig(path, await sourceSpecs()), {
    clock,
    telemetry,
    readerThreads: 1,
  })
  const settings = runtime.config.pipelines[0]!
  const target = settings.targets[0]!
  await using source = await runtime.openSource(settings)
  const first = await start(runtime, source)
  await first.reach(({ tables }) => tables[0]?.rowCount === 1000n && tables[0].copy === null)
  expect(await first.drain()).toBe('drained')
  const { reach, drain } = await start(runtime, source)
  await reach(({ splits: [slot] }) => {
    const { floorPosition = null, endPosition = null } = slot ?? {}
    return floorPosition !== null && endPosition !== null && floorPosition >= endPosition
  })

  clock.movedMs += 60 * 60_000
  await server.sql(`UPDATE orders SET note = 'before' WHERE id <= 500`)
  // At once, as a machine that fails: a slow shutdown waits for us to confirm what it sent.
  const postmaster = Number(
    readFileSync(join(server.folder, 'postmaster.pid'), 'utf8').split('\n')[0],
  )
  process.kill(postmaster, 'SIGQUIT')
  clock.waitsPass = true
  const awayFromMs = clock.movedMs
  await reach(() => clock.movedMs - awayFromMs > 60_000 && retries.length > 5)
  await server.restart()
  await server.sql(`UPDATE orders SET note = 'after' WHERE id > 900`)
  await server.sql('DELETE FROM orders WHERE id = 700')
  await reach(({ tables }) => tables[0]?.rowCount === 999n)

  expect(retries.filter((code) => !code.startsWith('SLU-SRC-12'))).toEqual([])
  const comparison = await compareWithSource(runtime, settings, target, {
    sampleMax: 10,
    timeoutMs: 60_000,
    isIngesting: () => true,
  })
  expect(comparison.result).toMatchObject({ missingRows: 0n, extraRows: 0n })
  expect(await drain()).toBe('drained')
})
