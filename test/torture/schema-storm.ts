/**
 * `npm run torture -- schema-storm`: the columns of a table in a real Postgres keep changing,
 * inside and between transactions, while others write and the pipeline is killed. Every version
 * must be readable with its own columns and equal the model's fold; what the table must refuse
 * stops the pipeline with a code, and the documented remedy goes on.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import type { Table } from '../../src/contracts/index.ts'
import { createEngine, createParquetPort } from '../../src/engine/index.ts'
import { createSystemClock } from '../../src/observe/index.ts'
import { startEmbeddedPostgres } from '../../src/quickstart/index.ts'
import { createDeltaFormat } from '../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { createDice, type Dice } from '../support/random.ts'
import { firstStreamVersion, newestCursor } from './history.ts'
import type { TortureCase } from './postgres.ts'
import { checkSchemaVersions } from './schema-check.ts'
import {
  inventTransaction,
  type ModelPolicies,
  SourceModel,
  type Statement,
} from './schema-model.ts'
import { type SluiceProcess, startSluice } from './sluice-process.ts'

/** How hard and where. */
export interface StormRunOptions {
  /** Empty folder for everything the run makes. */
  readonly folder: string
  /** Transactions of each policy. */
  readonly steps: number
  /** Kills of each policy. */
  readonly kills: number
  readonly seed: number
  readonly print: (line: string) => void
}

const POLICIES: readonly ModelPolicies[] = [
  { drop: 'keep', rename: 'apply' },
  { drop: 'apply', rename: 'apply' },
  { drop: 'keep', rename: 'keep' },
]
/**
 * What the table may refuse: a type, what identifies columns, a name that is taken; a default that
 * was not read before another change wrote the table again.
 */
const REFUSALS = ['SLU-ING-4005', 'SLU-ING-4012', 'SLU-SRC-1234'] as const
const WAIT_MS = 120_000
const POLL_MS = 20
/** The pipeline may lag behind the catalogue by so many transactions, then it is waited for. */
const BURST_MAX = 6

/** One table that followed the storm for a while. */
interface Followed {
  readonly name: string
  /** Transactions that its copy holds. */
  readonly copied: number
  /** It stopped at something that it refused. */
  hasRefused: boolean
}

interface Storm {
  readonly options: StormRunOptions
  readonly policies: ModelPolicies
  readonly stream: string
  readonly dice: Dice
  readonly client: pg.Client
  readonly url: string
  readonly folder: string
  readonly history: (readonly Statement[])[]
  readonly tables: Followed[]
  readonly problems: string[]
  readonly refused: Record<string, number>
  sluice: SluiceProcess
  killed: number
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Runs the storm once for each of the policies. */
export async function runSchemaStorm(options: StormRunOptions): Promise<readonly TortureCase[]> {
  await using postgres = await startEmbeddedPostgres({
    ...{ folder: path.join(options.folder, 'postgres'), clock: createSystemClock() },
    ...{ database: 'storm', settings: { fsync: 'off', logical_decoding_work_mem: '64kB' } },
  })
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  try {
    const cases: TortureCase[] = []
    for (const [number, policies] of POLICIES.entries()) {
      cases.push(await runOne(options, policies, number, client, postgres.url))
    }
    return cases
  } finally {
    await client.end()
  }
}

async function runOne(
  options: StormRunOptions,
  policies: ModelPolicies,
  number: number,
  client: pg.Client,
  url: string,
): Promise<TortureCase> {
  const stream = `storm${number}`
  const folder = path.join(options.folder, stream)
  mkdirSync(path.join(folder, 'lake'), { recursive: true })
  await client.query(`CREATE TABLE ${stream} (id int PRIMARY KEY, seq int, note text)`)
  await client.query(`CREATE TABLE ${stream}_steady (id int PRIMARY KEY, n int)`)
  const tables: Followed[] = [{ name: `${stream}_0`, copied: 0, hasRefused: false }]
  const storm: Storm = {
    ...{ options, policies, stream, client, url, folder, tables },
    ...{ dice: createDice(options.seed * 31 + number), history: [], problems: [], refused: {} },
    ...{ killed: 0, sluice: null as unknown as SluiceProcess },
  }
  const load = startSteadyLoad(url, `${stream}_steady`)
  try {
    await follow(storm)
    await blow(storm)
    await load.stop()
    await keepUp(storm, storm.history.length)
  } finally {
    await load.stop()
    if (storm.sluice.ending() === null) storm.sluice.signal('SIGTERM')
    await storm.sluice.ended
  }
  return await judge(storm, load.rows())
}

/** Other changes of the same pipeline, all the time. */
function startSteadyLoad(url: string, table: string) {
  let isOn = true
  let rows = 0
  const work = async (): Promise<void> => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    while (isOn) {
      await client.query(`INSERT INTO ${table} VALUES (${++rows}, 0)`)
      await client.query(`UPDATE ${table} SET n = n + 1 WHERE id % 5 = ${rows % 5}`)
      await sleep(40)
    }
    await client.end()
  }
  const working = work()
  return {
    rows: () => rows,
    stop: async () => {
      isOn = false
      await working
    },
  }
}

/** Starts the pipeline for the newest table and waits until its copy is whole. */
async function follow(storm: Storm): Promise<void> {
  const { folder, stream, policies, tables, url, dice } = storm
  const { name } = tables.at(-1) as Followed
  const config = `apiVersion: v1
store: { url: ./lake }
sources: { pg: { postgres: { url: "${url}" } } }
pipelines:
  - name: ${stream}
    from: pg
    tables: [public.${stream}, public.${stream}_steady]
    commit: { every: 50ms, partRows: ${dice.pick([2, 4, 1_000])} }
    memory: 128MiB
    inFlight: 4MiB
    schema: { drop: ${policies.drop}, rename: ${policies.rename} }
    overrides: { public.${stream}: { table: ${name} } }
`
  writeFileSync(path.join(folder, 'sluice.yaml'), config)
  storm.sluice = startSluice(folder, ['run'])
  const isCopied = (): boolean => newestCursor(rootOf(storm, name))?.phase === 'stream'
  await waitFor(storm, `the copy of ${name}`, () => isCopied() || storm.sluice.ending() !== null)
  const early = storm.sluice.ending()
  if (early !== null) storm.problems.push(`no copy of ${name}: ${early.output.slice(-1_500)}`)
}

const rootOf = ({ folder }: Storm, name: string): string => path.join(folder, 'lake', name)

/** Transaction after transaction, some of them in bursts; the pipeline dies now and then. */
async function blow(storm: Storm): Promise<void> {
  const { options, dice, history, policies } = storm
  const source = new SourceModel()
  let burst = 0
  let readAttnum = 0
  for (let seq = 1; seq <= options.steps && storm.problems.length === 0; seq++) {
    // Names come back only where the pipeline keeps up: what was dropped and added again with name
    // and type, both unread, is taken for one column, as documented.
    const freshNames = policies.rename === 'keep' || burst > 0 || storm.killed < options.kills
    const statements = inventTransaction(source, seq, {
      dice,
      mayRefuse: true,
      freshNames,
      readAttnum,
      defaults: true,
    })
    history.push(statements)
    await apply(storm, statements)
    const killsDue = (options.kills * seq) / options.steps
    if (storm.killed < killsDue && dice.roll(3) === 0) await kill(storm)
    burst = dice.roll(3) === 0 || burst >= BURST_MAX ? 0 : burst + 1
    if (burst === 0) {
      await keepUp(storm, seq)
      readAttnum = Math.max(...source.columns.map(({ attnum }) => attnum))
    }
    if (seq % 50 === 0) {
      const counts = `${storm.killed} kills, refused ${JSON.stringify(storm.refused)}`
      options.print(`${storm.stream}: ${seq} transactions, ${counts}`)
    }
  }
  while (storm.killed < options.kills && storm.problems.length === 0) await kill(storm)
}

async function apply({ client, stream }: Storm, statements: readonly Statement[]): Promise<void> {
  const texts = statements.map((statement) => toSql(client, stream, statement))
  await client.query(`BEGIN; ${texts.join('; ')}; COMMIT`)
}

function toSql(client: pg.Client, table: string, statement: Statement): string {
  const name = (text: string): string => client.escapeIdentifier(text)
  switch (statement.kind) {
    case 'add':
      return `ALTER TABLE ${table} ADD ${name(statement.name)} ${statement.type}
        ${statement.initial === null ? '' : `DEFAULT ${client.escapeLiteral(statement.initial)}`}`
    case 'drop':
      return `ALTER TABLE ${table} DROP ${name(statement.name)}`
    case 'rename':
      return `ALTER TABLE ${table} RENAME ${name(statement.from)} TO ${name(statement.to)}`
    case 'retype':
      return `ALTER TABLE ${table} ALTER ${name(statement.name)} TYPE ${statement.type}`
    case 'put': {
      const values = { ...statement.values, id: String(statement.id) }
      const names = Object.keys(values)
      const texts = Object.values(values).map((value) =>
        value === null ? 'NULL' : client.escapeLiteral(value),
      )
      const columns = names.map(name).join(', ')
      const others = names.filter((one) => one !== 'id')
      const updates = others.map((one) => `${name(one)} = excluded.${name(one)}`).join(', ')
      return `INSERT INTO ${table} (${columns}) VALUES (${texts.join(', ')})
        ON CONFLICT (id) DO UPDATE SET ${updates}`
    }
    case 'delete':
      return `DELETE FROM ${table} WHERE id = ${statement.id}`
    case 'truncate':
      return `TRUNCATE ${table}`
    default: {
      const never: never = statement
      throw new Error(`no statement: ${JSON.stringify(never)}`)
    }
  }
}

async function kill(storm: Storm): Promise<void> {
  const { dice } = storm
  await storm.sluice.endedWithin(dice.roll(1_500))
  if (storm.sluice.ending() !== null) return remedy(storm)
  storm.sluice.signal('SIGKILL')
  await storm.sluice.ended
  storm.killed++
  storm.sluice = startSluice(storm.folder, ['run'])
}

/** Waits until the tables hold everything; one that refused something is followed by another. */
async function keepUp(storm: Storm, seq: number): Promise<void> {
  const { rows } = await storm.client.query("SELECT (pg_current_wal_lsn() - '0/0')::text AS at")
  const target = BigInt(rows[0].at)
  await storm.client.query(`UPDATE ${storm.stream}_steady SET n = n + 1 WHERE id = 1`)
  const isThere = (): boolean => {
    const steady = newestCursor(rootOf(storm, `${storm.stream}_steady`))
    return steady !== null && steady.nextPosition > target
  }
  while (storm.problems.length === 0) {
    const { name } = storm.tables.at(-1) as Followed
    await waitFor(storm, `transaction ${seq} in ${name}`, () => {
      return isThere() || storm.sluice.ending() !== null
    })
    if (storm.sluice.ending() === null) return
    await remedy(storm)
  }
}

/** The pipeline ended by itself: it must have said why, and goes on with a new table. */
async function remedy(storm: Storm): Promise<void> {
  const { output = '', code } = storm.sluice.ending() ?? {}
  const found = REFUSALS.find((one) => output.includes(one))
  if (found === undefined) {
    storm.problems.push(`ended with exit code ${code}: ${output.slice(-1_500)}`)
    return
  }
  storm.refused[found] = (storm.refused[found] ?? 0) + 1
  const before = storm.tables.at(-1) as Followed
  before.hasRefused = true
  const name = `${storm.stream}_${storm.tables.length}`
  storm.tables.push({ name, copied: storm.history.length, hasRefused: false })
  await follow(storm)
}

async function judge(storm: Storm, steadyRows: number): Promise<TortureCase> {
  const { history, policies, tables, problems, refused, folder } = storm
  const clock = createSystemClock()
  const figures = { tables: tables.length, versions: 0, rewrites: 0, rowsCompared: 0 }
  const store = await createLocalObjectStore(path.join(folder, 'lake'), clock)
  await using engine = await createEngine({
    ...{ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder: path.join(folder, 'check') },
  })
  const openSession = (): ReturnType<typeof engine.session> => engine.session()
  const parquet = createParquetPort({ openSession, spoolFolder: folder, clock })
  const format = createDeltaFormat({ store, clock, writerName: 'storm', parquet })
  const last = history.length
  for (const followed of tables) {
    const from = firstStreamVersion(rootOf(storm, followed.name))
    if (from === null) continue
    await using table = (await format.open(followed.name)) as Table
    const checked = await checkSchemaVersions({
      ...{ engine, table, history, policies, copied: followed.copied },
      ...{ last: followed.hasRefused ? null : last, fromVersion: BigInt(from) },
    })
    figures.versions += checked.versions
    figures.rewrites += checked.rewrites
    figures.rowsCompared += checked.rowsCompared
    problems.push(...checked.problems.map((problem) => `${followed.name}: ${problem}`))
  }
  await using steady = await format.open(`${storm.stream}_steady`)
  const rowCount = (await steady?.latest())?.rowCount ?? 0n
  if (rowCount !== BigInt(steadyRows)) problems.push(`${rowCount} steady rows of ${steadyRows}`)
  await store[Symbol.asyncDispose]()
  storm.options.print(`${storm.stream}: ${JSON.stringify(figures)}, ${problems.length} problems`)
  return {
    case: `drop ${policies.drop}, rename ${policies.rename}`,
    ...{ transactions: last, killed: storm.killed, refused, ...figures, problems },
  }
}

async function waitFor(storm: Storm, what: string, condition: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS
  while (!condition()) {
    if (performance.now() > giveUpAt) {
      storm.problems.push(`waited ${WAIT_MS / 1000} s for ${what}`)
      return
    }
    await sleep(POLL_MS)
  }
}
