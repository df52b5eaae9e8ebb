/**
 * `npm run torture -- postgres [--kills N] [--short]`: kills under a write load.
 * `npm run torture -- postgres-depth [--case NAME …] [--rows N] [--kills N]`: single cases, each to
 * its depth.
 * `npm run torture -- postgres-restarts [--restarts N]`: restarts that are in order.
 * `npm run torture -- schema-storm [--steps N] [--kills N]`: columns that keep changing.
 * All: `[--seed N] [--json] [--keep]`. Prints what it does; the last line is JSON with the cases;
 * the exit code is 0 only when every case held. With --json nothing else is printed to standard
 * output.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { runBigTransaction } from './big-transaction.ts'
import { runCopyKills } from './copy-kills.ts'
import { LONG_SIZE, runPostgresTorture, SHORT_SIZE, type TortureCase } from './postgres.ts'
import { runRestarts } from './restarts.ts'
import { runSchemaStorm } from './schema-storm.ts'

/** What a torture is given. */
interface TortureRequest {
  /** Empty folder of its own. */
  readonly folder: string
  readonly seed: number
  /** What was asked for, else null: each torture has its own default. */
  readonly kills: number | null
  readonly rows: number | null
  readonly restarts: number | null
  readonly steps: number | null
  readonly isShort: boolean
  readonly cases: readonly string[] | null
  readonly print: (line: string) => void
}

const DEFAULT_KILLS = 50
const DEFAULT_DEPTH_KILLS = 20
const DEFAULT_ROWS = 20_000_000
const DEFAULT_RESTARTS = 1_000
const DEFAULT_STEPS = 300
const DEFAULT_STORM_KILLS = 15

/** The long forms: all of a process in 512 MiB, which more keys than fit have to share. */
const PROCESS_MEMORY = '512MiB'
const COPY_KILLS = {
  checksVersions: false,
  processMemory: PROCESS_MEMORY,
  tuning: [],
  snapshot: '{ parallel: 2 }',
} as const
const BIG_TRANSACTION = {
  isKilled: false,
  decodingMemory: '64MB',
  processMemory: PROCESS_MEMORY,
  tuning: [],
} as const

type Torture = (request: TortureRequest) => Promise<readonly TortureCase[]>

/** The cases of `postgres-depth`. */
const DEPTH_CASES: Readonly<
  Record<
    string,
    (request: TortureRequest & { rows: number; kills: number }) => Promise<TortureCase>
  >
> = {
  bigTransaction: (request) => runBigTransaction({ ...request, ...BIG_TRANSACTION }),
  copyKills: (request) => runCopyKills({ ...request, ...COPY_KILLS }),
}

const TORTURES: Readonly<Record<string, Torture>> = {
  postgres: ({ folder, kills, seed, isShort, print }) =>
    runPostgresTorture({
      ...{ folder, seed, print },
      kills: kills ?? DEFAULT_KILLS,
      hasZombie: !isShort,
      size: isShort ? SHORT_SIZE : LONG_SIZE,
    }),
  'postgres-depth': async (request) => {
    const cases: TortureCase[] = []
    for (const name of request.cases ?? Object.keys(DEPTH_CASES)) {
      const folder = mkdtempSync(path.join(request.folder, `${name}-`))
      const rows = request.rows ?? DEFAULT_ROWS
      const kills = request.kills ?? DEFAULT_DEPTH_KILLS
      const run = DEPTH_CASES[name] as (typeof DEPTH_CASES)[string]
      cases.push(await run({ ...request, folder, rows, kills }))
    }
    return cases
  },
  'postgres-restarts': async ({ folder, seed, restarts, print }) => [
    await runRestarts({ folder, seed, restarts: restarts ?? DEFAULT_RESTARTS, print }),
  ],
  'schema-storm': ({ folder, seed, steps, kills, print }) =>
    runSchemaStorm({
      ...{ folder, seed, print },
      ...{ steps: steps ?? DEFAULT_STEPS, kills: kills ?? DEFAULT_STORM_KILLS },
    }),
}

const USAGE = `usage: npm run torture -- postgres [--kills N] [--short]
       npm run torture -- postgres-depth [--case ${Object.keys(DEPTH_CASES).join('|')} …]
         [--rows N] [--kills N]
       npm run torture -- postgres-restarts [--restarts N]
       npm run torture -- schema-storm [--steps N] [--kills N]
all:   [--seed N] [--json] [--keep]`

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      kills: { type: 'string' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
      rows: { type: 'string' },
      restarts: { type: 'string' },
      steps: { type: 'string' },
      case: { type: 'string', multiple: true },
      short: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  })
  const [name = ''] = positionals
  const { kills, rows, restarts, steps } = values
  const counts = [values.seed, kills, rows, restarts, steps].filter((text) => text !== undefined)
  const areNumbers = counts.every((text) => /^\d+$/.test(text))
  const areCases = (values.case ?? []).every((one) => Object.hasOwn(DEPTH_CASES, one))
  if (!Object.hasOwn(TORTURES, name) || !areNumbers || !areCases) {
    console.error(USAGE)
    return 2
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-torture-'))
  const print = printer(values.json)
  const seed = Number(values.seed)
  const count = (text: string | undefined): number | null => (text ? Number(text) : null)
  let isKept = values.keep
  try {
    const cases = await (TORTURES[name] as Torture)({
      ...{ folder, seed, print, isShort: values.short, cases: values.case ?? null },
      ...{ kills: count(kills), rows: count(rows), restarts: count(restarts) },
      steps: count(steps),
    })
    for (const { case: title, problems } of cases) {
      for (const problem of problems) print(`${title}: ${problem}`)
    }
    const isHeld = cases.every(({ problems }) => problems.length === 0)
    isKept ||= !isHeld
    if (!isHeld) print(`run again: npm run torture -- ${name} --seed ${seed}`)
    console.log(JSON.stringify({ name, seed, cases }))
    return isHeld ? 0 : 1
  } finally {
    if (isKept) print(`kept: ${folder}`)
    else rmSync(folder, { recursive: true, force: true })
  }
}

function printer(isJson: boolean): (line: string) => void {
  const startedAt = performance.now()
  return (line) => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)
    const text = `${seconds} s  ${line}`
    if (isJson) console.error(text)
    else console.log(text)
  }
}

process.exitCode = await main(process.argv.slice(2))
