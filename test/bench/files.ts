/**
 * Bench `files`: order events as CSV and as Parquet through the pipeline, and a folder of very many
 * files of one record each, which is read in two runs: what a start and each file cost.
 */

import { closeSync, mkdirSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { literal } from '../../src/engine/index.ts'
import { type CaseResult, caseOf, round, sumSteps } from './case-result.ts'
import {
  type CommitTiming,
  duckColumns,
  type RunUntil,
  runJob,
  sizeOfFiles,
  type TextRows,
} from './jobs.ts'
import { type Checksum, ORDER_COLUMNS, type OrderEvents, writeOrderEvents } from './order-events.ts'

/** What to run. */
export interface FilesRequest {
  readonly folder: string
  /** Events of `csv` and `parquet`. */
  readonly rows: number
  /** Files of `small-files`. */
  readonly files: number
  readonly profileFolder: string | null
  readonly print: (line: string) => void
}

const SEED = 20_262

/** Runs the cases one after the other. */
export async function benchFiles(request: FilesRequest): Promise<readonly CaseResult[]> {
  const results: CaseResult[] = []
  request.print(`generating ${request.rows} order events`)
  const events = writeOrderEvents({
    folder: join(request.folder, 'ndjson'),
    rows: request.rows,
    keysBefore: 0,
    updateShare: 0.5,
    firstSeq: 0,
    prefix: 'orders',
    seed: SEED,
  })
  for (const format of ['csv', 'parquet'] as const) {
    results.push(await benchFormat(request, events, format))
  }
  rmSync(join(request.folder, 'ndjson'), { recursive: true })
  results.push(...(await benchSmallFiles(request)))
  return results
}

async function benchFormat(
  request: FilesRequest,
  events: OrderEvents,
  format: 'csv' | 'parquet',
): Promise<CaseResult> {
  const folder = join(request.folder, format)
  const source = join(folder, 'orders')
  mkdirSync(source, { recursive: true })
  const files = await convert(events.files, source, format)
  request.print(`${format}: files through the pipeline`)
  const settings = `format: ${format}, columns: ${JSON.stringify(ORDER_COLUMNS)}`
  const config = writeConfig(folder, source, settings)
  const end = await run(request, config, { kind: 'source-end' })
  const wrong = await findWrong(config, events.appended)
  const stepSeconds = sumSteps(await timelineOf(config))
  const bytes = sizeOfFiles(files)
  rmSync(folder, { recursive: true })
  const { commits } = end.result
  return caseOf(format, request.rows, bytes, end.cost, { commits, stepSeconds, wrong })
}

/** Half of the files in a run, the others in the next one, which lists the folder anew. */
async function benchSmallFiles(request: FilesRequest): Promise<readonly CaseResult[]> {
  const { files: count, print } = request
  print(`small-files: writing ${count} files`)
  const folder = join(request.folder, 'small')
  const source = join(folder, 'orders')
  mkdirSync(source, { recursive: true })
  let bytes = 0
  for (let index = 0; index < count; index++) {
    const file = openSync(join(source, `${String(index).padStart(8, '0')}.ndjson`), 'w')
    bytes += writeSync(file, `{"order_id":${index},"seq":${index},"amount_cents":1}\n`)
    closeSync(file)
  }
  const columns = '{ order_id: bigint, seq: bigint, amount_cents: bigint }'
  const config = writeConfig(folder, source, `columns: ${columns}`)
  const half = Math.ceil(count / 2)
  const results: CaseResult[] = []
  let before = 0
  for (const until of [{ kind: 'records', count: half }, { kind: 'source-end' }] as const) {
    print(`small-files: ${until.kind === 'records' ? 'the first half' : 'the rest'}`)
    const end = await run(request, config, until)
    const found = await rowsOf(config)
    const expected = { rows: count, keys: count, seqSum: sumBelow(count), centsSum: `${count}` }
    const wrong = until.kind === 'records' ? [] : await findWrong(config, expected)
    const share = ((found - before) / count) * bytes
    const name = until.kind === 'records' ? 'small-files' : 'small-files, resumed'
    const cost = { commits: end.result.commits, wrong }
    results.push(caseOf(name, found - before, round(share, 0), end.cost, cost))
    before = found
  }
  rmSync(folder, { recursive: true })
  return results
}

const sumBelow = (count: number): string => `${(BigInt(count) * BigInt(count - 1)) / 2n}`

/** The same records in files of another format, one for each. */
async function convert(
  files: readonly string[],
  target: string,
  format: 'csv' | 'parquet',
): Promise<readonly string[]> {
  const columns = Object.entries(duckColumns(ORDER_COLUMNS))
    .map(([name, type]) => `${name}: ${literal(type === 'TIMESTAMPTZ' ? 'VARCHAR' : type)}`)
    .join(', ')
  const typed = 'placed_at::TIMESTAMPTZ AS placed_at, updated_at::TIMESTAMPTZ AS updated_at'
  const select = format === 'csv' ? '*' : `* REPLACE (${typed})`
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  const made: string[] = []
  for (const [index, file] of files.entries()) {
    const path = join(target, `${String(index).padStart(5, '0')}.${format}`)
    await connection.run(`COPY (SELECT ${select} FROM read_json(${literal(file)},
      format = 'newline_delimited', columns = {${columns}}))
      TO ${literal(path)} (FORMAT ${format})`)
    made.push(path)
  }
  connection.closeSync()
  instance.closeSync()
  if (!made.every((path) => statSync(path).size > 0)) throw new Error('a file was not written')
  return made
}

function writeConfig(folder: string, source: string, settings: string): string {
  const path = join(folder, 'sluice.yaml')
  writeFileSync(
    path,
    `apiVersion: v1
store: { url: ./lake }
sources: { landing: { files: { path: ${JSON.stringify(source)}, stream: orders, ${settings} } } }
pipelines: [{ name: bench, from: landing, tables: [orders], to: { mode: append } }]
`,
  )
  return path
}

interface PipelineEnd {
  readonly commits: number
}

function run({ profileFolder }: FilesRequest, config: string, until: RunUntil) {
  return runJob<PipelineEnd>({ kind: 'pipeline', config, until }, profileFolder)
}

async function timelineOf(config: string): Promise<readonly CommitTiming[]> {
  const job = { kind: 'timeline', config, root: 'orders' } as const
  return (await runJob<readonly CommitTiming[]>(job)).result
}

async function rowsOf(config: string): Promise<number> {
  const sql = 'SELECT count(*) FROM orders'
  const { result } = await runJob<TextRows>({ kind: 'query', config, sql })
  return Number(result[0]?.[0])
}

async function findWrong(config: string, expected: Checksum): Promise<readonly string[]> {
  const sql = 'SELECT count(*), count(DISTINCT order_id), sum(seq), sum(amount_cents) FROM orders'
  const { result } = await runJob<TextRows>({ kind: 'query', config, sql })
  const [rows, keys, seqSum, centsSum] = result[0] ?? []
  const found: Readonly<Record<string, string | undefined>> = { rows, keys, seqSum, centsSum }
  return Object.entries(expected)
    .filter(([name, value]) => found[name] !== `${value}`)
    .map(([name, value]) => `${name} is ${found[name]} instead of ${value}`)
}
