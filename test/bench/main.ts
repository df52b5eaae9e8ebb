/**
 * `npm run bench -- ingest [--rows N] [--keys N] [--changes N] [--case NAME …] [--json] [--profile
 * FOLDER] [--folder FOLDER]`: prints what it does and a table; the last line is JSON with the
 * cases; the exit code is 0 only when every table held what it should. With --json nothing else is
 * printed to standard output.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { CASE_NAMES, type CaseName, tableLines } from './case-result.ts'
import { benchIngest } from './ingest.ts'

const USAGE = `usage: npm run bench -- ingest [--rows N] [--keys N] [--changes N] [--json]
  [--case ${CASE_NAMES.join('|')} …] [--profile FOLDER] [--folder FOLDER]`
const GIB = 1024 ** 3

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rows: { type: 'string', default: '3000000' },
      keys: { type: 'string', default: '5000000' },
      changes: { type: 'string', default: '1000000' },
      case: { type: 'string', multiple: true },
      json: { type: 'boolean', default: false },
      profile: { type: 'string' },
      folder: { type: 'string' },
    },
  })
  const { rows, keys, changes } = values
  const cases = values.case ?? CASE_NAMES
  const areCounts = [rows, keys, changes].every((value) => /^[1-9]\d*$/.test(value))
  if (positionals.join() !== 'ingest' || !areCounts || !cases.every(isCaseName)) {
    console.error(USAGE)
    return 2
  }
  const parent = values.folder ?? tmpdir()
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'sluice-bench-'))
  const startedMs = performance.now()
  const print = (line: string): void => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)
    const text = `${seconds} s  ${line}`
    if (values.json) console.error(text)
    else console.log(text)
  }
  print(`${availableParallelism()} cores, ${(totalmem() / GIB).toFixed(0)} GiB of memory`)
  try {
    const results = await benchIngest({
      folder,
      cases,
      rows: Number(rows),
      largeKeys: Number(keys),
      changes: Number(changes),
      profileFolder: values.profile === undefined ? null : resolve(values.profile),
      print,
    })
    if (!values.json) console.log(['', ...tableLines(results), ''].join('\n'))
    console.log(JSON.stringify({ name: 'ingest', cases: results }))
    return results.every((result) => result.wrong.length === 0) ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function isCaseName(name: string): name is CaseName {
  return CASE_NAMES.some((known) => known === name)
}

process.exitCode = await main(process.argv.slice(2))
