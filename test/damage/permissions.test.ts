/**
 * A store, a table or a work folder without the rights they need: reading and ingesting end in a
 * code, a cause, a remedy and the documented exit code; with the rights back, everything is there.
 */

import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { CliResult } from '../support/cli/host.ts'
import { giveAway, runSteps, type Step } from '../support/damage/as-nobody.ts'

const CONFIG = `apiVersion: v1
store: { url: ./lake }
sources:
  landing: { files: { path: ./in, stream: orders } }
pipelines:
  - name: orders
    from: landing
    tables: [orders]
    to: { key: [id] }
`
const SQL = ['sql', '--json', 'select count(*), count(distinct id), max(value) from orders']
const RUN = ['run', '--once', '--json']
const ROWS_BEFORE = '[30,30,29]'
const ROWS_AFTER = '[30,30,59]'

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => from + index)
    .map((value) => `${JSON.stringify({ id: value % 30, value })}\n`)
    .join('')

/** What it is · the paths · their rights · the command · the code · what the message names. */
type Case = readonly [string, RegExp, number, readonly string[], string, RegExp]

const CASES: readonly Case[] = [
  [
    'reading without its data file',
    /orders\/part-[^/]*$/,
    0,
    SQL,
    'SLU-STO-2007',
    /part-.*parquet/,
  ],
  ['ingesting without its data file', /orders\/part-/, 0, RUN, 'SLU-STO-2007', /part-.*parquet/],
  ['reading without a log entry', /0001\.json$/, 0, SQL, 'SLU-STO-2007', /0001\.json/],
  ['ingesting without a log entry', /0001\.json$/, 0, RUN, 'SLU-STO-2007', /0001\.json/],
  ['reading without the log', /_delta_log$/, 0, SQL, 'SLU-STO-2007', /_delta_log/],
  ['reading without a list of the log', /_delta_log$/, 0o111, SQL, 'SLU-STO-2007', /_delta_log/],
  ['reading without the table', /lake\/orders$/, 0, SQL, 'SLU-STO-2007', /lake\/orders/],
  ['ingesting without the table', /lake\/orders$/, 0, RUN, 'SLU-STO-2007', /lake\/orders/],
  ['reading without the store', /^lake$/, 0, SQL, 'SLU-STO-2007', /lake/],
  ['ingesting without the store', /^lake$/, 0, RUN, 'SLU-STO-2001', /lake/],
  [
    'ingesting into a read-only table',
    /lake\/orders$/,
    0o555,
    RUN,
    'SLU-STO-2001',
    /orders\/part-/,
  ],
  ['ingesting into a read-only log', /_delta_log$/, 0o555, RUN, 'SLU-STO-2001', /0002\.json/],
  ['ingesting into a read-only store', /^lake(\/|$)/, 0o555, RUN, 'SLU-STO-2001', /lake/],
  ['ingesting without a work folder', /^work$/, 0, RUN, 'SLU-STO-2001', /work folder .*work/],
  [
    'ingesting with a read-only work folder',
    /^work\/pip[^/]*\/[^/]*$/,
    0o555,
    RUN,
    'SLU-STO-2001',
    /work folder .*work/,
  ],
]

let original: string
const endings = new Map<string, readonly CliResult[]>()
const folders: string[] = []

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-permissions-'))
  folders.push(folder)
  return folder
}

/** Takes the rights of a copy away, runs, gives them back, and lets the pipeline go on. */
function stepsOf([, paths, mode, args]: Case): Step[] {
  const folder = newFolder()
  cpSync(original, folder, { recursive: true })
  writeFileSync(join(folder, 'in/b.ndjson'), lines(30, 60))
  giveAway(folder)
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    paths.test(name),
  )
  if (names.length === 0) throw new Error(`nothing is named like ${paths}`)
  const set = (to: number) => (name: string) => ({ path: join(folder, name), mode: to })
  // Parents last when they close, first when they open again.
  const closing = names.toSorted().toReversed().map(set(mode))
  const opening = names.toSorted().map(set(0o755))
  const run = (command: readonly string[]): Step => ({ folder, args: command })
  const goesOn = args === RUN ? [run(RUN)] : []
  return [...closing, run(args), ...opening, ...goesOn, run(SQL)]
}

beforeAll(async () => {
  original = newFolder()
  mkdirSync(join(original, 'in'))
  writeFileSync(
    join(original, 'sluice.yaml'),
    CONFIG.replace('store:', 'workFolder: ./work\nstore:'),
  )
  writeFileSync(join(original, 'in/a.ndjson'), lines(0, 30))
  giveAway(original)
  const [first] = await runSteps([{ folder: original, args: RUN }])
  expect(first).toMatchObject({ exitCode: 0 })
  const results = [...(await runSteps(CASES.flatMap(stepsOf)))]
  for (const [name, , , args] of CASES) endings.set(name, results.splice(0, args === RUN ? 3 : 2))
})

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

interface Told {
  readonly code: string
  readonly message: string
  readonly remedy: string
}

/** The error of a command, wherever its document has it. */
function errorOf({ stdout, stderr }: CliResult): Told {
  const told = JSON.parse(stdout || stderr.slice(stderr.indexOf('{\n'))) as {
    error?: Told
    pipelines?: readonly { error: Told }[]
  }
  return (told.error ?? told.pipelines?.[0]?.error) as Told
}

it.each(CASES)('%s ends in a code; nothing is lost', (name, _paths, _mode, args, code, named) => {
  const [failed, ...after] = endings.get(name) as [CliResult, ...CliResult[]]
  expect(errorOf(failed)).toMatchObject({
    code,
    message: expect.stringMatching(named),
    remedy: expect.stringContaining('Give the user that runs Sluice'),
  })
  expect(failed.exitCode).toBe(4)
  const [resumed, read] = args === RUN ? after : [null, ...after]
  expect(read?.stdout).toContain(resumed === null ? ROWS_BEFORE : ROWS_AFTER)
  if (resumed == null) return
  const { pipelines } = JSON.parse(resumed.stdout) as { pipelines: object[] }
  expect(pipelines).toMatchObject([{ end: 'source-ended', error: null, recordsRead: 30 }])
})
