import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEngine, type Engine, literal, type Session } from '../../../../src/engine/index.ts'
import type { ColumnType, StructField } from '../../../../src/model/index.ts'
import { escapePattern, type ScanRequest, scanSql } from '../../../../src/read/scan.ts'
import { schemaOf } from '../../../support/read/schemas.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-scan-'))
let engine: Engine
let session: Session

beforeAll(async () => {
  engine = await createEngine({
    memoryBytes: 256 * 1024 * 1024,
    threads: 1,
    temporaryFolder: join(folder, 'spill'),
  })
  session = await engine.session()
})

afterAll(async () => {
  await session[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

async function write(path: string, select: string, ids = ''): Promise<string> {
  const full = join(folder, path)
  mkdirSync(dirname(full), { recursive: true })
  await session.run(`COPY (${select}) TO ${literal(full)} (FORMAT parquet${ids})`)
  return full
}

const request = (changes: Partial<ScanRequest> & Pick<ScanRequest, 'schema' | 'entries'>) => ({
  columnMapping: 'name' as const,
  positions: null,
  labels: [],
  ...changes,
})

const entry = (url: string, partitionValues = {}, labels: readonly string[] = []) => ({
  url,
  partitionValues,
  labels,
})

async function scan(wanted: ScanRequest): Promise<readonly (readonly unknown[])[]> {
  return (await session.query(`SELECT * FROM (${scanSql(wanted)}) ORDER BY ALL`)).rows
}

const bare = (columns: Parameters<typeof schemaOf>[0], partitionBy: readonly string[] = []) => {
  const schema = schemaOf(columns, { partitionBy })
  return { ...schema, columns: schema.columns.slice(0, -2) }
}

test('finds columns by physical name, and gives NULL for those a file lacks', async () => {
  const older = await write('older.parquet', `SELECT 'x' AS "col-2", 1 AS "col-1", 5 AS other`)
  const newer = await write('newer.parquet', `SELECT 2 AS "col-1", 'y' AS "col-2", 1.5 AS "col-3"`)
  const schema = bare({ id: 'long', name: 'string', price: 'double' })
  expect(await scan(request({ schema, entries: [entry(older), entry(newer)] }))).toEqual([
    [1n, 'x', null],
    [2n, 'y', 1.5],
  ])
})

test('finds columns by field id where the table is mapped by id', async () => {
  const ids = ', FIELD_IDS {b: 1, a: 2}'
  const file = await write('ids.parquet', `SELECT 1 AS a, 'x' AS b`, ids)
  const schema = bare({ b: 'string', a: 'integer', missing: 'date' })
  expect(await scan(request({ schema, entries: [entry(file)], columnMapping: 'id' }))).toEqual([
    ['x', 1, null],
  ])
})

test('keeps nested values and adds members that older files lack', async () => {
  const file = await write('nested.parquet', `SELECT {'a': 1} AS "col-1", [{'k': 'v'}] AS "col-2"`)
  const member = (name: string, type: 'string' | 'long') => ({ name, type, nullable: true })
  const schema = bare({
    s: { kind: 'struct', fields: [member('b', 'string'), member('a', 'long')] },
    l: {
      kind: 'array',
      containsNull: true,
      element: { kind: 'struct', fields: [member('k', 'string')] },
    },
  })
  const sql = scanSql(request({ schema, entries: [entry(file)] }))
  const { rows } = await session.query(`SELECT c0.a, c0.b, c1[1].k FROM (${sql})`)
  expect(rows).toEqual([[1n, null, 'v']])
})

test('gives members of nested values the names of the table', async () => {
  const file = await write(
    'renamed.parquet',
    `SELECT {'p1': 1, 'p2': [{'p3': 'x'}, NULL]} AS "col-1", map {'k': {'p4': 2}} AS "col-2"
    UNION ALL SELECT NULL, NULL`,
  )
  const field = (name: string, physicalName: string, type: ColumnType): StructField => ({
    name,
    physicalName,
    type,
    nullable: true,
  })
  const struct = (...fields: readonly StructField[]): ColumnType => ({ kind: 'struct', fields })
  const element = struct(field('c', 'p3', 'string'))
  const schema = bare({
    s: struct(
      field('a', 'p1', 'long'),
      field('b', 'p2', { kind: 'array', element, containsNull: true }),
    ),
    m: {
      kind: 'map',
      key: 'string',
      value: struct(field('d', 'p4', 'integer')),
      valueContainsNull: true,
    },
  })
  const sql = scanSql(request({ schema, entries: [entry(file)] }))
  const result = await session.query(
    `SELECT to_json(c0)::VARCHAR, to_json(c1)::VARCHAR FROM (${sql}) ORDER BY 1 NULLS LAST`,
  )
  expect(result.rows).toEqual([
    ['{"a":1,"b":[{"c":"x"},null]}', '{"k":{"d":2}}'],
    [null, null],
  ])
})

test('takes partition values from the log, never from the file or its path', async () => {
  const one = await write('d=2020-01-01/one.parquet', `SELECT 1 AS "col-1", 'no' AS "col-2"`)
  const two = await write('d=x/two.parquet', `SELECT 2 AS "col-1"`)
  const schema = bare({ id: 'integer', d: 'date', ok: 'boolean' }, ['d', 'ok'])
  const entries = [
    entry(one, { 'col-2': '2026-02-03', 'col-3': 'true' }),
    entry(two, { 'col-2': null, 'col-3': '' }),
  ]
  const sql = scanSql(request({ schema, entries }))
  const { rows } = await session.query(`SELECT c0, c1::VARCHAR, c2 FROM (${sql}) ORDER BY 1`)
  expect(rows).toEqual([
    [1, '2026-02-03', true],
    [2, null, null],
  ])
})

test('reads a file as often as it is listed, each time with its labels and positions', async () => {
  const file = await write('rows.parquet', `SELECT range::INTEGER AS "col-1" FROM range(5)`)
  await session.run('CREATE TEMP TABLE picked(file UINTEGER, "row" UINTEGER)')
  await session.run('INSERT INTO picked VALUES (0, 1), (0, 3), (1, 0)')
  const schema = bare({ id: 'integer' })
  const entries = [entry(file, {}, ["'a'"]), entry(file, {}, ["'b'"])]
  const labels = ['label']
  const except = { table: 'picked', use: 'except' } as const
  expect(await scan(request({ schema, entries, labels, positions: except }))).toEqual([
    ['a', 0],
    ['a', 2],
    ['a', 4],
    ['b', 1],
    ['b', 2],
    ['b', 3],
    ['b', 4],
  ])
})

test('reads given rows as often as they are named, with the labels of their tags', async () => {
  const file = await write('given.parquet', `SELECT range::INTEGER AS "col-1" FROM range(5)`)
  await session.run('CREATE TEMP TABLE given(file UINTEGER, "row" UINTEGER, tag UINTEGER)')
  await session.run('INSERT INTO given VALUES (0, 1, 1), (0, 3, 0), (1, 0, 0), (1, 0, 1)')
  const schema = bare({ id: 'integer', p: 'string' }, ['p'])
  const entries = [entry(file, { 'col-2': 'x' }), entry(file, { 'col-2': 'y' })]
  const positions = { use: 'only', table: 'given', labels: [["'a'"], ["'b'"]] } as const
  expect(await scan(request({ schema, entries, labels: ['label'], positions }))).toEqual([
    ['a', 0, 'y'],
    ['a', 3, 'x'],
    ['b', 0, 'y'],
    ['b', 1, 'x'],
  ])
})

test('keeps the numbers of files right beyond one scan of many files', async () => {
  const file = await write('tiny.parquet', `SELECT range::INTEGER AS "col-1" FROM range(2)`)
  const entries = Array.from({ length: 10_001 }, () => entry(file))
  await session.run('CREATE TEMP TABLE last(file UINTEGER, "row" UINTEGER, tag UINTEGER)')
  await session.run('INSERT INTO last VALUES (10000, 1, 0), (0, 0, 0)')
  const positions = { table: 'last', use: 'only', labels: [[]] } as const
  expect(await scan(request({ schema: bare({ id: 'integer' }), entries, positions }))).toEqual([
    [0],
    [1],
  ])
})

test('is not misled by columns named like DuckDB virtual columns', async () => {
  const select = `SELECT 7 AS file_row_number, 8 AS file_index, 'f' AS filename FROM range(2)`
  const file = await write('virtual.parquet', select)
  const named = bare({ file_row_number: 'integer', file_index: 'integer', filename: 'string' })
  const schema = {
    ...named,
    columns: named.columns.map((column) => ({ ...column, physicalName: column.name })),
  }
  await session.run('CREATE TEMP TABLE second(file UINTEGER, "row" UINTEGER)')
  await session.run('INSERT INTO second VALUES (0, 1)')
  const positions = { table: 'second', use: 'except' } as const
  expect(await scan(request({ schema, entries: [entry(file)], positions }))).toEqual([[7, 8, 'f']])
})

test('reads files whose paths look like patterns', async () => {
  const path = "k=[a]/b*c?/it's %20.parquet"
  const file = await write(path, `SELECT 1 AS "col-1"`)
  expect(escapePattern('a*b?c[d]')).toBe('a[*]b[?]c[[]d]')
  const schema = bare({ id: 'integer' })
  expect(await scan(request({ schema, entries: [entry(file)] }))).toEqual([[1]])
})
