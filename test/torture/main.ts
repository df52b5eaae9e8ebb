/**
 * `npm run torture -- postgres [--kills N] [--seed N] [--short] [--json]`: prints what it does; the
 * last
 * line is JSON with the cases; the exit code is 0 only when every case held. With --json nothing
 * else
 * is printed to standard output.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { LONG_SIZE, runPostgresTorture, SHORT_SIZE } from './postgres.ts'

const DEFAULT_KILLS = 50

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      kills: { type: 'string', default: String(DEFAULT_KILLS) },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
      short: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  })
  const [name] = positionals
  if (name !== 'postgres' || !/^\d+$/.test(values.kills) || !/^\d+$/.test(values.seed)) {
    console.error(
      'usage: npm run torture -- postgres [--kills N] [--seed N] [--short] [--json] [--keep]',
    )
    return 2
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-torture-'))
  const startedAt = performance.now()
  const print = (line: string): void => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)
    const text = `${seconds} s  ${line}`
    if (values.json) console.error(text)
    else console.log(text)
  }
  let isKept = values.keep
  try {
    const cases = await runPostgresTorture({
      folder,
      kills: Number(values.kills),
      seed: Number(values.seed),
      hasZombie: !values.short,
      size: values.short ? SHORT_SIZE : LONG_SIZE,
      print,
    })
    for (const { case: title, problems } of cases) {
      for (const problem of problems) print(`${title}: ${problem}`)
    }
    const isHeld = cases.every(({ problems }) => problems.length === 0)
    isKept ||= !isHeld
    if (!isHeld) print(`run again: npm run torture -- postgres --seed ${values.seed}`)
    console.log(JSON.stringify({ name: 'postgres', seed: Number(values.seed), cases }))
    return isHeld ? 0 : 1
  } finally {
    if (isKept) print(`kept: ${folder}`)
    else rmSync(folder, { recursive: true, force: true })
  }
}

process.exitCode = await main(process.argv.slice(2))
