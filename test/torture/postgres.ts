/**
 * The torture run against a real Postgres: real `sluice run` processes are killed at random moments
 * and
 * at every failpoint while a write load runs; afterwards each table must equal Postgres row for row
 * and
 * no version may ever have been wrong.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { FAILPOINTS } from '../../src/ingest/index.ts'
import { createSystemClock } from '../../src/observe/index.ts'
import { startEmbeddedPostgres } from '../../src/quickstart/index.ts'
import { createDice, type Dice } from '../support/random.ts'
import { checkHistory, liveLines, newestCursor } from './history.ts'
import { startLoad } from './load.ts'
import { newestFloor } from './pipeline-floor.ts'
import { type SluiceProcess, startSluice } from './sluice-process.ts'
import {
  createNewcomer,
  createTables,
  NEWCOMER_PATTERN,
  postgresLines,
  START_BALANCE,
  TORTURE_TABLES,
  type TortureSize,
  type TortureTable,
} from './tables.ts'

/** How hard and where. */
export interface TortureOptions {
  /** Empty folder for everything the run makes. */
  readonly folder: string
  readonly kills: number
  readonly seed: number
  /** Also stops an instance until another has taken over; takes about a minute. */
  readonly hasZombie: boolean
  readonly size: TortureSize
  readonly print: (line: string) => void
}

/** One case of the report; `problems` is empty when it held. */
export interface TortureCase {
  readonly case: string
  readonly problems: readonly string[]
  readonly [figure: string]: unknown
}

/** Rows of the long run: the first copy lasts some seconds, so that kills hit it. */
export const LONG_SIZE: TortureSize = {
  accounts: 2_000,
  ledger: 400_000,
  documents: 20_000,
  newcomer: 20_000,
}
/** Rows of the short run. */
export const SHORT_SIZE: TortureSize = {
  accounts: 500,
  ledger: 60_000,
  documents: 3_000,
  newcomer: 8_000,
}

const PIPELINE = 'torture'
/** Chunks are small, so that kills fall between those of a copy. */
const SOURCE_SETTINGS = 'statusIntervalMs: 1000, snapshot: { chunkRows: 1000 }'
/** Failpoints that the first copy passes too; they are hit once more while it runs. */
const COPY_FAILPOINTS = ['block-landed', 'file-written', 'before-commit', 'committed'] as const
const FAILPOINT_WAIT_MS = 60_000
const CATCH_UP_WAIT_MS = 180_000
const STOP_WAIT_MS = 60_000
const FENCE_WAIT_MS = 90_000
const KILL_WAIT_MS = 30_000
const POLL_MS = 50

interface World {
  readonly options: TortureOptions
  readonly dice: Dice
  readonly client: pg.Client
  readonly configFile: string
  readonly storeFolder: string
  readonly problems: string[]
  /** Those of the beginning, and those that came since. */
  readonly tables: TortureTable[]
  /** Ends of the process while a table was copied beside the others. */
  killsBeside: number
  /** Those of them after some chunk of it, so that the copy goes on from there. */
  killsBetweenChunks: number
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Runs everything; the cases say what held. */
export async function runPostgresTorture(options: TortureOptions): Promise<readonly TortureCase[]> {
  const { print } = options
  const clock = createSystemClock()
  await using postgres = await startEmbeddedPostgres({
    folder: path.join(options.folder, 'postgres'),
    clock,
    database: 'torture',
  })
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  try {
    await createTables(client, options.size)
    const world = createWorld(options, client, postgres.url)
    print(`seed ${options.seed}, ${options.kills} kills, store ${world.storeFolder}`)
    const load = await startLoad({
      url: postgres.url,
      seed: options.seed,
      connections: 3,
      pauseMsMax: 40,
      documentTables: () => ['documents', ...newcomersOf(world).map(({ name }) => name)],
    })
    const failpoints = { hit: {} as Record<string, number>, missed: [] as string[] }
    const killCounts = { killed: 0, duringCopy: 0, duringStream: 0, beforeFirstCommit: 0 }
    for (const name of COPY_FAILPOINTS) await killAtFailpoint(world, name, 2, failpoints)
    await killDuringCopy(world, killCounts)
    await finishCopy(world)
    for (const name of FAILPOINTS) {
      await nextNewcomer(world)
      await killAtFailpoint(world, name, occurrenceOf(world, name), failpoints)
      noteKill(world)
    }
    while (killCounts.killed < options.kills) {
      await nextNewcomer(world)
      await killAtRandom(world, killCounts)
      noteKill(world)
    }
    const killProblems = world.problems.splice(0)
    const fencing = [await fenceOneOfTwo(world)]
    if (options.hasZombie) fencing.push(await fenceZombie(world))
    await load.stop()
    print(`load: ${JSON.stringify(load.counts())}`)
    await catchUp(world)
    const state = await checkState(world)
    const problems = [...killProblems, ...world.problems.splice(0), ...state.problems]
    return [
      { case: 'kills', ...killCounts, ...state.figures, problems },
      { case: 'failpoints', ...failpoints, problems: failpoints.missed },
      newcomerCase(world),
      ...fencing,
      { case: 'load', ...load.counts(), problems: idleDeeds(load.counts()) },
    ]
  } finally {
    await client.end()
  }
}

function createWorld(options: TortureOptions, client: pg.Client, url: string): World {
  const configFile = path.join(options.folder, 'sluice.yaml')
  const storeFolder = path.join(options.folder, 'lake')
  mkdirSync(storeFolder, { recursive: true })
  const tables = TORTURE_TABLES.map((table) => `public.${table.name}`).join(', ')
  const config = [
    'apiVersion: v1',
    'store: { url: ./lake }',
    'workFolder: ./work',
    'sources:',
    `  database: { postgres: { url: "${url}", ${SOURCE_SETTINGS} } }`,
    'pipelines:',
    `  - name: ${PIPELINE}`,
    '    from: database',
    `    tables: [${tables}, "${NEWCOMER_PATTERN}"]`,
    '    commit: { every: 200ms, maxRows: 20000, partRows: 100 }',
    '    memory: 256MiB',
    '    inFlight: 16MiB',
  ]
  writeFileSync(configFile, `${config.join('\n')}\n`)
  const dice = createDice(options.seed)
  const counts = { killsBeside: 0, killsBetweenChunks: 0 }
  const counted = { problems: [], tables: [...TORTURE_TABLES], ...counts }
  return { options, dice, client, configFile, storeFolder, ...counted }
}

const newcomersOf = ({ tables }: World): readonly TortureTable[] =>
  tables.slice(TORTURE_TABLES.length)

/** Once the last table that came is copied, another one comes. */
async function nextNewcomer(world: World): Promise<void> {
  if (!isCopied(world)) return
  const number = newcomersOf(world).length + 1
  world.tables.push(await createNewcomer(world.client, number, world.options.size.newcomer))
}

/** Counts a kill that a table met while it was copied. */
function noteKill(world: World): void {
  const newest = newcomersOf(world).at(-1)
  if (newest === undefined) return
  const cursor = newestCursor(path.join(world.storeFolder, newest.name))
  if (cursor?.phase !== 'copy') return
  world.killsBeside++
  if (cursor.identity.copied !== undefined) world.killsBetweenChunks++
}

function newcomerCase(world: World): TortureCase {
  const { length } = newcomersOf(world)
  const { killsBeside, killsBetweenChunks } = world
  const isMet = killsBeside > 0
  const problems = isMet ? [] : ['no kill fell into the copy of a table that came later']
  return { case: 'newcomers', tables: length, killsBeside, killsBetweenChunks, problems }
}

function startRun(world: World, variables: Readonly<Record<string, string>> = {}): SluiceProcess {
  return startSluice(world.options.folder, ['run', '--config', world.configFile], variables)
}

async function kill(world: World, sluice: SluiceProcess, when: string): Promise<void> {
  const early = sluice.ending()
  if (early) {
    const how = early.signal ?? `exit code ${early.code}`
    world.problems.push(`ended by itself ${when} with ${how}: ${early.output.slice(-800)}`)
    return
  }
  sluice.signal('SIGKILL')
  await sluice.ended
}

async function killAtFailpoint(
  world: World,
  name: string,
  occurrence: number,
  into: { readonly hit: Record<string, number>; readonly missed: string[] },
): Promise<void> {
  const sluice = startRun(world, { SLUICE_FAILPOINT: `${name}:${occurrence}` })
  const ending = await sluice.endedWithin(FAILPOINT_WAIT_MS)
  if (ending?.signal === 'SIGKILL') {
    into.hit[name] = (into.hit[name] ?? 0) + 1
    world.options.print(`failpoint ${name}, pass ${occurrence}: killed (${tableStates(world)})`)
    return
  }
  const how = ending ? `exit code ${ending.code}: ${ending.output.slice(-800)}` : 'never reached'
  into.missed.push(`failpoint ${name}, pass ${occurrence}: ${how}`)
  world.options.print(into.missed.at(-1) ?? '')
  if (!ending) await kill(world, sluice, `at failpoint ${name}`)
}

/** Recovery is passed once a run, everything else with each batch: of the stream, or of a copy. */
function occurrenceOf(world: World, name: string): number {
  return name === 'recovered' ? 1 : world.dice.between(1, 30)
}

/** A fifth of the kills falls into the first copy, as long as it lasts. */
async function killDuringCopy(world: World, counts: Record<string, number>): Promise<void> {
  const wanted = Math.max(1, Math.floor(world.options.kills / 5))
  for (let index = 0; index < wanted && !isCopied(world); index += 1) {
    await killAtRandom(world, counts)
  }
}

/** Most kills come after the process has begun to commit, the others while it starts. */
async function killAtRandom(world: World, counts: Record<string, number>): Promise<void> {
  const { dice } = world
  const before = commitCount(world)
  const wasCopied = isCopied(world)
  const sluice = startRun(world)
  if (dice.roll(4) > 0) {
    await waitFor(KILL_WAIT_MS, () => commitCount(world) > before || sluice.ending() !== null)
  }
  const delayMs = dice.between(0, 1_500)
  await sluice.endedWithin(delayMs)
  await kill(world, sluice, `before kill ${(counts.killed ?? 0) + 1}`)
  const commits = commitCount(world) - before
  const where = commits === 0 ? 'beforeFirstCommit' : wasCopied ? 'duringStream' : 'duringCopy'
  counts.killed = (counts.killed ?? 0) + 1
  counts[where] = (counts[where] ?? 0) + 1
  const what = `kill ${counts.killed} after ${commits} commits: ${where}`
  world.options.print(`${what} (${tableStates(world)})`)
}

async function finishCopy(world: World): Promise<void> {
  const sluice = startRun(world)
  const isDone = await waitFor(CATCH_UP_WAIT_MS, () => isCopied(world) || sluice.ending() !== null)
  if (!isDone) world.problems.push(`the copy did not end within ${CATCH_UP_WAIT_MS / 1000} s`)
  await kill(world, sluice, 'during the copy')
}

/** Two instances on one pipeline: one ends with exit code 5, the other goes on. */
async function fenceOneOfTwo(world: World): Promise<TortureCase> {
  const first = startRun(world)
  const before = commitCount(world)
  await waitFor(CATCH_UP_WAIT_MS, () => commitCount(world) > before || first.ending() !== null)
  world.options.print('fencing: the first instance commits, the second one starts')
  const result = await oneIsFenced(world, first, startRun(world))
  world.options.print(`fencing: exit codes ${result.exitCodes.join(' and ')}`)
  return { case: 'fencing', ...result }
}

/**
 * An instance sleeps longer than Postgres waits for it, another takes over, the first one wakes up:
 * whoever commits next wins, the other one is fenced.
 */
async function fenceZombie(world: World): Promise<TortureCase> {
  const problems: string[] = []
  await setSenderTimeout(world, "'4s'")
  const zombie = startRun(world)
  const before = commitCount(world)
  await waitFor(CATCH_UP_WAIT_MS, () => commitCount(world) > before || zombie.ending() !== null)
  zombie.signal('SIGSTOP')
  const heir = startRun(world)
  const commits = commitCount(world)
  const tookOver = await waitFor(FENCE_WAIT_MS, () => commitCount(world) > commits)
  if (!tookOver) problems.push(`nobody took over: ${heir.ending()?.output ?? 'the heir waits'}`)
  zombie.signal('SIGCONT')
  const result = await oneIsFenced(world, zombie, heir)
  await setSenderTimeout(world, 'DEFAULT')
  world.options.print(`zombie: exit codes ${result.exitCodes.join(' and ')} after it woke up`)
  return { case: 'zombie', ...result, tookOver, problems: [...problems, ...result.problems] }
}

interface Fenced {
  /** Null for the instance that stayed. */
  readonly exitCodes: readonly (number | null)[]
  readonly problems: readonly string[]
}

/** One of two must end by a fence and the other must go on; then that one is killed. */
async function oneIsFenced(
  world: World,
  first: SluiceProcess,
  second: SluiceProcess,
): Promise<Fenced> {
  await Promise.race([first.endedWithin(FENCE_WAIT_MS), second.endedWithin(FENCE_WAIT_MS)])
  const commits = commitCount(world)
  const isBoth = (): boolean => first.ending() !== null && second.ending() !== null
  const goesOn = await waitFor(FENCE_WAIT_MS, () => commitCount(world) > commits || isBoth())
  const endings = [first.ending(), second.ending()]
  const ended = endings.filter((ending) => ending !== null)
  const problems = ended
    .filter((ending) => ending.code !== 5)
    .map((ending) => `exit code ${ending.code}, not 5: ${ending.output}`)
  if (ended.length !== 1) problems.push(`${ended.length} of two instances ended, not one`)
  if (!goesOn) problems.push('the instance that stayed commits nothing any more')
  for (const sluice of [first, second]) if (sluice.ending() === null) sluice.signal('SIGKILL')
  await Promise.all([first.ended, second.ended])
  return { exitCodes: endings.map((ending) => ending?.code ?? null), problems }
}

async function setSenderTimeout(world: World, value: string): Promise<void> {
  await world.client.query(`ALTER SYSTEM SET wal_sender_timeout = ${value}`)
  await world.client.query('SELECT pg_reload_conf()')
}

/** Runs until the floor has passed everything Postgres has committed, then ends it with SIGTERM. */
async function catchUp(world: World): Promise<void> {
  const sluice = startRun(world)
  await world.client.query('UPDATE scratch SET v = v + 1')
  const target = await walPosition(world.client)
  const isDone = await waitFor(CATCH_UP_WAIT_MS, () => {
    const floor = newestFloor(world.storeFolder, PIPELINE)
    return sluice.ending() !== null || (isCopied(world) && floor !== null && floor >= target)
  })
  const floor = newestFloor(world.storeFolder, PIPELINE)
  if (!isDone) world.problems.push(`${tableStates(world)}: floor ${floor}, wanted ${target}`)
  world.options.print(`caught up with ${target}`)
  // While it runs: the product compares at a position that the tables must still reach.
  const verified = await Promise.all(
    world.tables.map((table) => verifyByCommand(world, table.name)),
  )
  world.problems.push(...verified.flat())
  world.options.print('sluice verify: done')
  if (sluice.ending() === null) sluice.signal('SIGTERM')
  const ending = await sluice.endedWithin(STOP_WAIT_MS)
  if (ending === null) {
    world.problems.push('did not end after SIGTERM')
    sluice.signal('SIGKILL')
    await sluice.ended
  } else if (ending.code !== 0) {
    world.problems.push(`ended with exit code ${ending.code} after SIGTERM: ${ending.output}`)
  }
}

interface State {
  readonly figures: Readonly<Record<string, number>>
  readonly problems: readonly string[]
}

/**
 * Every version by the independent checker, the last one row for row, and the product's own verify.
 */
async function checkState(world: World): Promise<State> {
  const problems: string[] = []
  const figures = { wrongRows: 0, comparedRows: 0, versions: 0, vectorsRead: 0, rowsWritten: 0 }
  for (const table of world.tables) {
    const root = path.join(world.storeFolder, table.name)
    const conserved =
      table.conservedColumn === null
        ? null
        : { column: table.conservedColumn, sum: world.options.size.accounts * START_BALANCE }
    const history = await checkHistory(root, { key: table.key, conserved })
    figures.versions += history.versions
    figures.vectorsRead += history.vectorsRead
    figures.rowsWritten += history.rowsWritten
    problems.push(...history.problems.map((problem) => `${table.name} ${problem}`))
    const expected = await postgresLines(world.client, table)
    const columns = table.columns.map(({ name, stored }) => ({ name, sql: stored }))
    const differences = compareLines(expected, await liveLines(root, columns))
    figures.comparedRows += expected.length
    figures.wrongRows += differences.length
    problems.push(...differences.slice(0, 5).map((line) => `${table.name} ${line.slice(0, 300)}`))
    const counts = `${history.versions} versions, ${history.vectorsRead} vectors`
    world.options.print(
      `${table.name}: ${expected.length} rows, ${differences.length} wrong, ${counts}, ` +
        `${history.problems.length} problems in its history`,
    )
  }
  if (figures.vectorsRead === 0) problems.push('no deletion vector was ever written')
  return { figures, problems }
}

async function verifyByCommand(world: World, table: string): Promise<readonly string[]> {
  const args = ['verify', table, '--against', 'source', '--json', '--config', world.configFile]
  const ending = await startSluice(world.options.folder, args).ended
  return ending.code === 0
    ? []
    : [`sluice verify ${table}: exit code ${ending.code}: ${ending.output}`]
}

/** Lines of one side only; both are sorted. */
function compareLines(expected: readonly string[], found: readonly string[]): readonly string[] {
  const differences: string[] = []
  let left = 0
  let right = 0
  while (left < expected.length || right < found.length) {
    const [want, have] = [expected[left], found[right]]
    if (want === have) {
      left += 1
      right += 1
    } else if (have === undefined || (want !== undefined && want < have)) {
      differences.push(`misses ${want}`)
      left += 1
    } else {
      differences.push(`should not have ${have}`)
      right += 1
    }
  }
  return differences
}

function idleDeeds(counts: Readonly<Record<string, number>>): readonly string[] {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const needed = ['transfer', 'renameAccount', 'renameDocument', 'deleteDocument', 'touchDocument']
  const idle = needed.filter((deed) => !counts[deed]).map((deed) => `no ${deed} ever happened`)
  return total < 100 ? [...idle, `only ${total} transactions`] : idle
}

function isCopied(world: World): boolean {
  return world.tables.every(
    (table) => newestCursor(path.join(world.storeFolder, table.name))?.phase === 'stream',
  )
}

function tableStates(world: World): string {
  return world.tables
    .map((table) => {
      const cursor = newestCursor(path.join(world.storeFolder, table.name))
      return `${table.name} ${cursor ? `${cursor.phase} ${cursor.batchNumber}` : 'none'}`
    })
    .join(', ')
}

function commitCount(world: World): number {
  return world.tables.reduce((sum, table) => {
    const cursor = newestCursor(path.join(world.storeFolder, table.name))
    return sum + Number(cursor?.batchNumber ?? 0n)
  }, 0)
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
