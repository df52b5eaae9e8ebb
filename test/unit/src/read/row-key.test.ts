import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEngine, type Engine, type Session } from '../../../../src/engine/index.ts'
import type { ColumnType, DataFile, JsonObject } from '../../../../src/model/index.ts'
import { type RowKey, rowKey } from '../../../../src/read/row-key.ts'
import { schemaOf } from '../../../support/read/schemas.ts'

let engine: Engine
let session: Session

beforeAll(async () => {
  const temporaryFolder = join(tmpdir(), 'sluice-row-key')
  engine = await createEngine({ memoryBytes: 128 * 1024 * 1024, threads: 1, temporaryFolder })
  session = await engine.session()
})

afterAll(async () => {
  await session[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

const keyOf = (type: ColumnType, text: string, partitionBy: readonly string[] = []) =>
  rowKey(session, schemaOf({ k: type }, { key: ['k'], partitionBy }), new Map([['k', text]]))

test.each<readonly [ColumnType, string, string]>([
  ['long', '9223372036854775807', '9223372036854775807::BIGINT'],
  ['string', "o'neil", "'o''neil'"],
  ['binary', '\\x0aff', "'\\x0A\\xFF'::BLOB"],
  [{ kind: 'decimal', precision: 6, scale: 2 }, '1.500', '1.5::DECIMAL(6,2)'],
  ['timestamp', '2026-01-31T12:00:00Z', "TIMESTAMPTZ '2026-01-31 12:00:00+00'"],
  ['date', '2026-01-31', "DATE '2026-01-31'"],
])('finds a %j written as %s', async (type, text, value) => {
  const { condition } = await keyOf(type, text)
  const { rows } = await session.query(`SELECT ${condition} FROM (SELECT ${value} AS c0)`)
  expect(rows).toEqual([[true]])
})

test.each<readonly [ColumnType, string]>([
  ['long', '9223372036854775808'],
  ['integer', '1.4'],
  ['integer', ''],
  ['binary', '\\xzz'],
  ['date', 'yesterday'],
  [{ kind: 'decimal', precision: 6, scale: 2 }, '1.005'],
])('refuses for a %j the text %j', async (type, text) => {
  await expect(keyOf(type, text)).rejects.toMatchObject({ code: 'SLU-SQL-6007' })
})

const file = (min: JsonObject, max: JsonObject, partition: string | null = null): DataFile => ({
  path: 'a.parquet',
  sizeBytes: 1,
  partitionValues: { 'col-1': partition },
  modificationTimeMs: 0,
  statistics: {
    recordCount: 1,
    minValues: min,
    maxValues: max,
    nullCount: {},
    tightBounds: true,
  },
  deletionVector: null,
  baseRowId: null,
  defaultRowCommitVersion: null,
})

const inFile = (key: RowKey, min: JsonObject, max: JsonObject): boolean =>
  key.mayBeIn(file(min, max))

test('statistics rule files out, where their order is the order of SQL', async () => {
  const number = await keyOf('long', '10')
  expect(inFile(number, { 'col-1': 9 }, { 'col-1': '9223372036854775807' })).toBe(true)
  expect(inFile(number, { 'col-1': 11 }, { 'col-1': 12 })).toBe(false)
  expect(inFile(number, { 'col-1': 2 }, { 'col-1': 9 })).toBe(false)
  expect(inFile(number, {}, {})).toBe(true)
  const text = await keyOf('string', 'é')
  expect(inFile(text, { 'col-1': 'a' }, { 'col-1': 'z' })).toBe(false)
  expect(inFile(text, { 'col-1': 'a' }, { 'col-1': '\u{10FFFF}' })).toBe(true)
  expect(inFile(await keyOf('string', '\uffff'), { 'col-1': '\u{10000}' }, {})).toBe(false)
  const date = await keyOf('date', '2026-01-31')
  expect(inFile(date, { 'col-1': '2026-02-01' }, { 'col-1': '2026-02-02' })).toBe(true)
})

test('the partition of a file rules it out', async () => {
  const key = await keyOf('integer', '7', ['k'])
  expect(key.mayBeIn(file({}, {}, '7'))).toBe(true)
  expect(key.mayBeIn(file({}, {}, '8'))).toBe(false)
})
