/**
 * Every column type at its extremes and in every depth: what we write, we read, and so do delta-rs
 * and DuckDB's delta extension, with their own skipping of files by our statistics.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Table } from '../../src/contracts/index.ts'
import { duckType } from '../../src/engine/index.ts'
import { type ColumnType, POSITION_COLUMN, SPLIT_COLUMN } from '../../src/model/index.ts'
import { expectSame, load, loadOurs } from '../support/conformance/compare.ts'
import { commitRows, type Lake, openLake } from '../support/conformance/lake.ts'
import {
  countWithDeltaRs,
  exportWithDeltaRs,
  findOtherEngines,
  OTHER_ENGINES_HINT,
  type OtherEngines,
} from '../support/conformance/other-engines.ts'
import { isMissing } from '../support/require.ts'

const engines = findOtherEngines()
const skipped = isMissing('column types in other engines', OTHER_ENGINES_HINT, engines !== null)

const listOf = (element: ColumnType): ColumnType => ({ kind: 'array', element, containsNull: true })
const mapOf = (key: ColumnType, value: ColumnType): ColumnType => ({
  kind: 'map',
  key,
  value,
  valueContainsNull: true,
})
const structOf = (fields: Readonly<Record<string, ColumnType>>): ColumnType => ({
  kind: 'struct',
  fields: Object.entries(fields).map(([name, type]) => ({ name, type, nullable: true })),
})
const decimal = (precision: number, scale: number): ColumnType => ({
  kind: 'decimal',
  precision,
  scale,
})

/** Column → type and its values, one a row; the rows beyond the last value are NULL. */
const COLUMNS: Readonly<Record<string, readonly [ColumnType, readonly string[]]>> = {
  id: ['long', ['0', '1', '2', '3', '4', '5']],
  a_boolean: ['boolean', ['true', 'false']],
  a_byte: ['byte', ['-128', '127', '0']],
  a_short: ['short', ['-32768', '32767', '0']],
  an_integer: ['integer', ['-2147483648', '2147483647', '0']],
  a_long: ['long', ["'-9223372036854775808'", '9223372036854775807', '9007199254740993']],
  a_float: ['float', ["'0.7'", "'-0'", "'1e-45'", "'3.4028235e38'", "'-3.4028235e38'"]],
  a_double: ['double', ["'0.1'", "'0'", "'5e-324'", "'1.7976931348623157e308'"]],
  an_odd_float: ['float', ["'nan'", "'inf'", "'-inf'", "'-0'", "'1.5'"]],
  an_odd_double: ['double', ["'1.5'", "'-inf'", "'nan'", "'inf'"]],
  no_number: ['double', ["'nan'", "'nan'", "'nan'"]],
  a_string: [
    'string',
    ["''", "'é漢😀'", "e'\\t\\n\"'", "repeat('😀', 40)", "'%/=?#'", 'repeat(chr(1114111), 40)'],
  ],
  a_binary: ['binary', ["''", "'\\x00\\xFF'", "'text'"]],
  a_date: ['date', ["'0001-01-01'", "'9999-12-31'", "'1969-12-31'"]],
  a_timestamp: [
    'timestamp',
    ["'0001-01-01 00:00:00Z'", "'9999-12-31 23:59:59.999999Z'", "'1969-12-31 23:59:59.999999Z'"],
  ],
  a_timestamp_ntz: [
    'timestamp_ntz',
    ["'0001-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.123456'", "'1970-01-01'"],
  ],
  decimal_1: [decimal(1, 0), ['-9', '9', '0']],
  decimal_9: [decimal(9, 9), ["'-0.999999999'", "'0.999999999'"]],
  decimal_18: [decimal(18, 2), ["'-9999999999999999.99'", "'9999999999999999.99'"]],
  decimal_38: [decimal(38, 0), [`'-${'9'.repeat(38)}'`, `'${'9'.repeat(38)}'`, '0']],
  decimal_38_38: [decimal(38, 38), [`'0.${'9'.repeat(38)}'`, `'-0.${'0'.repeat(37)}1'`]],
  only_null: ['integer', []],
  lists: [listOf(listOf('short')), ['[]', '[NULL]', '[[]]', '[[NULL, 1], NULL, [2]]']],
  maps: [
    mapOf('string', mapOf('integer', listOf('date'))),
    ['MAP {}', "MAP {'a': NULL}", "MAP {'a': MAP {1: [NULL, '2026-01-01']}, '': MAP {}}"],
  ],
  structs: [
    structOf({
      x: 'long',
      'odd "name".x': structOf({ y: 'string', deep: structOf({ z: 'timestamp', none: 'byte' }) }),
    }),
    [
      "{'x': 1, 'odd \"name\".x': NULL}",
      "{'x': 9007199254740993, 'odd \"name\".x': {'y': NULL, 'deep': NULL}}",
      `{'x': NULL, 'odd "name".x':
        {'y': 'yes', 'deep': {'z': '2026-01-01 00:00:00.1234Z', 'none': NULL}}}`,
    ],
  ],
  mixed: [
    listOf(structOf({ m: mapOf('long', structOf({ d: decimal(20, 3), b: 'binary' })), t: 'date' })),
    [
      "[{'m': MAP {1: {'d': 1.5, 'b': '\\xAA'}, 2: NULL}, 't': '2026-01-01'}, NULL]",
      "[{'m': NULL, 't': NULL}]",
    ],
  ],
}

/** Columns with the values of a predicate: `=`, `>=` and `<` each of them. */
const SKIPPED_BY: Readonly<Record<string, readonly string[]>> = {
  a_byte: ['-128', '0'],
  a_long: ['-9223372036854775807', '9007199254740993', '9223372036854775807'],
  a_float: ["CAST('0.7' AS FLOAT)", "CAST('0' AS FLOAT)", "CAST('-3.4028235e38' AS FLOAT)"],
  a_double: ["CAST('0.1' AS DOUBLE)", "CAST('0' AS DOUBLE)", "CAST('5e-324' AS DOUBLE)"],
  an_odd_double: ["CAST('1.5' AS DOUBLE)", "CAST('inf' AS DOUBLE)"],
  a_string: ["''", "'é漢😀'", `'${'😀'.repeat(40)}'`, `'${'\u{10FFFF}'.repeat(40)}'`],
  a_date: ["DATE '0001-01-01'", "DATE '9999-12-31'"],
  a_timestamp: ["CAST('1969-12-31 23:59:59.999999Z' AS TIMESTAMP WITH TIME ZONE)"],
  a_timestamp_ntz: ["TIMESTAMP '1970-01-01 00:00:00'"],
  decimal_18: ["CAST('9999999999999999.99' AS DECIMAL(18,2))"],
  decimal_38: [`CAST('-${'9'.repeat(38)}' AS DECIMAL(38,0))`],
  "structs['x']": ['9007199254740993', '1'],
}

/** FROM clause of the given rows: the number of a row picks the value of every column. */
function rowsOf(numbers: readonly number[]): string {
  const rows = numbers.map((number) => {
    const values = Object.entries(COLUMNS).map(
      ([name, [type, texts]]) => `CAST(${texts[number] ?? 'NULL'} AS ${duckType(type)}) AS ${name}`,
    )
    return `SELECT ${values.join(', ')}`
  })
  return `(${rows.join(' UNION ALL ')}) AS t`
}

async function createTable(lake: Lake, name: string): Promise<Table> {
  const meta = { [SPLIT_COLUMN]: 'integer', [POSITION_COLUMN]: 'long' } as const
  const types = Object.entries(COLUMNS).map(([column, [type]]) => [column, type] as const)
  const columns = [...types, ...Object.entries(meta)].map(([column, type]) => ({
    name: column,
    physicalName: '',
    fieldId: -1,
    type: type as ColumnType,
    nullable: true,
  }))
  const schema = { columns, partitionBy: [], key: ['id'], maxFieldId: 0 }
  return lake.format.create(name, { schema, name, properties: {}, details: {} })
}

/** Types before and after a change that other writers record as a widening. */
const WIDENED: Readonly<Record<string, readonly [string, string]>> = {
  a_byte: ['byte', 'integer'],
  a_short: ['short', 'double'],
  an_integer: ['integer', 'decimal(12,2)'],
  a_float: ['float', 'double'],
  a_date: ['date', 'timestamp_ntz'],
  decimal_18: ['decimal(18,2)', 'decimal(30,4)'],
}

interface SchemaJson {
  readonly fields: readonly { name: string; type: unknown; metadata: Record<string, unknown> }[]
}

/** Appends the commit that another writer would make to widen columns. */
function widen(folder: string, version: number): void {
  const log = (number: number): string =>
    join(folder, '_delta_log', `${String(number).padStart(20, '0')}.json`)
  const first = readFileSync(log(0), 'utf8').trim().split('\n')
  const [info, protocol, metadata] = first.map((line) => JSON.parse(line)) as [
    { commitInfo: { inCommitTimestamp: number; sluice?: object } },
    { protocol: { readerFeatures: string[]; writerFeatures: string[] } },
    { metaData: { schemaString: string } },
  ]
  const schema = JSON.parse(metadata.metaData.schemaString) as SchemaJson
  for (const field of schema.fields) {
    const [fromType, toType] = WIDENED[field.name] ?? []
    if (toType === undefined) continue
    field.type = toType
    field.metadata['delta.typeChanges'] = [{ fromType, toType }]
  }
  metadata.metaData.schemaString = JSON.stringify(schema)
  protocol.protocol.readerFeatures.push('typeWidening')
  protocol.protocol.writerFeatures.push('typeWidening')
  info.commitInfo.inCommitTimestamp += 3_600_000
  delete info.commitInfo.sluice
  const lines = [info, protocol, metadata].map((action) => `${JSON.stringify(action)}\n`)
  writeFileSync(log(version), lines.join(''))
}

interface StatisticsJson {
  readonly minValues: Readonly<Record<string, unknown>>
  readonly maxValues: Readonly<Record<string, unknown>>
  readonly nullCount: Readonly<Record<string, unknown>>
}

describe.skipIf(skipped)('a table of every column type', () => {
  let lake: Lake
  let table: Table
  let folder: string

  beforeAll(async () => {
    lake = await openLake([(engines as OtherEngines).deltaExtension])
    table = await createTable(lake, 'types')
    folder = join(lake.folder, 'types')
    await commitRows(lake, table, { rows: rowsOf([0, 1]) })
    await commitRows(lake, table, { rows: rowsOf([2, 3]) })
    await commitRows(lake, table, { rows: rowsOf([4, 5]) })
    await commitRows(lake, table, { rows: rowsOf([3]), deleteWhere: 'id = 3' })
  })

  afterAll(() => lake?.[Symbol.asyncDispose]())

  it('holds the values that were written, nested ones included', async () => {
    const ours = await loadOurs(lake, table, 4n)
    await load(lake, 'written', `SELECT * FROM ${rowsOf([0, 1, 2, 3, 4, 5])}`)
    const read = `SELECT * EXCLUDE (${SPLIT_COLUMN}, ${POSITION_COLUMN}) FROM ours`
    await expectSame(
      lake,
      await load(lake, 'ours', read),
      await load(lake, 'theirs', 'FROM written'),
    )
    expect(ours.rowCount).toBe(6)
  })

  it('is read by delta-rs and by the delta extension of DuckDB as by us', async () => {
    const ours = await loadOurs(lake, table, 4n)
    await expectSame(lake, ours, await load(lake, 'theirs', `FROM delta_scan('${folder}')`))
    const output = join(lake.folder, 'delta-rs')
    await exportWithDeltaRs(engines as OtherEngines, folder, output, [4n])
    await expectSame(lake, ours, await load(lake, 'theirs', `FROM '${output}/4.parquet'`))
  })

  it('loses no row to the skipping of files by statistics', async () => {
    await loadOurs(lake, table, 4n)
    const predicates = Object.entries(SKIPPED_BY).flatMap(([column, values]) =>
      values.flatMap((value) => ['=', '>=', '<'].map((sign) => `${column} ${sign} ${value}`)),
    )
    const nulls = [...Object.keys(COLUMNS), "structs['x']"].map((name) => `${name} IS NULL`)
    const all = [...predicates, ...nulls]
    const counts = async (from: string): Promise<readonly number[]> => {
      const sums = all.map((predicate) => `count(*) FILTER (WHERE ${predicate})`)
      const { rows } = await lake.session.query(`SELECT ${sums.join(', ')} FROM ${from}`)
      return rows[0]!.map(Number)
    }
    const named = (found: readonly number[]) => all.map((name, index) => [name, found[index]])
    const wanted = named(await counts('ours'))
    expect(named(await countWithDeltaRs(engines as OtherEngines, folder, all))).toEqual(wanted)
    const theirs: number[] = []
    for (const predicate of all) {
      const sql = `SELECT count(*) FROM delta_scan('${folder}') WHERE ${predicate}`
      theirs.push(Number((await lake.session.query(sql)).rows[0]?.[0]))
    }
    expect(named(theirs)).toEqual(wanted)
  })

  it('has exact statistics in its log', () => {
    const log = join(folder, '_delta_log/00000000000000000001.json')
    const add = readFileSync(log, 'utf8')
      .split('\n')
      .find((line) => line.startsWith('{"add"'))!
    const text = (JSON.parse(add) as { add: { stats: string } }).add.stats
    for (const exact of [
      '"a_long":-9223372036854775808',
      '"a_long":9223372036854775807',
      `"decimal_38":-${'9'.repeat(38)}`,
      '"a_float":-0.0',
      '"a_float":0.699999988079071',
      '"decimal_9":-0.999999999',
      '"structs":{"x":9007199254740993}',
    ]) {
      expect(text).toContain(exact)
    }
    const { minValues, maxValues, nullCount } = JSON.parse(text) as StatisticsJson
    expect(minValues).toMatchObject({ a_byte: -128, a_double: -0, a_date: '0001-01-01' })
    expect(minValues).toMatchObject({ a_timestamp: '0001-01-01T00:00:00.000Z' })
    expect(maxValues).toMatchObject({ a_string: 'é漢😀', a_date: '9999-12-31', decimal_1: 9 })
    expect(maxValues).not.toHaveProperty('a_timestamp')
    for (const name of ['an_odd_float', 'no_number', 'a_boolean', 'a_binary', 'lists', 'maps']) {
      expect(
        [minValues, maxValues].some((values) => name in values),
        name,
      ).toBe(false)
    }
    expect(nullCount).toMatchObject({
      an_integer: 0,
      only_null: 2,
      structs: { x: 0, 'odd "name".x': { y: 2, deep: { z: 2, none: 2 } } },
    })
  })

  it('gives every member of a struct its id in the files', async () => {
    const [file] = [...(await table.latest()).files()]
    const url = table.readUrl(file!)
    const found = await lake.session.query(`SELECT name, field_id FROM parquet_schema('${url}')
      WHERE name NOT IN ('duckdb_schema', 'list', 'element', 'key_value', 'key', 'value')`)
    const ids = found.rows.map(([, id]) => Number(id))
    expect(found.rows.filter(([, id]) => id === null)).toEqual([])
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('is read with wider types after another writer widened columns', async () => {
    const copy = join(lake.folder, 'widened')
    await cp(folder, copy, { recursive: true })
    widen(copy, 5)
    await using widened = (await lake.format.open('widened')) as Table
    const ours = await loadOurs(lake, widened, 5n)
    const types = new Map(ours.columns.map(([name, type]) => [name, type]))
    expect(types.get('an_integer')).toBe('DECIMAL(12,2)')
    await expectSame(lake, ours, await load(lake, 'theirs', `FROM delta_scan('${copy}')`))
    await expect(commitRows(lake, widened, { deleteWhere: 'id = 1' })).rejects.toMatchObject({
      code: 'SLU-TAB-3008',
      message: expect.stringContaining('typeWidening'),
    })
  })
})
