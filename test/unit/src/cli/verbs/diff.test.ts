import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseDocument } from '../../../../support/cli/documents.ts'
import { createOrdersLake, type OrdersLake } from '../../../../support/cli/orders-lake.ts'

let lake: OrdersLake

beforeAll(async () => {
  lake = await createOrdersLake()
})

afterAll(() => lake[Symbol.dispose]())

const diff = async (...args: readonly string[]) =>
  parseDocument('diff', (await lake.sluice('diff', ...args, '--json')).stdout)

test('tells what became of the rows of a version', async () => {
  expect(await diff('orders', '1', '3')).toMatchObject({
    table: 'orders',
    from: '1',
    to: '3',
    schema: [{ kind: 'added', column: 'size' }],
    inserted: '1',
    updated: '1',
    deleted: '1',
    updatedColumns: { name: '1' },
    truncated: false,
    rows: [
      {
        kind: 'update',
        key: { shop: 'a', id: 1 },
        before: { name: 'one' },
        after: { name: 'ONE' },
      },
      { kind: 'delete', key: { shop: 'a', id: 2 }, before: { name: 'two' }, after: null },
      { kind: 'insert', key: { shop: 'b', id: 7 }, before: null, after: { size: 5 } },
    ],
  })
})

test('goes backwards too', async () => {
  const { rows, schema } = await diff('orders', '3', '1')
  expect(rows.map(({ kind }) => kind)).toEqual(['update', 'insert', 'delete'])
  expect(schema).toMatchObject([{ kind: 'dropped', column: 'size' }])
})

test('a row that came and went in between is no difference', async () => {
  expect(await diff('orders', '2', '4')).toMatchObject({ inserted: '0', deleted: '0', rows: [] })
})

test('shows tables without key as rows that came', async () => {
  expect(await diff('events', '1', '2')).toMatchObject({
    inserted: '2',
    rows: [
      { kind: 'insert', key: {}, after: { n: 2 } },
      { kind: 'insert', after: { n: 3 } },
    ],
  })
})

test('prints one line a column, and counts first', async () => {
  const { exitCode, stdout, stderr } = await lake.sluice('diff', 'orders', '1', '3')
  expect([exitCode, stderr]).toEqual([0, ''])
  expect(stdout).toBe(`orders: version 1 → 3
+ size long
+ 1 inserted  ~ 1 updated  - 1 deleted
  updated rows by column: name 1

   shop  id  what changed
─  ────  ──  ─────────────────────────────────
~  a     1   name one → ONE
-  a     2   name = two, op = put, size = NULL
+  b     7   name = seven, op = put, size = 5
`)
})

test('prints as many rows as --limit says, none with --summary', async () => {
  const limited = await lake.sluice('diff', 'orders', '1', '3', '--limit', '1')
  expect(limited.stderr).toBe('… 1 of 3 rows: --limit 3\n')
  const summary = await lake.sluice('diff', 'orders', '1', '3', '--summary')
  expect(summary.stderr).toBe('')
  expect(summary.stdout).not.toContain('what changed')
  expect(await diff('orders', '1', '3', '--summary')).toMatchObject({ rows: [], truncated: true })
})

test('--schema compares columns alone, --exit-code tells', async () => {
  const columns = await lake.sluice('diff', 'orders', '1', '3', '--schema', '--exit-code')
  expect(columns).toEqual({
    exitCode: 10,
    stdout: 'orders: version 1 → 3\n+ size long\n',
    stderr: '',
  })
  const none = await lake.sluice('diff', 'orders', '1', '2', '--schema', '--exit-code')
  expect(none).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('are the same') })
  const rows = await lake.sluice('diff', 'orders', '1', '2', '--exit-code')
  expect(rows.exitCode).toBe(10)
  expect((await lake.sluice('diff', 'orders', '2', '2', '--exit-code')).exitCode).toBe(0)
})

test('takes times, and refuses what is neither', async () => {
  const { commits } = parseDocument(
    'timeline',
    (await lake.sluice('timeline', 'orders', '--json')).stdout,
  )
  const times = commits.toReversed().map(({ time }) => time ?? '')
  expect(await diff('orders', times[1] ?? '', times[3] ?? '')).toMatchObject({ from: '1', to: '3' })
  expect(await lake.sluice('diff', 'orders', '1', 'now')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('SLU-CLI-8001'),
  })
  expect(await lake.sluice('diff', 'orders', '1', '99')).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining('SLU-TAB-3003'),
  })
})
