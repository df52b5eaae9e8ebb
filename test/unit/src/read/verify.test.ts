import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { BlockPart } from '../../../../src/contracts/index.ts'
import { type VerifyResult, verifyAgainst } from '../../../../src/read/index.ts'
import { engineForTests } from '../../../support/engine.ts'
import { createPlainTable } from '../../../support/read/plain-table.ts'
import { schemaOf } from '../../../support/read/schemas.ts'

const world = engineForTests()

const part = (recordCount: number): BlockPart => ({
  schema: { stream: 'public.t', schemaId: 1, columns: [], key: ['id'] },
  format: 'copy-text',
  bytes: new Uint8Array(),
  recordCount,
  firstPosition: 0n,
  partialCount: 0,
})

/** Compares a table with a source given as one list of `id,value` rows per part. */
async function verify(
  key: readonly string[],
  table: readonly string[],
  source: readonly (readonly string[])[],
): Promise<VerifyResult> {
  const schema = schemaOf({ id: 'integer', value: 'string' }, { key })
  const stored = createPlainTable(world.engine, mkdtempSync(join(world.folder, 't-')), schema)
  const meta = '0 AS _sluice_split, 0::BIGINT AS _sluice_position'
  const sql = `SELECT *, ${meta} FROM (VALUES ${table.join(', ')}) t(id, value)`
  if (table.length > 0) await stored.apply({ add: [{ sql }] })
  const left = [...source]
  async function* parts(): AsyncIterable<BlockPart> {
    for (const rows of source) yield part(rows.length)
  }
  return verifyAgainst({
    engine: world.engine,
    table: stored,
    snapshot: await stored.latest(),
    parts: parts(),
    land: async () => `SELECT value, id FROM (VALUES ${left.shift()?.join(', ')}) s(id, value)`,
    sampleMax: 3,
  })
}

test('finds no difference between equal rows in any order and cut, NULL included', async () => {
  const result = await verify(
    ['id'],
    ["(1, 'a')", '(2, NULL)', "(3, '')"],
    [["(3, '')", '(2, NULL)'], ["(1, 'a')"]],
  )
  expect(result).toEqual({
    rowsTable: 3n,
    rowsSource: 3n,
    missingRows: 0n,
    extraRows: 0n,
    sample: [],
    unsettledKeys: 0n,
  })
})

test('names keys that are missing, extra or different', async () => {
  const result = await verify(
    ['id'],
    ["(1, 'a')", "(2, 'b')", "(4, 'd')"],
    [["(1, 'a')", "(2, 'B')", '(3, NULL)']],
  )
  expect(result).toMatchObject({ rowsTable: 3n, rowsSource: 3n, missingRows: 2n, extraRows: 2n })
  expect(result.sample).toEqual([
    { kind: 'different', key: [2] },
    { kind: 'missing', key: [3] },
    { kind: 'extra', key: [4] },
  ])
})

test('tells a NULL from an empty text', async () => {
  const result = await verify(['id'], ["(1, '')"], [['(1, NULL)']])
  expect(result).toMatchObject({ missingRows: 1n, extraRows: 1n })
})

test('counts duplicates', async () => {
  const result = await verify([], ["(1, 'a')", "(1, 'a')"], [["(1, 'a')"]])
  expect(result).toMatchObject({ missingRows: 0n, extraRows: 1n })
  expect(result.sample).toEqual([{ kind: 'extra', key: [1, 'a'] }])
})

test('compares with an empty source and an empty table', async () => {
  expect(await verify(['id'], ["(1, 'a')"], [])).toMatchObject({ rowsSource: 0n, extraRows: 1n })
  expect(await verify(['id'], [], [["(1, 'a')"]])).toMatchObject({ rowsTable: 0n, missingRows: 1n })
})

test('names no more keys than asked for', async () => {
  const rows = Array.from({ length: 9 }, (_, id) => `(${id}, 'x')`)
  const result = await verify(['id'], rows, [])
  expect(result.sample.map(({ key }) => key)).toEqual([[0], [1], [2]])
})

/** A table whose last batch reaches from position 12 to 30; the source stands at 20. */
async function verifyAcross(key: readonly string[], source: readonly string[]) {
  const schema = schemaOf({ id: 'integer', value: 'string' }, { key })
  const stored = createPlainTable(world.engine, mkdtempSync(join(world.folder, 't-')), schema)
  const rows = (values: string): { readonly sql: string } => ({
    sql: `SELECT id, value, 0 AS _sluice_split, position::BIGINT AS _sluice_position
      FROM (VALUES ${values}) t(id, value, position)`,
  })
  await stored.apply({ add: [rows("(1, 'a', 10), (2, 'b', 11), (4, 'd', 11)")] })
  const path = [...(await stored.latest()).files()][0]?.path ?? ''
  await stored.apply({
    add: [rows("(1, 'A', 19), (2, 'B', 20), (5, 'e', 27)")],
    deletes: new Map([[path, [0, 1, 2]]]),
  })
  async function* parts(): AsyncIterable<BlockPart> {
    yield part(source.length)
  }
  return verifyAgainst({
    engine: world.engine,
    table: stored,
    snapshot: await stored.latest(),
    parts: parts(),
    land: async () => `SELECT value, id FROM (VALUES ${source.join(', ')}) s(id, value)`,
    position: 20n,
    sampleMax: 3,
  })
}

test('leaves out the keys that a batch changed after the position of the source', async () => {
  expect(await verifyAcross(['id'], ["(1, 'A')", "(2, 'b')", "(4, 'd')"])).toEqual({
    rowsTable: 1n,
    rowsSource: 1n,
    missingRows: 0n,
    extraRows: 0n,
    sample: [],
    unsettledKeys: 3n,
  })
})

test('still finds a difference in a key that the batch changed before that position', async () => {
  const result = await verifyAcross(['id'], ["(1, 'a')", "(2, 'b')", "(3, 'c')", "(4, 'd')"])
  expect(result.sample).toEqual([
    { kind: 'different', key: [1] },
    { kind: 'missing', key: [3] },
  ])
})

test('leaves out the later rows of a table without a key', async () => {
  const result = await verifyAcross([], ["(1, 'A')"])
  expect(result).toMatchObject({ rowsTable: 1n, missingRows: 0n, extraRows: 0n })
})
