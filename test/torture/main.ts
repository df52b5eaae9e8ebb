/**
 * `npm run torture -- postgres [--kills N] [--short]`: kills under a write load.
 * `npm run torture -- postgres-depth [--case NAME …] [--rows N]`: single cases, each to its depth.
 * Both: `[--seed N] [--json] [--keep]`. Prints what it does; the last line is JSON with the cases;
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

const DEFAULT_KILLS = 50
const DEFAULT_DEPTH_KILLS = 20
const DEFAULT_ROWS = 20_000_000

/** What a case of `postgres-depth` is given. */
interface DepthOptions {
  /** Empty folder of its own. */
  readonly folder: string
  readonly rows: number
  readonly kills: number
  readonly seed: number
  readonly print: (line: string) => void
}

/** Settings of the long form of `copyKills`. */
const COPY_KILLS = {
  checksVersions: false,
  tuning: ['memory: 192MiB', 'inFlight: 32MiB'],
  snapshot: '{ parallel: 2 }',
} as const

/** The cases of `postgres-depth`. */
const DEPTH_CASES: Readonly<Record<string, (options: DepthOptions) => Promise<TortureCase>>> = {
  bigTransaction: (options) =>
    runBigTransaction({ ...options, isKilled: false, decodingMemory: '64MB', tuning: [] }),
  copyKills: (options) => runCopyKills({ ...options, ...COPY_KILLS }),
}

const USAGE = `usage: npm run torture -- postgres [--kills N] [--short] [--seed N] [--json] [--keep]
       npm run torture -- postgres-depth [--case ${Object.keys(DEPTH_CASES).join('|')} …]
         [--rows N] [--kills N] [--seed N] [--json] [--keep]`

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      kills: { type: 'string' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
      rows: { type: 'string', default: String(DEFAULT_ROWS) },
      case: { type: 'string', multiple: true },
      short: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  })
  const [name] = positionals
  const names = values.case ?? Object.keys(DEPTH_CASES)
  const kills = values.kills ?? String(name === 'postgres' ? DEFAULT_KILLS : DEFAULT_DEPTH_KILLS)
  const areNumbers = [kills, values.seed, values.rows].every((text) => /^\d+$/.test(text))
  const isKnown = name === 'postgres' || name === 'postgres-depth'
  if (!isKnown || !areNumbers || !names.every((one) => Object.hasOwn(DEPTH_CASES, one))) {
    console.error(USAGE)
    return 2
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-torture-'))
  const print = printer(values.json)
  const seed = Number(values.seed)
  let isKept = values.keep
  try {
    const cases =
      name === 'postgres'
        ? await runPostgresTorture({
            folder,
            kills: Number(kills),
            seed,
            hasZombie: !values.short,
            size: values.short ? SHORT_SIZE : LONG_SIZE,
            print,
          })
        : await runDepth(names, {
            ...{ folder, seed, print },
            ...{ rows: Number(values.rows), kills: Number(kills) },
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

async function runDepth(
  names: readonly string[],
  options: DepthOptions,
): Promise<readonly TortureCase[]> {
  const cases: TortureCase[] = []
  for (const name of names) {
    const folder = mkdtempSync(path.join(options.folder, `${name}-`))
    const run = DEPTH_CASES[name] as (typeof DEPTH_CASES)[string]
    cases.push(await run({ ...options, folder }))
  }
  return cases
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
