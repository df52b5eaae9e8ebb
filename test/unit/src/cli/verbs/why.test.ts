import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseDocument } from '../../../../support/cli/documents.ts'
import { createOrdersLake, type OrdersLake } from '../../../../support/cli/orders-lake.ts'

let lake: OrdersLake

beforeAll(async () => {
  lake = await createOrdersLake()
})

afterAll(() => lake[Symbol.dispose]())

const why = async (...args: readonly string[]) =>
  parseDocument('why', (await lake.sluice('why', 'orders', ...args, '--json')).stdout)

test('tells the commits, positions and columns of a row that was updated', async () => {
  const told = await why('shop=a,id=1')
  expect(told).toMatchObject({ key: { shop: 'a', id: '1' }, version: '4', end: 'beginning' })
  expect(told.live).toMatchObject([{ position: '4', values: { shop: 'a', id: 1, name: 'ONE' } }])
  expect(told.events).toMatchObject([
    {
      version: '2',
      op: 'update',
      writer: 'sluice',
      pipeline: 'orders',
      fromPosition: '4',
      toPosition: '6',
      changed: ['name'],
      before: { split: 'folder', position: '0', values: { name: 'one' } },
      after: { split: 'folder', position: '4', values: { name: 'ONE' } },
    },
    { version: '1', op: 'insert', before: null, after: { position: '0', positionText: '0' } },
  ])
  expect(told.events[0]?.after?.file).toMatch(/^shop=a\/part-.*\.parquet$/)
})

test('tells of a row that was deleted, with columns that came later', async () => {
  const told = await why('{"id":7,"shop":"b"}')
  expect(told.live).toEqual([])
  expect(told.events).toMatchObject([
    { version: '4', op: 'delete', after: null, before: { values: { size: 5 } } },
    { version: '3', op: 'insert' },
  ])
  const { stdout } = await lake.sluice('why', 'orders', 'shop=b,id=7')
  expect(stdout).toContain('orders has no such row at version 4')
  expect(stdout).toMatch(/4 {2}.* delete {2}folder {2}7 \.\. 8 {4}the row was deleted/)
})

test('prints before and after, one line a column', async () => {
  const { exitCode, stdout, stderr } = await lake.sluice('why', 'orders', 'shop=a,id=1')
  expect([exitCode, stderr]).toEqual([0, ''])
  expect(stdout).toContain('name one → ONE')
  expect(stdout).toMatch(/ 1 {2}.* insert {2}folder {2}0 {9}shop = a/)
  expect(stdout).toContain('now, at version 4: shop = a, id = 1, name = ONE, op = put, size = NULL')
})

test('stops at --limit and --since, and says so', async () => {
  const limited = await why('shop=a,id=1', '--limit', '1')
  expect(limited).toMatchObject({ end: 'limit', oldestVersion: '2' })
  expect(limited.events).toHaveLength(1)
  const since = await why('shop=a,id=1', '--since', '2')
  expect(since).toMatchObject({ end: 'since', oldestVersion: '2', events: [{ version: '2' }] })
  expect(await why('shop=a,id=1', '--since', '2100-01-01')).toMatchObject({
    end: 'since',
    events: [],
    live: [{ values: { id: 1 } }],
  })
  const { stderr } = await lake.sluice('why', 'orders', 'shop=a,id=1', '--since', '2')
  expect(stderr).toBe('… nothing before version 2 was looked at: --since\n')
})

test.each([
  [['why', 'orders', 'shop=a,id=99'], 3, 'SLU-CLI-8008', 'orders has no row shop = a, id = 99'],
  [['why', 'orders', 'shop=a,id=7', '--since', '4'], 3, 'SLU-CLI-8008', 'had none from version 4'],
  [['why', 'events', '1'], 2, 'SLU-CLI-8009', 'events has no key'],
  [['why', 'orders', 'shop=a,id=x'], 2, 'SLU-SQL-6007', '"x" is no value of the key column id'],
  [['why', 'orders', 'shop=a,id=1.5'], 2, 'SLU-SQL-6007', '"1.5" is no value of the key column'],
  [['why', 'orders', '5'], 2, 'SLU-CLI-8001', 'does not begin with a key column'],
  [['why', 'orders', 'shop=a,id=1', '--since', 'soon'], 2, 'SLU-CLI-8001', '--since must be'],
  [['why', 'nothing', '1'], 3, 'SLU-CLI-8002', 'there is no table "nothing"'],
])('%j is refused', async (args, exitCode, code, message) => {
  const result = await lake.sluice(...args)
  expect(result.exitCode).toBe(exitCode)
  expect(result.stderr).toContain(code)
  expect(result.stderr).toContain(message)
})
