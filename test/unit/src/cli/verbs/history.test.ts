import { afterAll, beforeAll, expect, test } from 'vitest'
import { keptNotes } from '../../../../../src/cli/verbs/history.ts'
import type { TimelineEntry } from '../../../../../src/model/index.ts'
import { parseDocument } from '../../../../support/cli/documents.ts'
import { createOrdersLake, type OrdersLake } from '../../../../support/cli/orders-lake.ts'

let lake: OrdersLake
beforeAll(async () => {
  lake = await createOrdersLake()
})
afterAll(() => lake[Symbol.dispose]())

test('tells which version added a column, and at which position', async () => {
  const { stdout } = await lake.sluice('history', 'orders', '--json')
  const { schemas, oldestVersion } = parseDocument('history', stdout)
  expect(oldestVersion).toBe('0')
  expect(schemas).toMatchObject([
    {
      version: '3',
      position: expect.stringMatching(/^\d+$/),
      columnCount: 7,
      differences: [{ kind: 'added', column: 'size', from: null, to: 'long' }],
    },
    { version: '0', columnCount: 6, differences: null },
  ])
})

test('draws one line a change, the first columns last', async () => {
  const { stdout, stderr } = await lake.sluice('history', 'orders')
  expect(stdout).toMatch(/\n +3 .* \+ size long\n/)
  expect(stdout).toContain('created: shop string, id long, name string')
  expect(stderr).toBe('')
})

test('stops at the limit and says so', async () => {
  const limited = await lake.sluice('history', 'orders', '--limit', '1')
  expect(limited.stdout).not.toContain('created')
  expect(limited.stderr).toContain('older ones: --limit 10')
})

test('tells changes of the stream that the table was told to keep out', () => {
  const change = { column: 'note', from: 'text', to: null, position: '9', fieldId: 3 }
  const schemaChanges = [
    { ...change, kind: 'drop', outcome: 'kept' },
    { ...change, kind: 'add', outcome: 'applied' },
  ]
  const entry = { commitInfo: { sluice: { schemaChanges } } } as unknown as TimelineEntry
  expect(keptNotes(entry)).toEqual(['= note: drop in the source, kept here'])
})
