/**
 * `npm run bench -- ingest [--rows N] [--keys N] [--changes N] [--case NAME …]`,
 * `npm run bench -- files [--rows N] [--files N]`, `npm run bench -- open [--files N]`,
 * `npm run bench -- index [--keys N] [--memory SIZE]` and `npm run bench -- kafka [--records N]`,
 * all with [--json] [--folder FOLDER], all but `index` with [--profile FOLDER]:
 * prints what it does and a table; the last line is JSON with the cases; the exit code is 0 only
 * when every table held what it should. With --json nothing else is printed to standard output.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parseSizeBytes } from '../../src/model/index.ts'
import { CASE_NAMES, type CaseName, tableLines } from './case-result.ts'
import { benchFiles } from './files.ts'
import { benchIngest } from './ingest.ts'
import { benchKafka, kafkaLines } from './kafka.ts'
import { benchKeyIndex, indexLines } from './key-index.ts'
import { benchOpen, openLines } from './open.ts'

const USAGE = `usage: npm run bench -- ingest [--rows N] [--keys N] [--changes N]
         [--case ${CASE_NAMES.join('|')} …]
       npm run bench -- files [--rows N] [--files N]
       npm run bench -- open [--files N]
       npm run bench -- index [--keys N] [--memory SIZE]
       npm run bench -- kafka [--records N]
all:   [--json] [--folder FOLDER]; all but index: [--profile FOLDER]`
const GIB = 1024 ** 3

const OPTIONS = {
  rows: { type: 'string', default: '3000000' },
  keys: { type: 'string', default: '5000000' },
  changes: { type: 'string', default: '1000000' },
  files: { type: 'string', default: '1000000' },
  records: { type: 'string', default: '2000000' },
  memory: { type: 'string', default: '64MiB' },
  case: { type: 'string', multiple: true },
  json: { type: 'boolean', default: false },
  profile: { type: 'string' },
  folder: { type: 'string' },
} as const

/** What a bench came to. */
interface BenchEnd {
  readonly cases: readonly { readonly wrong: readonly string[] }[]
  readonly lines: readonly string[]
}

/** What every bench is given. */
interface BenchContext {
  readonly folder: string
  readonly profileFolder: string | null
  readonly print: (line: string) => void
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: OPTIONS,
  })
  const { rows, keys, changes, files, records } = values
  const cases = values.case ?? CASE_NAMES
  const areCounts = [rows, keys, changes, files, records].every((value) => /^[1-9]\d*$/.test(value))
  const memoryBytes = parseSizeBytes(values.memory)
  const benches: Readonly<Record<string, (context: BenchContext) => Promise<BenchEnd>>> = {
    ingest: async (context) => {
      const results = await benchIngest({
        ...context,
        cases: cases.filter(isCaseName),
        rows: Number(rows),
        largeKeys: Number(keys),
        changes: Number(changes),
      })
      return { cases: results, lines: tableLines(results) }
    },
    files: async (context) => {
      const request = { ...context, rows: Number(rows), files: Number(files) }
      const results = await benchFiles(request)
      return { cases: results, lines: tableLines(results) }
    },
    open: async (context) => {
      const results = await benchOpen({ ...context, files: Number(files) })
      return { cases: results, lines: openLines(results) }
    },
    index: async (context) => {
      const request = { ...context, keys: Number(keys), diskMemoryBytes: memoryBytes ?? 0 }
      const results = await benchKeyIndex(request)
      return { cases: results, lines: indexLines(results) }
    },
    kafka: async (context) => {
      const results = await benchKafka({ ...context, records: Number(records) })
      return { cases: results, lines: kafkaLines(results) }
    },
  }
  const name = positionals.join()
  const bench = benches[name]
  if (bench === undefined || !areCounts || memoryBytes === null || !cases.every(isCaseName)) {
    console.error(USAGE)
    return 2
  }
  const parent = values.folder ?? tmpdir()
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'sluice-bench-'))
  const print = printer(values.json ? console.error : console.log)
  print(`${availableParallelism()} cores, ${(totalmem() / GIB).toFixed(0)} GiB of memory`)
  try {
    const profileFolder = values.profile === undefined ? null : resolve(values.profile)
    const end = await bench({ folder, profileFolder, print })
    if (!values.json) console.log(['', ...end.lines, ''].join('\n'))
    console.log(JSON.stringify({ name, cases: end.cases }))
    return end.cases.every(({ wrong }) => wrong.length === 0) ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Prints lines with the time since the start. */
function printer(write: (text: string) => void): (line: string) => void {
  const startedMs = performance.now()
  return (line) => {
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6)
    write(`${seconds} s  ${line}`)
  }
}

function isCaseName(name: string): name is CaseName {
  return CASE_NAMES.some((known) => known === name)
}

process.exitCode = await main(process.argv.slice(2))
