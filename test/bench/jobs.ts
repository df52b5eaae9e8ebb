/** What a bench does in processes of their own, so that CPU time and memory are each one's own. */

import { spawn } from 'node:child_process'
import { mkdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { openRuntime, type Runtime, sourceSpecs } from '../../src/compose.ts'
import { loadConfig } from '../../src/config/index.ts'
import type { PipelineStatus } from '../../src/contracts/index.ts'
import { duckType, identifier, literal } from '../../src/engine/index.ts'
import type { JsonObject } from '../../src/model/index.ts'
import { createSystemClock, createTelemetry } from '../../src/observe/index.ts'
import { doKafkaJob, type KafkaJob } from './kafka-job.ts'
import { makeLog, type OpenJob, openLog } from './open-job.ts'
import { type OrderEvents, type OrderEventsRequest, writeOrderEvents } from './order-events.ts'
import { type BacklogResult, readBacklog } from './postgres-reader.ts'

/** A piece of work for a process of its own. */
export type Job =
  | { readonly kind: 'generate'; readonly requests: readonly OrderEventsRequest[] }
  | {
      readonly kind: 'limit'
      readonly files: readonly string[]
      /** Column → DuckDB type. */
      readonly columns: Readonly<Record<string, string>>
      readonly target: string
      readonly threads: number
    }
  | {
      readonly kind: 'pipeline'
      readonly config: string
      readonly until: RunUntil
    }
  | ({ readonly kind: 'make-log' | 'open-log' } & OpenJob)
  | ({ readonly kind: 'kafka' } & KafkaJob)
  | { readonly kind: 'query'; readonly config: string; readonly sql: string }
  | { readonly kind: 'cursor'; readonly config: string; readonly root: string }
  | { readonly kind: 'timeline'; readonly config: string; readonly root: string }
  | {
      readonly kind: 'backlog'
      readonly url: string
      readonly slot: string
      readonly publication: string
      readonly streams: readonly string[]
      readonly fromPosition: string
      readonly untilPosition: string
      readonly identity: JsonObject
    }

/** When a pipeline has done its work. */
export type RunUntil =
  | { readonly kind: 'source-end' }
  /** Everything before the position is committed. */
  | { readonly kind: 'position'; readonly position: string }
  /** So many records are read; then the run drains, which commits them at once. */
  | { readonly kind: 'records'; readonly count: number }

/** What a job cost its process. */
export interface Cost {
  readonly elapsedMs: number
  /** User and system time of all threads while the job ran. */
  readonly cpuSeconds: number
  readonly peakRssMb: number
}

/** How a job ended. */
export interface JobEnd<Result> {
  readonly cost: Cost
  readonly result: Result
}

/** One commit of a table. */
export interface CommitTiming {
  readonly version: string
  readonly operation: string
  readonly timestampMicros: string
  readonly read: number
  readonly stepTimingsMs: Readonly<Record<string, number>>
}

/** Where a table stands, for the bare reader. */
export interface StoredCursor {
  readonly nextPosition: string
  readonly identity: JsonObject
}

/** Rows of a query with numbers as text. */
export type TextRows = readonly (readonly string[])[]

const MIB = 1024 ** 2
const POLL_MS = 20
const BACKLOG_BUFFER_BYTES = 64 * MIB
const CHILD = join(import.meta.dirname, 'child.ts')

/** Runs a job in a process of its own. `profileFolder` makes it leave a CPU profile there. */
export async function runJob<Result>(
  job: Job,
  profileFolder: string | null = null,
): Promise<JobEnd<Result>> {
  const flags = profileFolder === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`]
  const child = spawn(process.execPath, [...flags, CHILD, JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    output += text
  })
  const ended = Promise.withResolvers<number | null>()
  child.on('error', ended.reject)
  child.on('close', (code) => ended.resolve(code))
  const code = await ended.promise
  if (code !== 0) throw new Error(`the ${job.kind} process ended with ${code}: ${output}`)
  return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as JobEnd<Result>
}

/** Does a job in this process. What loading code costs is counted for none. */
export async function doJob(job: Job): Promise<JobEnd<unknown>> {
  await preload()
  const startedMs = performance.now()
  const startedCpu = process.cpuUsage()
  const result = await perform(job)
  const elapsedMs = performance.now() - startedMs
  const { user, system } = process.cpuUsage(startedCpu)
  return {
    cost: {
      elapsedMs,
      cpuSeconds: (user + system) / 1e6,
      peakRssMb: process.resourceUsage().maxRSS / 1024,
    },
    result,
  }
}

/** Loads what the composition loads on demand. */
async function preload(): Promise<void> {
  await Promise.all([
    import('../../src/ingest/index.ts'),
    import('../../connectors/files/index.ts'),
    import('../../table-format/delta/index.ts'),
    import('../../table-format/object-store/index.ts'),
  ])
}

function perform(job: Job): Promise<unknown> {
  switch (job.kind) {
    case 'generate':
      return Promise.resolve<readonly OrderEvents[]>(job.requests.map(writeOrderEvents))
    case 'limit':
      return copyWithDuckDb(job)
    case 'pipeline':
      return withRuntime(job.config, (runtime) => runToEnd(runtime, job.until))
    case 'query':
      return withRuntime(job.config, (runtime) => query(runtime, job.sql))
    case 'cursor':
      return withRuntime(job.config, (runtime) => readCursor(runtime, job.root))
    case 'timeline':
      return withRuntime(job.config, (runtime) => readTimeline(runtime, job.root))
    case 'backlog':
      return readBare(job)
    case 'kafka':
      return doKafkaJob(job)
    case 'make-log':
      return makeLog(job)
    case 'open-log':
      return openLog(job)
    default: {
      const never: never = job
      return never
    }
  }
}

async function withRuntime<Result>(
  path: string,
  work: (runtime: Runtime) => Promise<Result>,
): Promise<Result> {
  const clock = createSystemClock()
  const config = loadConfig(path, await sourceSpecs())
  const telemetry = createTelemetry({
    level: 'warn',
    format: 'text',
    stream: process.stderr,
    clock,
  })
  await using runtime = await openRuntime(config, { clock, telemetry, readerThreads: 2 })
  return await work(runtime)
}

/** The physical limit: DuckDB alone turns the same lines into one zstd Parquet file. */
async function copyWithDuckDb(job: Job & { readonly kind: 'limit' }): Promise<number> {
  rmSync(job.target, { force: true })
  mkdirSync(dirname(job.target), { recursive: true })
  const instance = await DuckDBInstance.create(':memory:', { threads: String(job.threads) })
  const connection = await instance.connect()
  const files = `[${job.files.map((file) => literal(file)).join(', ')}]`
  const columns = Object.entries(job.columns)
    .map(([name, type]) => `${identifier(name)}: ${literal(type)}`)
    .join(', ')
  await connection.run(`COPY (SELECT * FROM read_json(${files}, format = 'newline_delimited',
    columns = {${columns}})) TO ${literal(job.target)} (FORMAT parquet, COMPRESSION zstd)`)
  const count = await connection.runAndReadAll(`SELECT count(*) FROM ${literal(job.target)}`)
  connection.closeSync()
  instance.closeSync()
  return Number(count.getRows()[0]?.[0])
}

interface RunResult {
  readonly commits: number
  readonly sizeBytes: number
}

async function runToEnd(runtime: Runtime, until: RunUntil): Promise<RunResult> {
  const settings = runtime.config.pipelines[0]
  if (settings === undefined) throw new Error('the bench has a pipeline')
  await using source = await runtime.openSource(settings)
  const pipeline = await runtime.openPipeline(settings, source)
  const stop = new AbortController()
  const watch = setInterval(() => {
    if (isDone(until, pipeline.status())) stop.abort()
  }, POLL_MS)
  try {
    await pipeline.run(stop.signal)
  } finally {
    clearInterval(watch)
  }
  let sizeBytes = 0
  for (const { root } of settings.targets) {
    const table = await runtime.format.open(root)
    sizeBytes += (await table?.latest())?.sizeBytes ?? 0
  }
  return { commits: pipeline.status().commits, sizeBytes }
}

function isDone(until: RunUntil, status: PipelineStatus): boolean {
  switch (until.kind) {
    case 'source-end':
      return false
    case 'position':
      return (status.splits[0]?.floorPosition ?? -1n) >= BigInt(until.position)
    case 'records':
      return status.recordsRead >= until.count
    default: {
      const never: never = until
      return never
    }
  }
}

async function query(runtime: Runtime, sql: string): Promise<TextRows> {
  await using open = await runtime.openReader()
  const { rows } = await open.reader.rows(sql)
  return rows.map((row) => row.map((cell) => String(cell)))
}

async function readCursor(runtime: Runtime, root: string): Promise<StoredCursor> {
  const table = await runtime.format.open(root)
  const found = (await table?.latest())?.cursors()[0]
  if (found === undefined) throw new Error(`${root} stores no cursor`)
  return { nextPosition: `${found.cursor.nextPosition}`, identity: found.cursor.identity }
}

async function readTimeline(runtime: Runtime, root: string): Promise<readonly CommitTiming[]> {
  const table = await runtime.format.open(root)
  const entries = (await table?.timeline({ limit: 10_000 })) ?? []
  return entries.map((entry) => ({
    version: `${entry.version}`,
    operation: entry.operation,
    timestampMicros: `${entry.timestampMicros}`,
    read: entry.accounting?.read ?? 0,
    stepTimingsMs: entry.stepTimingsMs,
  }))
}

async function readBare(job: Job & { readonly kind: 'backlog' }): Promise<BacklogResult> {
  const clock = createSystemClock()
  const telemetry = createTelemetry({
    level: 'warn',
    format: 'text',
    stream: process.stderr,
    clock,
  })
  return readBacklog({
    ...job,
    fromPosition: BigInt(job.fromPosition),
    untilPosition: BigInt(job.untilPosition),
    context: { name: 'shop', pipeline: 'bench', clock, telemetry },
    bufferBytesMax: BACKLOG_BUFFER_BYTES,
  })
}

/** DuckDB types of columns given by the names the files source takes. */
export function duckColumns(columns: Readonly<Record<string, string>>): Record<string, string> {
  const types: Readonly<Record<string, string>> = {
    bigint: duckType('long'),
    string: duckType('string'),
    double: duckType('double'),
    timestamp: duckType('timestamp'),
  }
  return Object.fromEntries(
    Object.entries(columns).map(([name, type]) => [name, types[type] ?? type]),
  )
}

/** Size of files together. */
export function sizeOfFiles(files: readonly string[]): number {
  return files.reduce((sum, file) => sum + statSync(file).size, 0)
}
