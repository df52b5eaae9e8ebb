/**
 * Bench `ingest`: the same bytes through DuckDB alone (`limit`), through Sluice without a key
 * (`append`), with a key (`upsert`), into a table that holds millions of keys (`upsert-large`), and
 * a Postgres backlog (`cdc`).
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
/** Commits measured at each size of the table, in rounds, and the changes of each commit. */
const ROUNDS = 3
const COMMITS_PER_ROUND = 40
/** First commits of a round that are not measured: code is still being compiled. */
const WARM_UP_COMMITS = 8
const COMMIT_CHANGES = 20_000
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

interface SizedTable {
  readonly name: string
  readonly keys: number
  readonly folder: string
  readonly source: string
  readonly load: Cost
  readonly bytes: number
}

/**
 * The same changes, commit by commit, into a table of few keys and one of many. The rounds take
 * turns, so that a machine that is busy at times treats both alike.
 */
async function benchLarge(request: IngestRequest): Promise<CaseResult> {
  const small = await loadTable(request, 'small', SMALL_KEYS)
  const large = await loadTable(request, 'large', request.largeKeys)
  const smallRounds: ChangesRound[] = []
  const largeRounds: ChangesRound[] = []
  for (let round = 0; round < ROUNDS; round++) {
    smallRounds.push(await changeTable(request, small, round))
    largeRounds.push(await changeTable(request, large, round))
  }
  const commitMsSmall = commitMsOf(smallRounds)
  const commitMsLarge = commitMsOf(largeRounds)
  const peaks = [large.load, ...largeRounds.map((round) => round.cost)]
  const wrong = [...smallRounds, ...largeRounds].flatMap((round) => round.wrong)
  for (const { folder } of [small, large]) rmSync(folder, { recursive: true })
  return caseOf('upsert-large', large.keys, large.bytes, large.load, {
    commits: ROUNDS * (COMMITS_PER_ROUND - WARM_UP_COMMITS),
    commitMsSmall: round(commitMsSmall, 1),
    commitMsLarge: round(commitMsLarge, 1),
    commitTimeRatio: round(commitMsLarge / commitMsSmall, 2),
    gapMsSmall: round(medianGapMsOf(smallRounds), 1),
    gapMsLarge: round(medianGapMsOf(largeRounds), 1),
    stepSeconds: sumSteps(largeRounds.flatMap((round) => round.timeline)),
    stepSecondsSmall: sumSteps(smallRounds.flatMap((round) => round.timeline)),
    peakRssMb: Math.round(Math.max(...peaks.map((cost) => cost.peakRssMb))),
    wrong,
  })
}

async function loadTable(request: IngestRequest, name: string, keys: number): Promise<SizedTable> {
  request.print(`upsert-large: loading a table of ${keys} keys`)
  const folder = join(request.folder, name)
  const source = join(folder, 'events', 'orders')
  const [loaded] = await generate([
    {
      folder: source,
      rows: keys,
      keysBefore: 0,
      updateShare: 0,
      firstSeq: 0,
      prefix: 'a',
      seed: SEED,
    },
  ])
  const end = await runPipeline(request, writeFilesConfig(folder, source, 'upsert', ''))
  return { name, keys, folder, source, load: end.cost, bytes: loaded.bytes }
}

interface ChangesRound {
  readonly cost: Cost
  readonly timeline: readonly CommitTiming[]
  /** Times from one commit to the next. */
  readonly gapsMs: readonly number[]
  readonly wrong: readonly string[]
}

/** A round of commits that change existing rows, spread over the whole table. */
async function changeTable(
  request: IngestRequest,
  table: SizedTable,
  number: number,
): Promise<ChangesRound> {
  const { name, keys, folder, source } = table
  request.print(`upsert-large: ${COMMITS_PER_ROUND} commits into the ${name} table`)
  await generate(
    Array.from({ length: COMMITS_PER_ROUND }, (_, index) => {
      const commit = number * COMMITS_PER_ROUND + index
      return {
        folder: source,
        rows: COMMIT_CHANGES,
        keysBefore: keys,
        updateShare: 1,
        firstSeq: keys + commit * COMMIT_CHANGES,
        prefix: `b${String(commit).padStart(4, '0')}`,
        seed: SEED + commit + 1,
      }
    }),
  )
  const tuning = `    commit: { maxRows: ${COMMIT_CHANGES} }\n`
  const config = writeFilesConfig(folder, source, 'upsert', tuning)
  const { cost } = await runPipeline(request, config)
  const timeline = (await readTimeline(config)).slice(0, COMMITS_PER_ROUND)
  // Newest first: the last ones are those that warm up.
  const measured = timeline.slice(0, COMMITS_PER_ROUND - WARM_UP_COMMITS)
  const times = measured.map((entry) => Number(BigInt(entry.timestampMicros)) / 1000)
  const gapsMs = times.slice(0, -1).map((time, index) => time - (times[index + 1] ?? time))
  return {
    cost,
    timeline: measured,
    gapsMs,
    wrong: await findWrong(config, { rows: keys, keys }),
  }
}

/**
 * What a commit takes: the time of a round by its commits, of the rounds the middle one. Up to
 * three batches are at work and finish close together, so that most gaps between two commits are
 * either short or long: the middle one of them says little.
 */
function commitMsOf(rounds: readonly ChangesRound[]): number {
  return median(
    rounds.map(({ gapsMs }) => gapsMs.reduce((sum, gap) => sum + gap, 0) / gapsMs.length),
  )
}

function medianGapMsOf(rounds: readonly ChangesRound[]): number {
  return median(rounds.flatMap((round) => round.gapsMs))
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0
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
