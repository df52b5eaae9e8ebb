/**
 * A table whose log holds garbage for a cursor: whoever asks for the cursor is refused, so that no
 * pipeline takes the table for a new one; the rows stay readable.
 */

import { rmSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Snapshot, Table } from '../../src/contracts/index.ts'
import { type Lake, openLakeAt } from '../support/conformance/lake.ts'
import { copyTable, GOOD_ROWS, NEWEST, writeTable } from '../support/damage/damaged-table.ts'
import { readTable } from '../support/damage/read-table.ts'

const GOOD = {
  split: 'slot.1',
  splitNumber: 1,
  nextPosition: '42',
  phase: 'stream',
  identity: {},
  batchNumber: '7',
  sourceTimeMicros: null,
}

const GARBAGE: readonly (readonly [string, unknown])[] = [
  ['nothing', ''],
  ['no JSON', '{"split":'],
  ['null', 'null'],
  ['a list', '[]'],
  ['an empty object', '{}'],
  ['a position of noise', JSON.stringify({ ...GOOD, nextPosition: '4x' })],
  ['a position that is a number', JSON.stringify({ ...GOOD, nextPosition: 42 })],
  ['no phase of ours', JSON.stringify({ ...GOOD, phase: 'stroam' })],
  ['a batch of noise', JSON.stringify({ ...GOOD, batchNumber: '' })],
  ['no identity', JSON.stringify({ ...GOOD, identity: [] })],
  ['a time of noise', JSON.stringify({ ...GOOD, sourceTimeMicros: 'noon' })],
  ['the cursor of another split', JSON.stringify({ ...GOOD, split: 'slot.2' })],
]

let original: string

beforeAll(async () => {
  original = await writeTable()
})

afterAll(() => rmSync(original, { recursive: true, force: true }))

/** The newest snapshot of a table whose last entry stores `text` as the cursor. */
async function openWith(text: unknown): Promise<{ lake: Lake; table: Table; latest: Snapshot }> {
  const copy = copyTable(original)
  const domain = { domain: 'sluice.source.shop.slot.1', configuration: text, removed: false }
  copy.edit(NEWEST, (actions) => [...actions, { domainMetadata: domain }])
  const lake = await openLakeAt(copy.store, [])
  const table = (await lake.format.open('t')) as Table
  return { lake, table, latest: await table.latest() }
}

it('is found when it is whole', async () => {
  const { lake, latest } = await openWith(JSON.stringify(GOOD))
  await using _lake = lake
  expect(latest.cursors('shop')).toMatchObject([{ cursor: { nextPosition: 42n } }])
})

it.each(GARBAGE)('is refused when it is %s; the rows are read', async (_what, text) => {
  const { lake, latest } = await openWith(text)
  await using _lake = lake
  expect(() => latest.cursors('shop')).toThrow(
    expect.objectContaining({
      code: 'SLU-TAB-3001',
      message: expect.stringContaining('sluice.source.shop.slot.1'),
      remedy: expect.stringContaining('Restore the log'),
    }),
  )
  expect(await readTable(lake.engine, lake.folder)).toEqual({ rows: GOOD_ROWS })
})
