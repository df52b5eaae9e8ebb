import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseDocument } from '../support/cli/documents.ts'
import { createProcesses, type Ended } from '../support/cli/process.ts'

let folder = ''
let input = ''
const processes = createProcesses()

const COLUMNS = 'columns: { id: bigint, amount: double, note: text }'

function configure(policy: string, columns = COLUMNS): void {
  writeFileSync(
    join(folder, 'sluice.yaml'),
    `apiVersion: v1
store: { url: ./lake }
sources:
  landing:
    files: { path: ./in, stream: orders, ${columns} }
pipelines:
  - name: orders
    from: landing
    tables: [orders]
    to: { key: [id] }
    ${policy}
`,
  )
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-'))
  mkdirSync(join(folder, 'in'))
  input = join(folder, 'in', 'a.ndjson')
})

afterEach(async () => {
  await processes.killAll()
  rmSync(folder, { recursive: true, force: true })
})

const run = (...args: readonly string[]): Promise<Ended> => processes.start(folder, args).ended

async function rows(statement: string): Promise<unknown> {
  const { stdout, stderr } = await run('sql', '--json', statement)
  if (stdout === '') throw new Error(stderr)
  return parseDocument('sql', stdout).rows
}

const BAD = Buffer.concat([
  Buffer.from('\n{"id":2,"amount":"much"}\n'),
  Buffer.from('{"id":3,"note":"'),
  Buffer.of(0xff, 0xfe),
  Buffer.from('"}\n\n12\n{"id":4,"note":"'),
  Buffer.alloc(17 * 1024 * 1024, 'x'),
  Buffer.from('"}\n{"amount":1}\n{"id":5,"x":'),
  Buffer.from(`${'['.repeat(200_000)}${']'.repeat(200_000)}}\n{"id":1,"amount":2}\n`),
])

test('stops before a bad record and says where it stands and what is wrong with it', async () => {
  configure('onError: stop')
  writeFileSync(input, '{"id":1,"amount":1}\n{"id":2,"amount":"much"}\n')
  const ended = await run('run', '--once')
  expect(ended.code).toBe(65)
  expect(ended.stderr).toContain('SLU-ING-4003')
  expect(ended.stderr).toContain('mistyped: column amount, value much')
})

test('keeps what it rejects with its bytes, lists and shows it, and goes on', async () => {
  configure('onError: dlq')
  writeFileSync(input, '{"id":1,"amount":1}\n')
  appendFileSync(input, BAD)
  const ended = await run('run', '--once', '--json')
  expect(ended.stderr).not.toContain('SLU-')
  expect(ended.code).toBe(0)
  expect(await rows('select id, amount from orders')).toEqual([[1, 2]])

  const found = parseDocument('dlq-show', (await run('dlq', 'show', 'orders', '--json')).stdout)
  const records = found.records.toReversed()
  expect(records.map(({ code, line, position }) => [code, line, position])).toEqual([
    ['mistyped', 3, '1'],
    ['invalid-utf8', 4, '2'],
    ['not-an-object', 6, '3'],
    ['too-long', 7, '4'],
    ['missing-key', 8, '5'],
    ['too-deep', 9, '6'],
  ])
  const bytes = records.map(({ rawBase64 }) => Buffer.from(rawBase64, 'base64'))
  expect(bytes[0]?.toString()).toBe('{"id":2,"amount":"much"}')
  expect(bytes[1]).toEqual(
    Buffer.concat([Buffer.from('{"id":3,"note":"'), Buffer.of(0xff, 0xfe), Buffer.from('"}')]),
  )
  expect(bytes[3]?.length).toBe(64 * 1024)

  const listed = parseDocument('dlq-ls', (await run('dlq', 'ls', '--json')).stdout)
  expect(listed.groups.map(({ code, count }) => [code, count])).toContainEqual(['mistyped', 1])
  for (const verb of ['ls', 'show'] as const) {
    const by = async (name: string) => (await run('dlq', verb, name, '--json')).stdout
    expect(parseDocument(`dlq-${verb}`, await by('orders__dlq'))).toEqual(
      parseDocument(`dlq-${verb}`, await by('orders')),
    )
  }
  expect(await rows('select count(*) from orders__dlq')).toEqual([[6]])
  const commit = parseDocument('commit', (await run('commit', 'orders', '1', '--json')).stdout)
  expect(commit.commit.accounting).toMatchObject({ read: 8, rejected: 6 })
})

test('stops at the ceiling and keeps nothing of what goes beyond it', async () => {
  configure('onError: dlq\n    dlq: { stopAfter: 5/h }')
  writeFileSync(input, '{"id":1,"amount":1}\n')
  appendFileSync(input, '{"id":"x"}\n'.repeat(6))
  const ended = await run('run', '--once')
  expect(ended.code).toBe(65)
  expect(ended.stderr).toContain('SLU-ING-4030')
  expect(ended.stderr).toContain('6 records of orders were rejected; 5 in 1h 00m may be')
  expect(parseDocument('dlq-ls', (await run('dlq', 'ls', '--json')).stdout).groups).toEqual([])
})

test('rejects every record of a large batch, and counts what it skips', async () => {
  configure('onError: skip\n    dlq: { stopAfter: none }')
  writeFileSync(input, '{"id":"x","amount":1}\n'.repeat(200_000))
  const ended = await run('run', '--once')
  expect(ended.code).toBe(0)
  const { commits } = parseDocument('timeline', (await run('timeline', 'orders', '--json')).stdout)
  const rejected = commits.reduce((sum, { accounting }) => sum + (accounting?.rejected ?? 0), 0)
  expect(rejected).toBe(200_000)
})

const DECIMALS = `{"id":1,"price":1.50}
{"id":2,"price":12345.678}
{"id":3,"price":"12345.678"}
{"id":4,"price":12345.6700000000000000001}
{"id":5,"price":1234567890.5}
{"id":6,"price":1e-2}
{"id":7,"price":12345678.900000000000000000}
`

test('rejects decimals that their column would round, and stops at them', async () => {
  const columns = "columns: { id: bigint, price: 'decimal(10,2)' }"
  configure('onError: stop', columns)
  writeFileSync(input, DECIMALS)
  const stopped = await run('run', '--once')
  expect(stopped.stderr).toContain('SLU-ING-4003')
  expect(stopped.stderr).toContain('lossy-number: column price, value 12345.678')
  configure('onError: dlq', columns)
  expect((await run('run', '--once')).code).toBe(0)
  const kept = [
    [1, '1.50'],
    [6, '0.01'],
    [7, '12345678.90'],
  ]
  expect(await rows('select id, price from orders order by id')).toEqual(kept)
  const found = parseDocument('dlq-show', (await run('dlq', 'show', 'orders', '--json')).stdout)
  expect(found.records.toReversed().map(({ code, line }) => [code, line])).toEqual([
    ['lossy-number', 2],
    ['lossy-number', 3],
    ['lossy-number', 4],
    ['out-of-range', 5],
  ])
})

test('stops at a line that is nested too deep, and names it', async () => {
  configure('onError: stop')
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  writeFileSync(input, `{"id":1,"amount":1}\n{"id":2,"note":${deep}}\n`)
  const ended = await run('run', '--once')
  expect(ended.code).toBe(65)
  expect(ended.stderr).toContain('SLU-SRC-1412')
  expect(ended.stderr).toContain('Line 2 of a.ndjson')
  configure('onError: skip')
  expect((await run('run', '--once')).code).toBe(0)
  expect(await rows('select id from orders')).toEqual([[1]])
})
