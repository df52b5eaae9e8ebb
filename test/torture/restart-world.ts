/** What restarts work on: a server that ends in every way, a pipeline, and its lives. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { openRuntime, runPipeline, sourceSpecs } from '../../src/compose.ts'
import { loadConfig } from '../../src/config/index.ts'
import type { Telemetry } from '../../src/contracts/index.ts'
import type { FailpointName } from '../../src/ingest/index.ts'
import { createSystemClock } from '../../src/observe/index.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/quickstart/index.ts'
import type { Dice } from '../support/random.ts'
import { newestCursor } from './history.ts'
import { type SluiceProcess, startSluice } from './sluice-process.ts'

/** The tables: one that is always written, one hardly ever, one that is never published. */
export const RESTART_TABLES = ['hot', 'quiet'] as const

/** A server, a pipeline and what went wrong. */
export interface RestartWorld {
  readonly folder: string
  readonly lake: string
  readonly dice: Dice
  readonly problems: string[]
  /** Code → how often a life started over by itself. */
  readonly retries: Record<string, number>
  readonly server: Server
  sql(text: string): Promise<readonly Record<string, unknown>[]>
}

/** How Postgres shuts down: `smart` waits for its clients. */
export type Shutdown = 'smart' | 'fast' | 'immediate'

/** The server of a run. */
export interface Server {
  readonly url: string
  restart(shutdown: Shutdown): Promise<void>
}

/** One life of the pipeline in this process. */
export interface Life {
  /** The error that ended it; null while it runs, and after a good end. */
  error(): unknown
  /** Drains it; resolves at its end. */
  stop(): Promise<void>
}

const PIPELINE = 'restarts'
const CATCH_UP_MS = 60_000
const POLL_MS = 10
const SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const
/** What a life may start over for: its server was away, or its predecessor not quite gone. */
const PASSING = new Set(['SLU-SRC-1200', 'SLU-SRC-1208', 'SLU-SRC-1215'])

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** Runs `work` in a new world, and ends its server afterwards. */
export async function inRestartWorld<Result>(
  folder: string,
  dice: Dice,
  work: (world: RestartWorld) => Promise<Result>,
): Promise<Result> {
  const data = path.join(folder, 'postgres')
  const start = (port?: number): Promise<EmbeddedPostgres> =>
    startEmbeddedPostgres({
      ...{ folder: data, clock: createSystemClock(), database: 'shop' },
      settings: { fsync: 'off', max_wal_size: '256MB' },
      ...(port === undefined ? {} : { port }),
    })
  let postgres = await start()
  const { url, port } = postgres
  const restart = async (shutdown: Shutdown): Promise<void> => {
    const [line] = readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')
    process.kill(Number(line), SIGNALS[shutdown])
    await waitFor(() => !isAlive(Number(line)))
    await postgres.stop()
    postgres = await start(port)
  }
  const lake = path.join(folder, 'lake')
  mkdirSync(lake, { recursive: true })
  writeFileSync(path.join(folder, 'sluice.yaml'), configOf(url))
  try {
    return await work({
      ...{ folder, lake, dice, problems: [], retries: {} },
      server: { url, restart },
      sql: (text) => runSql(url, text),
    })
  } finally {
    await postgres.stop()
  }
}

function configOf(url: string): string {
  return `apiVersion: v1
store: { url: ./lake }
workFolder: ./work
sources:
  database: { postgres: { url: "${url}", statusIntervalMs: 200 } }
pipelines:
  - name: ${PIPELINE}
    from: database
    tables: [${RESTART_TABLES.map((table) => `public.${table}`).join(', ')}]
    commit: { every: 50ms, partRows: 500 }
    memory: 128MiB
    index: { memory: 64MiB }
    inFlight: 8MiB
`
}

/** Runs statements on a connection of their own. */
export async function runSql(
  url: string,
  text: string,
): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const result = await client.query(text)
    return Array.isArray(result) ? [] : result.rows
  } finally {
    await client.end()
  }
}

/** Starts the pipeline; `failpoint` ends this life there, as a crash would. */
export async function startLife(world: RestartWorld, failpoint?: FailpointName): Promise<Life> {
  const config = loadConfig(path.join(world.folder, 'sluice.yaml'), await sourceSpecs())
  const stop = new AbortController()
  let error: unknown = null
  const die = (): never => {
    throw new Error(`died at ${failpoint}`)
  }
  const run = async (): Promise<void> => {
    const telemetry = listenTo(world)
    const clock = createSystemClock()
    await using runtime = await openRuntime(config, { clock, telemetry, readerThreads: 1 })
    await runPipeline(runtime, config.pipelines[0]!, {
      signal: stop.signal,
      ...(failpoint === undefined ? {} : { death: { failpoint, occurrence: 1, die } }),
    })
  }
  const ended = run().catch((thrown: unknown) => {
    error = thrown
  })
  return {
    error: () => error,
    stop: async () => {
      stop.abort()
      await ended
    },
  }
}

/** Starts the pipeline as a process of its own. */
export function startProcess(world: RestartWorld): SluiceProcess {
  return startSluice(world.folder, ['run', '--config', path.join(world.folder, 'sluice.yaml')])
}

/** Notes why lives start over; anything but a server that is away is a false alarm. */
function listenTo({ retries, problems }: RestartWorld): Telemetry {
  return {
    log: (_, message, fields) => {
      if (message !== 'starting over') return
      const code = String(fields?.code)
      retries[code] = (retries[code] ?? 0) + 1
      if (!PASSING.has(code)) problems.push(`started over for ${code}: ${String(fields?.reason)}`)
    },
    count: () => undefined,
    gauge: () => undefined,
    observe: () => undefined,
  }
}

/** Where the server's log ends now. */
export async function walPosition({ sql }: RestartWorld): Promise<bigint> {
  const [row] = await sql("SELECT (pg_current_wal_lsn() - '0/0')::text AS position")
  return BigInt(String(row?.position))
}

/** What a table holds is complete up to here; null before its first commit. */
export function tablePosition({ lake }: RestartWorld, table: string): bigint | null {
  return newestCursor(path.join(lake, table))?.nextPosition ?? null
}

/** Waits until a table that was just written holds everything before `position`. */
export async function caughtUp(
  world: RestartWorld,
  table: string,
  position: bigint,
  isOver: () => boolean,
): Promise<void> {
  const isThere = (): boolean => (tablePosition(world, table) ?? 0n) >= position
  if (await waitFor(() => isThere() || isOver())) return
  world.problems.push(`${table} did not reach ${position} within ${CATCH_UP_MS / 1000} s`)
}

/** False when the condition did not come true in time. */
export async function waitFor(condition: () => boolean, ms = CATCH_UP_MS): Promise<boolean> {
  const giveUpAt = performance.now() + ms
  while (!condition()) {
    if (performance.now() > giveUpAt) return false
    await sleep(POLL_MS)
  }
  return true
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0)
    return true
  } catch {
    return false
  }
}
