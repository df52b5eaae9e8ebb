/**
 * Case `bigTransaction`: one transaction of millions of rows through one slot. It must become one
 * commit of each table it touches, equal Postgres afterwards, and take no more memory than a small
 * one.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { createSystemClock } from '../../src/observe/index.ts'
import { startEmbeddedPostgres } from '../../src/quickstart/index.ts'
import { compareOnDisk } from './disk-compare.ts'
import { listVersions, newestCursor } from './history.ts'
import type { TortureCase } from './postgres.ts'
import { type MemoryWatch, watchMemory } from './process-memory.ts'
import { type SluiceProcess, startSluice } from './sluice-process.ts'
import { column } from './tables.ts'

/** How large and where. */
export interface BigTransactionOptions {
  /** Empty folder for everything the run makes. */
  readonly folder: string
  /** Changes of the transaction. */
  readonly rows: number
  /** Ends the first process that works on the transaction by `kill -9`, between two parts. */
  readonly isKilled: boolean
  /** The server sends a transaction in progress when it takes more memory than this. */
  readonly decodingMemory: string
  /** What the process may use in all; default: as much as the product takes. */
  readonly processMemory?: string
  /** Settings below the pipeline and the source: small parts for a small form. */
  readonly tuning: readonly string[]
  readonly print: (line: string) => void
}

/** Bound of resident memory, the key index included. */
const RSS_MB_MAX = 512
const POLL_MS = 100
const COPY_WAIT_MS = 600_000
const STREAM_WAIT_MS = 3_600_000
const PIPELINE = 'big'
const TABLES = ['ledger', 'notes'] as const

const TABLES_SQL = `
  CREATE TABLE ledger (id bigint PRIMARY KEY, account int NOT NULL, amount bigint NOT NULL,
    at timestamptz NOT NULL, state text, body text);
  ALTER TABLE ledger ALTER COLUMN body SET STORAGE EXTERNAL;
  CREATE TABLE notes (id bigint PRIMARY KEY, text text)`

const AT = "'2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second'"
const COLUMNS = {
  ledger: [
    ...[column('id'), column('account'), column('amount')],
    ...[column('at', 'instant'), column('state'), column('body')],
  ],
  notes: [column('id'), column('text')],
} as const

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

interface World {
  readonly options: BigTransactionOptions
  readonly client: pg.Client
  readonly configFile: string
  readonly lake: string
  readonly problems: string[]
}

/** Runs the case. */
export async function runBigTransaction(options: BigTransactionOptions): Promise<TortureCase> {
  await using postgres = await startEmbeddedPostgres({
    folder: path.join(options.folder, 'postgres'),
    clock: createSystemClock(),
    database: 'big',
    settings: {
      fsync: 'off',
      max_wal_size: '16GB',
      checkpoint_timeout: '1h',
      logical_decoding_work_mem: options.decodingMemory,
    },
  })
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  try {
    return await measure(createWorld(options, client, postgres.url))
  } finally {
    await client.end()
  }
}

function createWorld(options: BigTransactionOptions, client: pg.Client, url: string): World {
  const lake = path.join(options.folder, 'lake')
  mkdirSync(lake, { recursive: true })
  const configFile = path.join(options.folder, 'sluice.yaml')
  const config = [
    'apiVersion: v1',
    'store: { url: ./lake }',
    'workFolder: ./work',
    ...(options.processMemory === undefined ? [] : [`processMemory: ${options.processMemory}`]),
    'sources:',
    `  database: { postgres: { url: "${url}" } }`,
    'pipelines:',
    `  - name: ${PIPELINE}`,
    '    from: database',
    `    tables: [${TABLES.map((table) => `public.${table}`).join(', ')}]`,
    ...options.tuning.map((line) => `    ${line}`),
  ]
  writeFileSync(configFile, `${config.join('\n')}\n`)
  return { options, client, configFile, lake, problems: [] }
}

async function measure(world: World): Promise<TortureCase> {
  const { options, client, problems } = world
  const { rows, print } = options
  const baseRows = Math.ceil(rows / 4)
  await client.query(TABLES_SQL)
  await client.query(`
    INSERT INTO ledger SELECT n, n % 10007, n * 7, ${AT}, 'new',
      CASE WHEN n % 500 = 0 THEN repeat(md5(n::text), 80) END
    FROM generate_series(1, ${baseRows}) n`)
  await copyAll(world)
  print(`${baseRows} rows copied; one transaction of ${rows} changes begins`)
  const versions = countVersions(world)
  const variables: Record<string, string> = options.isKilled
    ? { SLUICE_FAILPOINT: 'part-staged:2' }
    : {}
  let [sluice, memory] = startRun(world, variables)
  while (sluice.ending() === null && !(await isReading(client))) await sleep(POLL_MS)
  const begunAt = performance.now()
  const changes = await writeTransaction(client, rows, baseRows)
  const writtenAt = performance.now()
  print(`${changes} changes written in ${seconds(begunAt, writtenAt)} s`)
  const target = await walPosition(client)
  await client.query("INSERT INTO notes VALUES (-1, 'after')")
  if (options.isKilled) {
    const ending = await sluice.endedWithin(STREAM_WAIT_MS)
    if (ending?.signal !== 'SIGKILL') problems.push(`was not killed: ${ending?.output}`)
    if (!isEqualCount(versions, countVersions(world))) problems.push('a part became visible')
    memory.stop()
    ;[sluice, memory] = startRun(world)
  }
  const isDone = await waitFor(
    STREAM_WAIT_MS,
    () => sluice.ending() !== null || isAt(world, target),
  )
  const secondsToCommit = seconds(writtenAt, performance.now())
  const early = sluice.ending()
  if (!isDone || early) problems.push(`did not get there: ${early?.output ?? 'too slow'}`)
  const streamed = await streamedTransactions(client)
  if (streamed < 1) problems.push('the server sent nothing while it was in progress')
  const peakRssMb = memory.stop()
  sluice.signal('SIGTERM')
  await sluice.ended
  print(`committed ${secondsToCommit} s after the transaction, peak ${peakRssMb} MB`)
  problems.push(...onlyOneCommit(world, versions), ...(await differences(world)))
  const compared = await compareAll(world)
  if (peakRssMb > RSS_MB_MAX) problems.push(`peak ${peakRssMb} MB: more than ${RSS_MB_MAX}`)
  return {
    case: 'bigTransaction',
    changes,
    transactionSeconds: seconds(begunAt, writtenAt),
    secondsToCommit,
    changesPerSecond: Math.round(changes / Math.max(secondsToCommit, 0.1)),
    peakRssMb,
    ...compared,
    isKilled: options.isKilled,
    problems,
  }
}

function startRun(world: World, variables = {}): [SluiceProcess, MemoryWatch] {
  const { folder, print } = world.options
  const sluice = startSluice(folder, ['run', '--config', world.configFile], variables)
  return [sluice, watchMemory(sluice.processId, path.join(folder, 'work'), print)]
}

/** Row for row, by the checker that shares no code with the product. */
async function compareAll(
  world: World,
): Promise<{ readonly rowsCompared: number; readonly wrongRows: number }> {
  const figures = { rowsCompared: 0, wrongRows: 0 }
  for (const table of TABLES) {
    const compared = await compareOnDisk({
      ...{ client: world.client, table, columns: COLUMNS[table] },
      ...{ root: path.join(world.lake, table), folder: world.options.folder },
    })
    if (compared.rows === 0) world.problems.push(`nothing of ${table} was compared`)
    world.problems.push(...compared.examples)
    figures.rowsCompared += compared.rows
    figures.wrongRows += compared.wrongRows
  }
  world.options.print(`${figures.rowsCompared} rows compared, ${figures.wrongRows} wrong`)
  return figures
}

/** Inserts, updates and deletes of old rows and of its own, some keys again and again. */
async function writeTransaction(
  client: pg.Client,
  rows: number,
  baseRows: number,
): Promise<number> {
  let changes = 0
  const step = async (sql: string): Promise<void> => {
    const result = await client.query(sql)
    changes += result.rowCount ?? 0
  }
  const inserts = Math.floor(rows * 0.45)
  const first = baseRows + 1
  await client.query('BEGIN')
  await step(`INSERT INTO ledger SELECT n, n % 10007, n, ${AT}, 'fresh', CASE WHEN n % 500 = 0
    THEN repeat(md5(n::text), 80) END FROM generate_series(${first}, ${baseRows + inserts}) n`)
  await step(
    `UPDATE ledger SET amount = amount + 1, state = 'paid' WHERE id <= ${baseRows} AND id % 5 > 0`,
  )
  await step('SAVEPOINT aside')
  await client.query(`UPDATE ledger SET state = 'never' WHERE id % 40 = 0`)
  await client.query('ROLLBACK TO aside')
  await step(`UPDATE ledger SET state = 'twice' WHERE id >= ${first} AND id % 3 = 0`)
  await step(`DELETE FROM ledger WHERE id % 9 = 0`)
  await step(
    `INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, ${Math.ceil(rows / 50)}) n`,
  )
  await step(`INSERT INTO ledger SELECT n, 0, -n, ${AT}, 'again', NULL
    FROM generate_series(9, ${baseRows + inserts}, 18) n`)
  await step('UPDATE ledger SET amount = amount * 2 WHERE id % 10 = 1')
  await client.query('COMMIT')
  return changes
}

async function copyAll(world: World): Promise<void> {
  const sluice = startSluice(world.options.folder, ['run', '--config', world.configFile])
  const isCopied = (): boolean =>
    TABLES.every((table) => newestCursor(path.join(world.lake, table))?.phase === 'stream')
  const isDone = await waitFor(COPY_WAIT_MS, () => isCopied() || sluice.ending() !== null)
  if (!isDone || sluice.ending()) world.problems.push(`no copy: ${sluice.ending()?.output}`)
  sluice.signal('SIGTERM')
  await sluice.ended
}

function isAt(world: World, position: bigint): boolean {
  return TABLES.every((table) => {
    const cursor = newestCursor(path.join(world.lake, table))
    return cursor !== null && cursor.nextPosition >= position
  })
}

function countVersions(world: World): Record<string, number> {
  return Object.fromEntries(
    TABLES.map((table) => [table, listVersions(path.join(world.lake, table)).length]),
  )
}

function isEqualCount(left: Record<string, number>, right: Record<string, number>): boolean {
  return TABLES.every((table) => left[table] === right[table])
}

/** The transaction is one version of the ledger; the notes have one more change after it. */
function onlyOneCommit(world: World, before: Readonly<Record<string, number>>): readonly string[] {
  const after = countVersions(world)
  const ledger = (after.ledger ?? 0) - (before.ledger ?? 0)
  const notes = (after.notes ?? 0) - (before.notes ?? 0)
  const problems = ledger === 1 ? [] : [`the transaction is ${ledger} versions of ledger, not one`]
  if (notes < 1 || notes > 2) problems.push(`${notes} versions of notes, not one or two`)
  return problems
}

const BUCKETS = 64

/** Rows, sums and digests per bucket of keys: of Postgres, and as the product reads its table. */
async function differences(world: World): Promise<readonly string[]> {
  const found = await askSluice(world, 'id % 64', "('0x' || substr(md5(line), 1, 12))::BIGINT")
  const expected = await world.client.query({
    text: bucketsSql('id % 64', "('x' || substr(md5(line), 1, 12))::bit(48)::bigint"),
    rowMode: 'array',
  })
  const texts = (rows: readonly (readonly unknown[])[]): string[] =>
    rows.map((row) => row.map(String).join(' ')).toSorted()
  const [want, have] = [texts(expected.rows), texts(found)]
  if (want.length !== BUCKETS) return [`Postgres has ${want.length} buckets of rows`]
  const wrong = want.filter((line, index) => line !== have[index])
  world.options.print(`${want.length} buckets of rows compared, ${wrong.length} wrong`)
  return wrong.slice(0, 3).map((line) => `bucket, rows and digest in Postgres: ${line}`)
}

function bucketsSql(bucket: string, digest: string): string {
  return `SELECT ${bucket} AS bucket, count(*)::text, sum(${digest})::text FROM (SELECT id,
    concat_ws('|', id, amount, state, coalesce(md5(body), '-')) AS line FROM ledger) AS lines
    GROUP BY 1`
}

async function askSluice(
  world: World,
  bucket: string,
  digest: string,
): Promise<readonly (readonly unknown[])[]> {
  const sql = bucketsSql(bucket, digest)
  const args = ['sql', '--config', world.configFile, '--format', 'csv', sql]
  const { code, output } = await startSluice(world.options.folder, args).ended
  if (code !== 0) world.problems.push(`sluice sql: ${output}`)
  return output
    .split(/\r?\n/)
    .filter((line) => /^\d+,/.test(line))
    .map((line) => line.split(','))
}

async function isReading(client: pg.Client): Promise<boolean> {
  const result = await client.query('SELECT bool_or(active) AS is FROM pg_replication_slots')
  return result.rows[0].is === true
}

/** Transactions that the server has sent in progress so far. */
async function streamedTransactions(client: pg.Client): Promise<number> {
  const result = await client.query(
    'SELECT sum(stream_txns)::int AS n FROM pg_stat_replication_slots',
  )
  return result.rows[0].n ?? 0
}

async function walPosition(client: pg.Client): Promise<bigint> {
  const result = await client.query("SELECT (pg_current_wal_lsn() - '0/0')::text AS position")
  return BigInt(result.rows[0].position)
}

async function waitFor(ms: number, condition: () => boolean): Promise<boolean> {
  const giveUpAt = performance.now() + ms
  while (!condition()) {
    if (performance.now() > giveUpAt) return false
    await sleep(POLL_MS)
  }
  return true
}

const seconds = (fromMs: number, toMs: number): number => Math.round((toMs - fromMs) / 100) / 10
