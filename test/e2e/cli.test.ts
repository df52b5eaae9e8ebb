import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseDocument } from '../support/cli/documents.ts'
import { type CliProcess, createProcesses, type Ended } from '../support/cli/process.ts'

const CONFIG = `apiVersion: v1
store: { url: ./lake }
sources:
  landing: { files: { path: ./in, stream: orders, follow: true, pollIntervalMs: 20 } }
pipelines:
  - name: orders
    from: landing
    tables: [orders]
    commit: { every: 100ms }
    to: { key: [id] }
`

let folder = ''
let input = ''
const processes = createProcesses()

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-'))
  mkdirSync(join(folder, 'in'))
  input = join(folder, 'in', 'a.ndjson')
  writeFileSync(join(folder, 'sluice.yaml'), CONFIG)
})

afterEach(async () => {
  await processes.killAll()
  rmSync(folder, { recursive: true, force: true })
})

const start = (args: readonly string[], variables?: Readonly<Record<string, string>>): CliProcess =>
  processes.start(folder, args, variables)
const run = (...args: readonly string[]): Promise<Ended> => start(args).ended

function append(from: number, to: number, value: string): void {
  const ids = Array.from({ length: to - from }, (_, index) => from + index)
  appendFileSync(input, ids.map((id) => `${JSON.stringify({ id, value })}\n`).join(''))
}

async function count(): Promise<unknown> {
  const { stdout } = await run('sql', '--json', 'select count(*), count(distinct id) from orders')
  return parseDocument('sql', stdout).rows[0]
}

test('catches up, follows, drains on SIGTERM and goes on where it was', async () => {
  append(0, 100, 'first')
  const once1 = await run('run', '--once', '--json')
  expect(once1.code).toBe(0)
  expect(parseDocument('run', once1.stdout).pipelines).toMatchObject([
    { end: 'drained', recordsRead: 100, splits: [{ split: 'folder', floorPosition: '100' }] },
  ])

  const live = start(['run'])
  const feed = start(['changes', 'orders', '--from', 'beginning', '--follow', '--ndjson'])
  append(100, 150, 'second')
  const seen: number[] = []
  while (seen.length < 150) {
    const line = await feed.nextLine()
    if (line === null) break
    seen.push((JSON.parse(line) as { id: number }).id)
  }
  expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 150 }, (_, id) => id))

  const status = parseDocument('status', (await run('status', '--json')).stdout)
  expect(status.pipelines[0]).toMatchObject({ running: true, processId: live.child.pid })

  append(150, 160, 'third')
  live.child.kill('SIGTERM')
  expect(await live.ended).toMatchObject({ code: 0, signal: null })
  feed.child.kill('SIGINT')
  expect(await feed.ended).toMatchObject({ code: 0, signal: null })

  expect((await run('run', '--once')).code).toBe(0)
  expect(await count()).toEqual([160, 160])
  const after = parseDocument('status', (await run('status', '--json')).stdout)
  expect(after.pipelines[0]).toMatchObject({ state: 'stopped', running: false, processId: null })
})

test('goes on after a kill at a failpoint without losing or doubling a row', async () => {
  append(0, 100, 'first')
  const variables = { SLUICE_FAILPOINT: 'after-conditional-put:2' }
  expect(await start(['run'], variables).ended).toMatchObject({ signal: 'SIGKILL' })
  const dead = parseDocument('status', (await run('status', '--json')).stdout)
  expect(dead.pipelines[0]).toMatchObject({ state: 'stopped (killed)', running: false })
  append(50, 120, 'second')
  expect((await run('run', '--once')).code).toBe(0)
  expect(await count()).toEqual([120, 120])
})

test('names the known failpoints when one is mistyped', async () => {
  const { code, stderr } = await start(['run'], { SLUICE_FAILPOINT: 'nope' }).ended
  expect(code).toBe(2)
  expect(stderr).toContain('before-commit')
})

test('fences one of two instances; the other one loses nothing', async () => {
  append(0, 10, 'first')
  expect((await run('run', '--once')).code).toBe(0)
  const both = [start(['run']), start(['run'])]
  await Promise.all(both.map((process) => process.says('table opened')))
  append(10, 60, 'second')
  const loser = await Promise.race(both.map(({ ended }) => ended))
  expect(loser).toMatchObject({ code: 5, stderr: expect.stringContaining('SLU-ING-4001') })
  for (const { child } of both) child.kill('SIGTERM')
  const ends = await Promise.all(both.map(({ ended }) => ended))
  expect(ends.map(({ code }) => code).toSorted()).toEqual([0, 5])
  expect((await run('run', '--once')).code).toBe(0)
  expect(await count()).toEqual([60, 60])
})

test('ends quietly when the reader of its output goes away', async () => {
  append(0, 1, 'first')
  await run('run', '--once')
  const query = start(['sql', '--format', 'csv', 'select range as n from range(5000000)'])
  expect(await query.nextLine()).toBe('n')
  query.child.stdout?.destroy()
  const { code, stderr } = await query.ended
  expect([code, stderr]).toEqual([0, ''])
})

test('takes its configuration from SLUICE_CONFIG', async () => {
  append(0, 1, 'first')
  writeFileSync(join(folder, 'other.yaml'), CONFIG.replace('./lake', './elsewhere'))
  const variables = { SLUICE_CONFIG: join(folder, 'other.yaml') }
  const { stdout } = await start(['tables', '--json'], variables).ended
  expect(parseDocument('tables', stdout).store).toContain('/elsewhere')
})

test('writes log lines as JSON where nobody watches', async () => {
  append(0, 5, 'first')
  const { stderr } = await run('run', '--once', '-v')
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'))
  expect(lines.length).toBeGreaterThan(0)
  for (const line of lines) {
    expect(JSON.parse(line)).toMatchObject({ time: expect.any(String), level: expect.any(String) })
  }
})
