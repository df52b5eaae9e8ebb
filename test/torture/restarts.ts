/**
 * `npm run torture -- postgres-restarts`: a pipeline and its server are restarted a thousand times
 * in every way that is in order. No check of slot, server, history or gap may raise an alarm, and
 * nothing may be lost or doubled.
 */

import path from 'node:path'
import { FAILPOINTS } from '../../src/ingest/index.ts'
import { createDice } from '../support/random.ts'
import { checkHistory, liveLines, newestCursor } from './history.ts'
import { newestFloor } from './pipeline-floor.ts'
import type { TortureCase } from './postgres.ts'
import {
  caughtUp,
  inRestartWorld,
  type Life,
  RESTART_TABLES,
  type RestartWorld,
  type Shutdown,
  sleep,
  startLife,
  startProcess,
  tablePosition,
  waitFor,
  walPosition,
} from './restart-world.ts'
import { column, postgresLines } from './tables.ts'

/** How often and where. */
export interface RestartOptions {
  /** Empty folder for everything the run makes. */
  readonly folder: string
  readonly restarts: number
  readonly seed: number
  readonly print: (line: string) => void
}

const PIPELINE = 'restarts'
const SLOT = `sluice_${PIPELINE}`
const END_MS = 60_000
/** The table is emptied so often: each start reads the keys of every file. */
const RESTARTS_PER_TRUNCATE = 40

/**
 * Where an error ends a life. A commit takes one of its conditional put for an unknown outcome and
 * finds out; there only a killed process is a crash (torture `postgres`).
 */
const CRASHES = FAILPOINTS.filter(
  (name) => name !== 'part-staged' && !name.endsWith('conditional-put'),
)

type Kind = (world: RestartWorld) => Promise<void>

/** Ways to restart, with their share in hundredths. */
const KINDS: readonly (readonly [string, number, Kind])[] = [
  ['clean', 22, cleanStop],
  ['atOnce', 10, stopAtOnce],
  ['idle', 8, idleLife],
  ['othersWrite', 9, othersWrite],
  ['walSwitch', 8, walSwitch],
  ['openTransaction', 6, openTransaction],
  ['crash', 12, crash],
  ['cutConnection', 5, cutConnection],
  ['slotAdvanced', 8, slotAdvanced],
  ['serverSmart', 2, (world) => serverAway(world, 'smart', 'between')],
  ['serverFast', 2, (world) => serverAway(world, 'fast', 'between')],
  ['serverImmediate', 1, (world) => serverAway(world, 'immediate', 'between')],
  ['serverFastWhileRunning', 1, (world) => serverAway(world, 'fast', 'during')],
  ['serverImmediateWhileRunning', 1, (world) => serverAway(world, 'immediate', 'during')],
  ['processStopped', 2, processStopped],
  ['processKilled', 3, processKilled],
]

/** Runs all restarts; every kind comes at least once. */
export async function runRestarts(options: RestartOptions): Promise<TortureCase> {
  const dice = createDice(options.seed)
  return inRestartWorld(options.folder, dice, async (world) => {
    await world.sql(`
      CREATE TABLE hot (id int PRIMARY KEY, n int NOT NULL, note text);
      ALTER TABLE hot ALTER COLUMN note SET STORAGE EXTERNAL;
      CREATE TABLE quiet (id int PRIMARY KEY, n int NOT NULL);
      CREATE TABLE noise (id int, text text);
      INSERT INTO hot SELECT n, 0, repeat(md5(n::text), 80) FROM generate_series(1, 200) n;
      INSERT INTO quiet SELECT n, 0 FROM generate_series(1, 10) n`)
    const counts: Record<string, number> = {}
    const begunAt = performance.now()
    for (let number = 0; number < options.restarts && world.problems.length < 10; number++) {
      const [name, , run] = KINDS[number] ?? chooseKind(world)
      const known = world.problems.length
      await run(world).catch((error: unknown) => {
        world.problems.push(`${String(error)}\n${error instanceof Error ? error.stack : ''}`)
      })
      for (const [at, problem] of world.problems.entries()) {
        if (at < known) continue
        world.problems[at] = `restart ${number + 1}, ${name}: ${problem}`
        options.print(world.problems[at])
      }
      counts[name] = (counts[name] ?? 0) + 1
      if ((number + 1) % RESTARTS_PER_TRUNCATE === 0) {
        await world.sql('TRUNCATE hot')
        options.print(`${number + 1} restarts, ${world.problems.length} problems`)
      }
    }
    const secondsInAll = Math.round((performance.now() - begunAt) / 1000)
    const figures = await judge(world)
    const problems = world.problems
    options.print(`${JSON.stringify(counts)}, ${figures.rowsCompared} rows compared`)
    const { retries } = world
    return { case: 'restarts', ...counts, secondsInAll, retries, ...figures, problems }
  })
}

function chooseKind({ dice }: RestartWorld): (typeof KINDS)[number] {
  let left = dice.roll(KINDS.reduce((sum, [, share]) => sum + share, 0))
  for (const kind of KINDS) {
    if (left < kind[1]) return kind
    left -= kind[1]
  }
  throw new Error('no kind')
}

/** One transaction; returns the tables that it wrote and where the log ends after it. */
async function write(world: RestartWorld): Promise<readonly [string, bigint]> {
  const { dice, sql } = world
  const id = (): number => dice.between(1, 400)
  await sql(`
    INSERT INTO hot SELECT n, ${dice.roll(999)}, repeat(md5(n::text), 80)
      FROM generate_series(${id()}, ${id() + 20}) n ON CONFLICT (id) DO UPDATE SET n = hot.n + 1;
    UPDATE hot SET n = n + 1 WHERE id % 7 = ${dice.roll(7)};
    DELETE FROM hot WHERE id IN (${id()}, ${id()});
    UPDATE hot SET id = id + 1000 WHERE id = ${id()} AND NOT EXISTS
      (SELECT FROM hot taken WHERE taken.id = hot.id + 1000);
    INSERT INTO hot VALUES (0, 0, 'always') ON CONFLICT (id) DO UPDATE SET n = hot.n + 1`)
  const isQuiet = dice.roll(10) === 0
  if (isQuiet) await sql(`UPDATE quiet SET n = n + 1 WHERE id = ${dice.between(1, 10)}`)
  return [isQuiet ? 'quiet' : 'hot', await walPosition(world)]
}

/** A life during which something happens, ended by a drain. */
async function live(world: RestartWorld, during: (life: Life) => Promise<void>): Promise<void> {
  const life = await startLife(world)
  try {
    await during(life)
  } finally {
    await life.stop()
    if (life.error() !== null) world.problems.push(describe(life.error()))
  }
}

function describe(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string }
  return `${code ?? ''} ${message ?? String(error)}`
}

/** Writes while it runs, and waits until that is in its table. */
async function writeAndFollow(world: RestartWorld, life: Life): Promise<void> {
  const [table, position] = await write(world)
  await caughtUp(world, table, position, () => life.error() !== null)
}

async function cleanStop(world: RestartWorld): Promise<void> {
  await live(world, (life) => writeAndFollow(world, life))
}

async function stopAtOnce(world: RestartWorld): Promise<void> {
  await write(world)
  await live(world, () => sleep(world.dice.roll(400)))
}

async function idleLife(world: RestartWorld): Promise<void> {
  await live(world, () => sleep(world.dice.between(100, 900)))
}

/** The log goes on without a word for our tables, while the pipeline runs and while it does not. */
async function othersWrite(world: RestartWorld): Promise<void> {
  const noise = 'INSERT INTO noise SELECT n, md5(n::text) FROM generate_series(1, 2000) n'
  await world.sql(noise)
  await live(world, async () => {
    await world.sql(`${noise}; TRUNCATE noise`)
    await sleep(world.dice.roll(500))
  })
}

async function walSwitch(world: RestartWorld): Promise<void> {
  const turn = 'SELECT pg_switch_wal(); CHECKPOINT'
  await world.sql(turn)
  await live(world, async (life) => {
    await writeAndFollow(world, life)
    await world.sql(turn)
    if (world.dice.roll(2) === 0) await writeAndFollow(world, life)
  })
  await world.sql(turn)
}

/** A transaction that begins before a life and is committed in the next one. */
async function openTransaction(world: RestartWorld): Promise<void> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: world.server.url })
  await client.connect()
  await client.query('BEGIN')
  await client.query(
    'INSERT INTO hot VALUES (-1, 0, NULL) ON CONFLICT (id) DO UPDATE SET n = hot.n',
  )
  await live(world, async (life) => {
    await world.sql('UPDATE quiet SET n = n + 1 WHERE id = 1')
    const position = await walPosition(world)
    await caughtUp(world, 'quiet', position, () => life.error() !== null)
  })
  await live(world, async (life) => {
    await client.query(world.dice.roll(3) === 0 ? 'ROLLBACK' : 'COMMIT')
    await writeAndFollow(world, life)
  })
  await client.end()
}

/** Ends at a failpoint by an error that nobody catches: all that was in memory is gone. */
async function crash(world: RestartWorld): Promise<void> {
  const failpoint = world.dice.pick(CRASHES)
  const life = await startLife(world, failpoint)
  await write(world)
  const isOver = (): boolean => life.error() !== null
  const hasDied = await waitFor(isOver, END_MS)
  await life.stop()
  if (!hasDied) world.problems.push(`never came to ${failpoint}`)
  const how = describe(life.error())
  if (hasDied && !how.includes('died at') && !`${causeOf(life.error())}`.includes('died at')) {
    world.problems.push(how)
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : null
}

async function cutConnection(world: RestartWorld): Promise<void> {
  await live(world, async (life) => {
    await writeAndFollow(world, life)
    await world.sql(
      `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
        WHERE slot_name = '${SLOT}'`,
    )
    await writeAndFollow(world, life)
  })
}

/** Somebody moves the slot to exactly where every table is: nothing is missing. */
async function slotAdvanced(world: RestartWorld): Promise<void> {
  await cleanStop(world)
  const floor = newestFloor(world.lake, PIPELINE)
  if (floor === null) return
  const [row] = await world.sql(`SELECT confirmed_flush_lsn < ('0/0'::pg_lsn + ${floor}) AS isbehind
    FROM pg_replication_slots WHERE slot_name = '${SLOT}'`)
  if (row?.isbehind === true) {
    await world.sql(`SELECT pg_replication_slot_advance('${SLOT}', '0/0'::pg_lsn + ${floor})`)
  }
  await live(world, (life) => writeAndFollow(world, life))
}

async function serverAway(
  world: RestartWorld,
  shutdown: Shutdown,
  when: 'between' | 'during',
): Promise<void> {
  await write(world)
  if (when === 'between') await world.server.restart(shutdown)
  await live(world, async (life) => {
    if (when === 'during') {
      await writeAndFollow(world, life)
      await world.server.restart(shutdown)
    }
    await writeAndFollow(world, life)
  })
}

async function processStopped(world: RestartWorld): Promise<void> {
  const sluice = startProcess(world)
  const [table, position] = await write(world)
  await caughtUp(world, table, position, () => sluice.ending() !== null)
  sluice.signal('SIGTERM')
  const ending = await sluice.endedWithin(END_MS)
  if (ending?.code !== 0) {
    world.problems.push(`exit code ${ending?.code} after SIGTERM: ${ending?.output}`)
    sluice.signal('SIGKILL')
    await sluice.ended
  }
}

async function processKilled(world: RestartWorld): Promise<void> {
  const before = tablePosition(world, 'hot')
  const sluice = startProcess(world)
  await write(world)
  const isMoving = (): boolean => tablePosition(world, 'hot') !== before
  if (world.dice.roll(3) > 0) await waitFor(() => isMoving() || sluice.ending() !== null)
  await sluice.endedWithin(world.dice.roll(300))
  const early = sluice.ending()
  if (early !== null) world.problems.push(`ended by itself: ${early.code} ${early.output}`)
  sluice.signal('SIGKILL')
  await sluice.ended
}

/** Every version, and the last one row for row. */
async function judge(world: RestartWorld): Promise<{
  readonly rowsCompared: number
  readonly wrongRows: number
  readonly versions: number
}> {
  await cleanStop(world)
  await live(world, async (life) => {
    await world.sql('UPDATE quiet SET n = n + 1 WHERE id = 1')
    const end = await walPosition(world)
    await world.sql("INSERT INTO hot VALUES (0, 0, 'last') ON CONFLICT (id) DO UPDATE SET n = 0")
    await caughtUp(world, 'quiet', end, () => life.error() !== null)
    await caughtUp(world, 'hot', await walPosition(world), () => life.error() !== null)
  })
  const figures = { rowsCompared: 0, wrongRows: 0, versions: 0 }
  for (const name of RESTART_TABLES) {
    const root = path.join(world.lake, name)
    if (newestCursor(root)?.phase !== 'stream') world.problems.push(`${name} is not complete`)
    const history = await checkHistory(root, { key: ['id'], conserved: null })
    world.problems.push(...history.problems.map((problem) => `${name} ${problem}`))
    const names = name === 'hot' ? ['id', 'n', 'note'] : ['id', 'n']
    const columns = names.map((one) => column(one))
    const ours = await liveLines(
      root,
      columns.map(({ name: one, stored }) => ({ name: one, sql: stored })),
    )
    const theirs = await linesOf(world, name, columns)
    const missing = theirs.filter((line) => !ours.includes(line))
    const wrong = ours.filter((line) => !theirs.includes(line))
    figures.rowsCompared += theirs.length
    figures.wrongRows += missing.length + wrong.length
    figures.versions += history.versions
    for (const line of missing.slice(0, 3))
      world.problems.push(`${name} lacks ${line.slice(0, 99)}`)
    for (const line of wrong.slice(0, 3)) world.problems.push(`${name} has ${line.slice(0, 99)}`)
  }
  if (figures.rowsCompared === 0) world.problems.push('nothing was compared')
  return figures
}

async function linesOf(
  world: RestartWorld,
  name: string,
  columns: Parameters<typeof postgresLines>[1]['columns'],
): Promise<readonly string[]> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: world.server.url })
  await client.connect()
  try {
    return await postgresLines(client, { name, key: ['id'], columns, conservedColumn: null })
  } finally {
    await client.end()
  }
}
