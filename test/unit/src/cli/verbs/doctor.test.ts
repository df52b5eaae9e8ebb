import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseDocument } from '../../../../support/cli/documents.ts'
import { runInFolder } from '../../../../support/cli/host.ts'

const CONFIG = `apiVersion: v1
store: { url: ./lake }
sources:
  landing: { files: { path: ./in, stream: orders } }
  log: { files: { path: ./log, stream: events } }
pipelines:
  - { name: orders, from: landing, tables: [orders], to: { key: [id] } }
  - { name: events, from: log, tables: [events] }
`

let folder = ''
const sluice = (...args: readonly string[]) => runInFolder(folder, args)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-doctor-'))
  writeFileSync(join(folder, 'sluice.yaml'), CONFIG)
  for (const name of ['in', 'log']) mkdirSync(join(folder, name))
  appendFileSync(join(folder, 'in', 'a.ndjson'), '{"id":1}\n{"id":2}\n')
  appendFileSync(join(folder, 'log', 'a.ndjson'), '{"n":1}\n')
  expect((await sluice('run', 'orders', '--once')).exitCode).toBe(0)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function statuses(...args: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const { checks } = parseDocument('doctor', (await sluice('doctor', '--json', ...args)).stdout)
  return Object.fromEntries(
    checks.map(({ subject, name, status }) => [`${subject}: ${name}`, status]),
  )
}

test('looks at the machine, all that check looks at, and the tables', async () => {
  const { checks } = parseDocument('check', (await sluice('check', '--json')).stdout)
  const all = await statuses()
  expect(all).toMatchObject(
    Object.fromEntries(checks.map(({ subject, name, status }) => [`${subject}: ${name}`, status])),
  )
  expect(Object.keys(all)).toEqual(expect.arrayContaining(['machine: memory', 'store: listing']))
  expect(all).toMatchObject({
    'table orders: protocol': 'ok',
    'table orders: writers': 'ok',
    'table orders: files': 'ok',
    'table events: protocol': 'ok',
  })
})

test('looks at one pipeline and its tables when told', async () => {
  const subjects = new Set(Object.keys(await statuses('events')).map((key) => key.split(':')[0]))
  expect(subjects).toEqual(new Set(['machine', 'store', 'events', 'table events']))
})

test('fails for a source that cannot be reached, and says what to run', async () => {
  renameSync(join(folder, 'log'), join(folder, 'away'))
  const broken = await sluice('doctor')
  renameSync(join(folder, 'away'), join(folder, 'log'))
  expect(broken.exitCode).not.toBe(0)
  expect(broken.stdout).toMatch(/^fail +events +folder /m)
  expect(broken.stdout).toMatch(/\nfail {2}events, folder:\n {2}\S/)
})

test('names who else has written to a table, and every one that cannot be read', async () => {
  const log = join(folder, 'lake', 'orders', '_delta_log')
  const last = readdirSync(log).filter((name) => name.endsWith('.json')).length
  const entry = (version: number): string => join(log, `${String(version).padStart(20, '0')}.json`)
  const time = 4_102_444_800_000
  const commitInfo = { timestamp: time, inCommitTimestamp: time, operation: 'OPTIMIZE' }
  writeFileSync(
    entry(last),
    `${JSON.stringify({ commitInfo: { ...commitInfo, engineInfo: 'other' } })}\n`,
  )
  const { exitCode, stdout } = await sluice('doctor')
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/^warn +table orders +writers +1 of the last .* \(other\).*OPTIMIZE/m)

  writeFileSync(entry(last + 1), 'no log\n')
  const damaged = await sluice('doctor')
  expect(damaged.exitCode).toBe(65)
  expect(damaged.stdout).toMatch(/^fail +table orders +protocol +SLU-TAB-/m)
})
