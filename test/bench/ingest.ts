/**
 * Bench `ingest`: the same bytes through DuckDB alone (`limit`), through Sluice without a key (`append`), with a
 * key (`upsert`), into a table that holds millions of keys (`upsert-large`), and a Postgres backlog (`cdc`).
 */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type CaseName,
  type CaseResult,
  caseOf,
  type IngestRequest,
  ratiosTo,
  round,
  sumSteps,
} from './case-result.ts'
import { benchCdc } from './cdc.ts'
import {
  type CommitTiming,
  type Cost,
  duckColumns,
  type JobEnd,
  runJob,
  type TextRows,
} from './jobs.ts'
import {
  type Checksum,
  ORDER_COLUMNS,
  type OrderEvents,
  type OrderEventsRequest,
} from './order-events.ts'

const THREADS = 2
const UPDATE_SHARE = 0.5
const SEED = 20_261
/** Commits measured at each size of the table, and the changes of each. */
const TIMED_COMMITS = 24
const TIMED_CHANGES = 20_000
const SMALL_KEYS = 50_000

/** Runs the cases one after the other. */
export async function benchIngest(request: IngestRequest): Promise<readonly CaseResult[]> {
  const results: CaseResult[] = []
  const has = (name: CaseName): boolean => request.cases.includes(name)
  if (has('limit') || has('append') || has('upsert')) {
    const folder = join(request.folder, 'orders')
    request.print(`generating ${request.rows} order events`)
    const [events] = await generate([
      {
        folder,
        rows: request.rows,
        keysBefore: 0,
        updateShare: UPDATE_SHARE,
        firstSeq: 0,
        prefix: 'orders',
        seed: SEED,
      },
    ])
    const limit = await benchLimit(request, events)
    results.push(limit.result)
    for (const mode of ['append', 'upsert'] as const) {
      if (has(mode)) results.push(await benchFiles(request, events, mode, limit.cost))
    }
    rmSync(folder, { recursive: true })
  }
  if (has('upsert-large')) results.push(await benchLarge(request))
  if (has('cdc')) results.push(...(await benchCdc(request)))
  return results
}

async function benchLimit(
  request: IngestRequest,
  events: OrderEvents,
): Promise<{ readonly cost: Cost; readonly result: CaseResult }> {
  request.print('limit: DuckDB alone, JSON lines to zstd Parquet')
  const target = join(request.folder, 'limit', 'orders.parquet')
  const end = await runJob<number>({
    kind: 'limit',
    files: events.files,
    columns: duckColumns(ORDER_COLUMNS),
    target,
    threads: THREADS,
  })
  rmSync(target)
  const wrong = end.result === request.rows ? [] : [`${end.result} rows instead of ${request.rows}`]
  return {
    cost: end.cost,
    result: caseOf('limit', request.rows, events.bytes, end.cost, { wrong }),
  }
}

async function benchFiles(
  request: IngestRequest,
  events: OrderEvents,
  mode: 'append' | 'upsert',
  limit: Cost,
): Promise<CaseResult> {
  request.print(`${mode}: files through the pipeline`)
  const folder = join(request.folder, mode)
  const source = join(request.folder, 'orders')
  const config = writeFilesConfig(folder, source, mode, '')
  const end = await runPipeline(request, config)
  const expected = mode === 'append' ? events.appended : events.upserted
  const wrong = await findWrong(config, expected)
  const stepSeconds = sumSteps(await readTimeline(config))
  rmSync(folder, { recursive: true })
  return caseOf(mode, request.rows, events.bytes, end.cost, {
    ...ratiosTo(limit, end.cost),
    commits: end.result.commits,
    stepSeconds,
    wrong,
  })
}

/** The same changes, commit by commit, into a table of few keys and one of many. */
async function benchLarge(request: IngestRequest): Promise<CaseResult> {
  const small = await timeCommits(request, 'small', SMALL_KEYS)
  const large = await timeCommits(request, 'large', request.largeKeys)
  const commitTimeRatio = round(large.commitMs / small.commitMs, 2)
  const rows = request.largeKeys
  return caseOf('upsert-large', rows, large.bytes, large.load, {
    commits: TIMED_COMMITS,
    commitMsSmall: round(small.commitMs, 1),
    commitMsLarge: round(large.commitMs, 1),
    commitTimeRatio,
    stepSeconds: large.stepSeconds,
    stepSecondsSmall: small.stepSeconds,
    peakRssMb: Math.round(Math.max(large.load.peakRssMb, large.changes.peakRssMb)),
    wrong: [...small.wrong, ...large.wrong],
  })
}

interface CommitTimes {
  readonly load: Cost
  readonly changes: Cost
  readonly bytes: number
  /** Median time between commits. */
  readonly commitMs: number
  readonly stepSeconds: Readonly<Record<string, number>>
  readonly wrong: readonly string[]
}

async function timeCommits(
  request: IngestRequest,
  name: string,
  keys: number,
): Promise<CommitTimes> {
  request.print(`upsert-large: ${TIMED_COMMITS} commits into a table of ${keys} keys`)
  const folder = join(request.folder, name)
  const source = join(folder, 'events', 'orders')
  const common = { folder: source, seed: SEED }
  const [loaded] = await generate([
    { ...common, rows: keys, keysBefore: 0, updateShare: 0, firstSeq: 0, prefix: 'a' },
  ])
  const load = await runPipeline(request, writeFilesConfig(folder, source, 'upsert', ''))
  await generate(
    Array.from({ length: TIMED_COMMITS }, (_, commit) => ({
      ...common,
      rows: TIMED_CHANGES,
      keysBefore: keys,
      updateShare: 1,
      firstSeq: keys + commit * TIMED_CHANGES,
      prefix: `b${String(commit).padStart(3, '0')}`,
      seed: SEED + commit + 1,
    })),
  )
  const tuning = `    commit: { maxRows: ${TIMED_CHANGES} }\n`
  const config = writeFilesConfig(folder, source, 'upsert', tuning)
  const changes = await runPipeline(request, config)
  const timeline = await readTimeline(config)
  const wrong = await findWrong(config, { rows: keys, keys })
  rmSync(folder, { recursive: true })
  return {
    load: load.cost,
    changes: changes.cost,
    bytes: loaded.bytes,
    commitMs: medianInterval(timeline.slice(0, TIMED_COMMITS)),
    stepSeconds: sumSteps(timeline.slice(0, TIMED_COMMITS)),
    wrong,
  }
}

/** Median time from one commit to the next; `timeline` has the newest first. */
function medianInterval(timeline: readonly CommitTiming[]): number {
  const times = timeline.map((entry) => Number(BigInt(entry.timestampMicros)) / 1000)
  const intervals = times.slice(0, -1).map((time, index) => time - (times[index + 1] ?? time))
  intervals.sort((left, right) => left - right)
  return intervals[Math.floor(intervals.length / 2)] ?? 0
}

async function generate<const Requests extends readonly OrderEventsRequest[]>(
  requests: Requests,
): Promise<{ readonly [Index in keyof Requests]: OrderEvents }> {
  const { result } = await runJob<{ readonly [Index in keyof Requests]: OrderEvents }>({
    kind: 'generate',
    requests,
  })
  return result
}

interface PipelineEnd {
  readonly commits: number
  readonly sizeBytes: number
}

function runPipeline(request: IngestRequest, config: string): Promise<JobEnd<PipelineEnd>> {
  return runJob({ kind: 'pipeline', config, until: { kind: 'source-end' } }, request.profileFolder)
}

async function readTimeline(config: string): Promise<readonly CommitTiming[]> {
  const { result } = await runJob<readonly CommitTiming[]>({
    kind: 'timeline',
    config,
    root: 'orders',
  })
  return result
}

/** Compares counts and sums of the table with what the generator worked out. */
async function findWrong(config: string, expected: Partial<Checksum>): Promise<string[]> {
  const { result } = await runJob<TextRows>({
    kind: 'query',
    config,
    sql: 'SELECT count(*), count(DISTINCT order_id), sum(seq), sum(amount_cents) FROM orders',
  })
  const [rows, keys, seqSum, centsSum] = result[0] ?? []
  const found: Record<string, string | undefined> = { rows, keys, seqSum, centsSum }
  return Object.entries(expected)
    .filter(([name, value]) => found[name] !== `${value}`)
    .map(([name, value]) => `${name} is ${found[name]} instead of ${value}`)
}

/** Writes the configuration a user would write: all tuning at its defaults unless given. */
function writeFilesConfig(
  folder: string,
  source: string,
  mode: 'append' | 'upsert',
  tuning: string,
): string {
  mkdirSync(folder, { recursive: true })
  const columns = Object.entries(ORDER_COLUMNS)
    .map(([name, type]) => `        ${name}: ${type}\n`)
    .join('')
  const to = mode === 'append' ? '{ mode: append }' : '{ key: [order_id] }'
  const path = join(folder, 'sluice.yaml')
  writeFileSync(
    path,
    `apiVersion: v1
store: { url: ./lake }
sources:
  landing:
    files:
      path: ${JSON.stringify(source)}
      stream: orders
      columns:
${columns}pipelines:
  - name: bench
    from: landing
    tables: [orders]
    to: ${to}
${tuning}`,
  )
  return path
}
