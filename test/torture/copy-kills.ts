/**
 * Case `copyKills`: the first copy of a large table is interrupted by `kill -9` again and again,
 * while others write to the table. It must go on where it was, take no more memory than its bound,
 * and end row for row as Postgres has it.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { createSystemClock } from '../../src/observe/index.ts'
import { startEmbeddedPostgres } from '../../src/quickstart/index.ts'
import { createDice, type Dice } from '../support/random.ts'
import { startCopyLoad } from './copy-load.ts'
import { compareOnDisk } from './disk-compare.ts'
import { checkHistory, newestCursor } from './history.ts'
import type { TortureCase } from './postgres.ts'
import { type MemoryWatch, watchMemory } from './process-memory.ts'
import { type SluiceProcess, startSluice } from './sluice-process.ts'
import { column } from './tables.ts'

/** How large and where. */
export interface CopyKillsOptions {
  /** Empty folder for everything the run makes. */
  readonly folder: string
  readonly rows: number
  readonly kills: number
  readonly seed: number
  /** Also walks over every version: holds all keys in memory. */
  readonly checksVersions: boolean
  /** What the process may use in all; default: as much as the product takes. */
  readonly processMemory?: string
  /** Settings below the pipeline. */
  readonly tuning: readonly string[]
  /** Settings of the first copy. */
  readonly snapshot: string
  readonly print: (line: string) => void
}

/** Bound of resident memory, the key index included. */
const RSS_MB_MAX = 512
const POLL_MS = 50
/** The last kill comes when so much is copied: the copy must not end before it. */
const LAST_KILL_SHARE = 0.75
const WAIT_MS = 3_600_000
const PIPELINE = 'copy'
const TABLE = 'events'

const TABLE_SQL = `
  CREATE TABLE ${TABLE} (id bigint NOT NULL, customer int NOT NULL, amount numeric(12,2),
    at timestamptz NOT NULL, state text NOT NULL, body text);
  ALTER TABLE ${TABLE} ALTER COLUMN body SET STORAGE EXTERNAL`
const COLUMNS = [
  ...[column('id'), column('customer'), column('amount')],
  ...[column('at', 'instant'), column('state'), column('body')],
]
const ROWS_PER_INSERT = 1_000_000
const FILLING_CONNECTIONS = 2

interface World {
  readonly options: CopyKillsOptions
  readonly dice: Dice
  readonly client: pg.Client
  readonly configFile: string
  readonly root: string
  readonly problems: string[]
  readonly attempts: Set<string>
  peakRssMb: number
}

/** Runs the case. */
export async function runCopyKills(options: CopyKillsOptions): Promise<TortureCase> {
  await using postgres = await startEmbeddedPostgres({
    folder: path.join(options.folder, 'postgres'),
    clock: createSystemClock(),
    database: 'copy',
    settings: {
      fsync: 'off',
      max_wal_size: '8GB',
      checkpoint_timeout: '1h',
      maintenance_work_mem: '256MB',
    },
  })
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  try {
    await fillTable(client, postgres.url, options.rows)
    options.print(`${options.rows} rows to copy`)
    const load = await startCopyLoad(postgres.url, TABLE, options.rows, options.seed)
    const world = createWorld(options, client, postgres.url)
    const begunAt = performance.now()
    const kills = await killAgainAndAgain(world)
    await finish(world, async () => load.stop())
    const secondsInAll = Math.round((performance.now() - begunAt) / 1000)
    options.print(`load: ${JSON.stringify(load.counts())}`)
    return { ...(await judge(world, kills)), secondsInAll, ...load.counts() }
  } finally {
    await client.end()
  }
}

/** By several connections, and the key at the end: nobody looks before. */
async function fillTable(client: pg.Client, url: string, rows: number): Promise<void> {
  await client.query(TABLE_SQL)
  let next = 1
  const fill = async (): Promise<void> => {
    const own = new pg.Client({ connectionString: url })
    await own.connect()
    try {
      while (next <= rows) {
        const from = next
        next += ROWS_PER_INSERT
        await own.query(`
          INSERT INTO ${TABLE} SELECT n, n % 100003, n % 1000003 / 100.0,
            '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second', 'new',
            CASE WHEN n % 200 = 0 THEN repeat(md5(n::text), 100) END
          FROM generate_series(${from}, ${Math.min(rows, next - 1)}) n`)
      }
    } finally {
      await own.end()
    }
  }
  await Promise.all(Array.from({ length: FILLING_CONNECTIONS }, fill))
  await client.query(`ALTER TABLE ${TABLE} ADD PRIMARY KEY (id)`)
  await client.query(`ANALYZE ${TABLE}`)
}

function createWorld(options: CopyKillsOptions, client: pg.Client, url: string): World {
  const lake = path.join(options.folder, 'lake')
  mkdirSync(lake, { recursive: true })
  const configFile = path.join(options.folder, 'sluice.yaml')
  const config = [
    'apiVersion: v1',
    'store: { url: ./lake }',
    'workFolder: ./work',
    ...(options.processMemory === undefined ? [] : [`processMemory: ${options.processMemory}`]),
    'sources:',
    `  database: { postgres: { url: "${url}", snapshot: ${options.snapshot} } }`,
    'pipelines:',
    `  - name: ${PIPELINE}`,
    '    from: database',
    `    tables: [public.${TABLE}]`,
    ...options.tuning.map((line) => `    ${line}`),
  ]
  writeFileSync(configFile, `${config.join('\n')}\n`)
  return {
    ...{ options, client, configFile, problems: [], attempts: new Set<string>(), peakRssMb: 0 },
    ...{ dice: createDice(options.seed), root: path.join(lake, TABLE) },
  }
}

interface Kills {
  killed: number
  /** Kills before anything was committed in that life. */
  beforeFirstCommit: number
}

/** Kills at growing shares of the copy, or a moment after the start: while it catches up. */
async function killAgainAndAgain(world: World): Promise<Kills> {
  const { options, dice, problems } = world
  const counts: Kills = { killed: 0, beforeFirstCommit: 0 }
  while (counts.killed < options.kills) {
    const before = newestCursor(world.root)?.batchNumber ?? 0n
    const { sluice, memory } = startRun(world)
    const share = (LAST_KILL_SHARE * (counts.killed + 1)) / options.kills
    const isFar = (): boolean =>
      sluice.ending() !== null || copiedRows(world) >= options.rows * share
    const isEarly = dice.roll(3) === 0
    await waitFor(isFar, isEarly ? dice.between(300, 3_000) : WAIT_MS)
    await sluice.endedWithin(dice.between(0, 150))
    if (phaseOf(world) === 'stream') problems.push(`complete before kill ${counts.killed + 1}`)
    await kill(world, sluice, memory)
    if (problems.length > 0) break
    counts.killed += 1
    const commits = (newestCursor(world.root)?.batchNumber ?? 0n) - before
    if (commits === 0n) counts.beforeFirstCommit += 1
    const how = `after ${commits} commits, ${copiedRows(world)} rows copied`
    options.print(`kill ${counts.killed} ${how}, peak ${world.peakRssMb} MB`)
  }
  return counts
}

interface Run {
  readonly sluice: SluiceProcess
  readonly memory: MemoryWatch
}

function startRun({ options, configFile }: World): Run {
  const sluice = startSluice(options.folder, ['run', '--config', configFile])
  const workFolder = path.join(options.folder, 'work')
  return { sluice, memory: watchMemory(sluice.processId, workFolder, options.print) }
}

async function kill(world: World, sluice: SluiceProcess, memory: MemoryWatch): Promise<void> {
  const early = sluice.ending()
  if (early) world.problems.push(`ended by itself: ${early.output.slice(-800)}`)
  world.peakRssMb = Math.max(world.peakRssMb, memory.stop())
  sluice.signal('SIGKILL')
  await sluice.ended
}

/** Lets the copy end, then the load, then the stream; ends the process with SIGTERM. */
async function finish(world: World, stopLoad: () => Promise<void>): Promise<void> {
  const { problems, client } = world
  const { sluice, memory } = startRun(world)
  const isOver = (): boolean => sluice.ending() !== null
  await waitFor(() => isOver() || phaseOf(world) === 'stream')
  await stopLoad()
  const { rows } = await client.query("SELECT (pg_current_wal_lsn() - '0/0')::text AS position")
  await client.query(`UPDATE ${TABLE} SET state = 'last' WHERE id = 1`)
  const target = BigInt(rows[0].position)
  await waitFor(() => isOver() || (newestCursor(world.root)?.nextPosition ?? 0n) > target)
  const early = sluice.ending()
  if (early) problems.push(`ended by itself: ${early.output.slice(-800)}`)
  world.peakRssMb = Math.max(world.peakRssMb, memory.stop())
  sluice.signal('SIGTERM')
  await sluice.ended
}

async function judge(world: World, kills: Kills): Promise<TortureCase> {
  const { options, problems, root, client, attempts, peakRssMb } = world
  const compared = await compareOnDisk({
    ...{ client, table: TABLE, columns: COLUMNS, root },
    folder: options.folder,
  })
  problems.push(...compared.examples)
  if (compared.rows === 0) problems.push('nothing was compared')
  if (attempts.size !== 1) problems.push(`${attempts.size} attempts that had a place, not one`)
  options.print(`${compared.rows} rows compared, ${compared.wrongRows} wrong`)
  if (peakRssMb > RSS_MB_MAX) problems.push(`peak ${peakRssMb} MB: more than ${RSS_MB_MAX}`)
  if (options.checksVersions) {
    const history = await checkHistory(root, { key: ['id'], conserved: null })
    problems.push(...history.problems)
  }
  const { wrongRows, rows } = compared
  return { case: 'copyKills', rows, wrongRows, ...kills, peakRssMb, problems }
}

/** Rows before the place of the copy; notes the attempt that they belong to. */
function copiedRows(world: World): number {
  const { copyAttempt, copied } = newestCursor(world.root)?.identity ?? {}
  if (copied === undefined) return 0
  world.attempts.add(String(copyAttempt))
  return Number((copied as { rowsCopied: number }).rowsCopied)
}

function phaseOf(world: World): string | undefined {
  return newestCursor(world.root)?.phase
}

async function waitFor(condition: () => boolean, ms = WAIT_MS): Promise<void> {
  const giveUpAt = performance.now() + ms
  while (!condition() && performance.now() < giveUpAt) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
