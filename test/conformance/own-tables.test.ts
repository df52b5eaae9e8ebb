/** Tables that we write are read identically, every row and every type, by other engines. */

import { readdirSync, rmSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Table } from '../../src/contracts/index.ts'
import { createTableSchema } from '../../src/ingest/table-schema.ts'
import type { ColumnType, StreamSchema, TableSchema } from '../../src/model/index.ts'
import { expectSame, load, loadOurs } from '../support/conformance/compare.ts'
import { commitRows, type Lake, openLake } from '../support/conformance/lake.ts'
import {
  exportWithDeltaRs,
  findOtherEngines,
  OTHER_ENGINES_HINT,
  type OtherEngines,
} from '../support/conformance/other-engines.ts'
import { isMissing } from '../support/require.ts'
import { DEFAULT_POLICIES } from '../support/schema-policies.ts'

const engines = findOtherEngines()
const skipped = isMissing('conformance with other engines', OTHER_ENGINES_HINT, engines !== null)

const member = (name: string, type: ColumnType) => ({ name, type, nullable: true })
const listOf = (element: ColumnType): ColumnType => ({ kind: 'array', element, containsNull: true })
const decimal = (precision: number, scale: number): ColumnType => ({
  kind: 'decimal',
  precision,
  scale,
})

/** Column → type and a SQL expression over the row number `i`. */
const EVERY_TYPE: Readonly<Record<string, readonly [ColumnType, string]>> = {
  id: ['long', 'i'],
  a_boolean: ['boolean', 'CASE i % 3 WHEN 0 THEN true WHEN 1 THEN false END'],
  a_byte: ['byte', '(i % 256 - 128)::TINYINT'],
  a_short: ['short', '(i % 65536 - 32768)::SMALLINT'],
  an_integer: ['integer', 'CASE WHEN i % 7 > 0 THEN (i * 701827 - 2147483648)::INTEGER END'],
  a_long: [
    'long',
    'CASE WHEN i % 2 = 0 THEN 9223372036854775807 - i ELSE -9223372036854775808 END',
  ],
  a_float: ['float', "(['nan', '-0', '1.5e-30', '-inf', '3.4028235e38'])[i % 5 + 1]::FLOAT"],
  a_double: [
    'double',
    "(['nan', '0.1', '5e-324', 'inf', '-1.7976931348623157e308'])[i % 5 + 1]::DOUBLE",
  ],
  a_string: [
    'string',
    "(['', 'é漢😀', NULL, e'a\\tb\\n\"c\\\\', repeat('long ', 50)])[i % 5 + 1] || ''",
  ],
  a_binary: ['binary', "CASE WHEN i % 4 > 0 THEN unhex(md5(i::VARCHAR)) ELSE ''::BLOB END"],
  a_date: ['date', "(DATE '0001-01-01' + (i * 977)::INTEGER)"],
  a_timestamp: [
    'timestamp',
    "TIMESTAMPTZ '1969-12-31 23:59:59.999999Z' + i * INTERVAL 1111111 MICROSECOND",
  ],
  a_timestamp_ntz: [
    'timestamp_ntz',
    "TIMESTAMP '2026-02-28 23:59:59.123456' + i * INTERVAL 1 HOUR",
  ],
  small_decimal: [decimal(9, 2), '(i * 1.25 - 1000)::DECIMAL(9, 2)'],
  large_decimal: [
    decimal(38, 10),
    "('1234567890123456789012345678.' || (i + 1000000000))::DECIMAL(38, 10)",
  ],
  a_list: [listOf('long'), 'CASE i % 4 WHEN 0 THEN [] WHEN 1 THEN [i, NULL] WHEN 2 THEN [i] END'],
  a_struct: [
    {
      kind: 'struct',
      fields: [member('x', 'long'), member('texts', listOf('string')), member('day', 'date')],
    },
    "CASE WHEN i % 5 > 0 THEN {'x': i, 'texts': ['a', NULL], 'day': DATE '2026-01-01'} END",
  ],
  a_map: [
    { kind: 'map', key: 'string', value: decimal(12, 3), valueContainsNull: true },
    "MAP {'k' || i: (i / 8)::DECIMAL(12, 3), 'none': NULL}",
  ],
}

function streamOf(columns: Readonly<Record<string, ColumnType>>): StreamSchema {
  return {
    stream: 's',
    schemaId: 1,
    key: ['id'],
    columns: Object.entries(columns).map(([name, type]) => ({
      name,
      type,
      sourceType: 'x',
      nullable: true,
    })),
  }
}

async function createTable(
  lake: Lake,
  name: string,
  columns: Readonly<Record<string, ColumnType>>,
  partitionBy: readonly string[] = [],
  properties: Readonly<Record<string, string>> = {},
): Promise<Table> {
  const schema = createTableSchema(streamOf(columns), {
    stream: 's',
    table: name,
    root: name,
    mode: 'upsert',
    key: null,
    orderingColumn: null,
    partitionBy,
    deleteWhen: null,
    schema: DEFAULT_POLICIES,
  })
  return lake.format.create(name, { schema, name, properties, details: {} })
}

const everyRow = (from: number, to: number, more = ''): string => {
  const columns = Object.entries(EVERY_TYPE).map(([name, [, sql]]) => `${sql} AS ${name}`)
  return `(SELECT ${columns.join(', ')}${more} FROM range(${from}, ${to}) r(i)) AS t`
}

/** Appends, upserts with vectors over several files and versions, then a changed schema. */
async function writeEveryType(lake: Lake): Promise<Table> {
  const types = Object.fromEntries(Object.entries(EVERY_TYPE).map(([name, [type]]) => [name, type]))
  const table = await createTable(lake, 'every_type', { ...types, unused: 'integer' })
  await commitRows(lake, table, { rows: everyRow(0, 3000, ', i::INTEGER AS unused') })
  await commitRows(lake, table, { rows: everyRow(3000, 5000, ', 1 AS unused') })
  await commitRows(lake, table, {
    rows: everyRow(2000, 4000, ', 2 AS unused'),
    deleteWhere: 'id >= 2000 AND id < 4000',
  })
  await commitRows(lake, table, { deleteWhere: 'id % 10 = 3' })
  await commitRows(lake, table, {
    rows: everyRow(2500, 2600, ', 3 AS unused'),
    deleteWhere: 'id >= 2500 AND id < 2600',
  })
  const schema = changedSchema((await table.latest()).schema)
  await commitRows(lake, table, {
    schema,
    rows: everyRow(6000, 6100, ", 'new' AS added").replace('AS a_string', 'AS a_text'),
    deleteWhere: 'id < 100',
  })
  return table
}

/** Renames `a_string` to `a_text`, drops `unused`, adds `added`. */
function changedSchema(schema: TableSchema): TableSchema {
  const columns = schema.columns
    .filter((column) => column.name !== 'unused')
    .map((column) => (column.name === 'a_string' ? { ...column, name: 'a_text' } : column))
  const added = {
    name: 'added',
    physicalName: '',
    fieldId: -1,
    type: 'string',
    nullable: true,
  } as const
  return { ...schema, columns: [...columns.slice(0, -2), added, ...columns.slice(-2)] }
}

async function writePartitioned(lake: Lake): Promise<Table> {
  const columns = {
    id: 'long',
    day: 'date',
    name: 'string',
    flag: 'boolean',
    n: 'integer',
  } as const
  const table = await createTable(lake, 'partitioned', columns, ['day', 'name', 'flag', 'n'])
  const rows = (from: number, to: number): string => `(SELECT i AS id,
    DATE '2026-01-01' + (i % 3)::INTEGER AS day,
    (['plain', 'a/b=c d%é', NULL, 'x:y?*[z]', '%20'])[i % 5 + 1] AS name,
    CASE i % 3 WHEN 0 THEN true WHEN 1 THEN false END AS flag, (i % 2 - 1)::INTEGER AS n
    FROM range(${from}, ${to}) r(i)) AS t`
  await commitRows(lake, table, { rows: rows(0, 200) })
  await commitRows(lake, table, { rows: rows(50, 90), deleteWhere: 'id >= 50 AND id < 90' })
  await commitRows(lake, table, { deleteWhere: 'id % 7 = 0' })
  return table
}

/** Five files, vectors over three of them, and removes: three sidecars. */
async function writeWithV2Checkpoint(lake: Lake): Promise<Table> {
  const policy = { 'delta.checkpointPolicy': 'v2' }
  const table = await createTable(lake, 'v2_checkpoint', { id: 'long', t: 'string' }, [], policy)
  for (let number = 0; number < 5; number++) {
    const range = `range(${number * 100}, ${number * 100 + 100}) r(i)`
    await commitRows(lake, table, { rows: `(SELECT i AS id, 't' || i AS t FROM ${range}) AS t` })
  }
  await commitRows(lake, table, { deleteWhere: 'id < 250 AND id % 3 = 0' })
  await commitRows(lake, table, { deleteWhere: 'id < 50 AND id % 5 = 0' })
  return table
}

async function writeEmpty(lake: Lake): Promise<Table> {
  const table = await createTable(lake, 'emptied', { id: 'long', name: 'string' })
  await commitRows(lake, table, { rows: `(SELECT 1 AS id, 'x' AS name) AS t` })
  await commitRows(lake, table, { deleteWhere: 'true' })
  return table
}

describe.skipIf(skipped)('tables written by the stager and the format', () => {
  let lake: Lake
  let tables: Readonly<Record<string, Table>>

  beforeAll(async () => {
    lake = await openLake([(engines as OtherEngines).deltaExtension])
    tables = {
      every_type: await writeEveryType(lake),
      partitioned: await writePartitioned(lake),
      emptied: await writeEmpty(lake),
      v2_checkpoint: await writeWithV2Checkpoint(lake),
    }
  })

  afterAll(() => lake?.[Symbol.asyncDispose]())

  it('have vectors over several files, merged over several versions, and rows left', async () => {
    const snapshot = await (tables.every_type as Table).latest()
    const vectors = [...snapshot.files()].flatMap(({ deletionVector }) => deletionVector ?? [])
    expect(vectors.length).toBeGreaterThanOrEqual(3)
    expect(Number(snapshot.rowCount)).toBeGreaterThan(4000)
  })

  it.each(['every_type', 'partitioned', 'emptied', 'v2_checkpoint'])(
    'are read by delta-rs as we read them at every version: %s',
    async (name) => {
      const table = tables[name] as Table
      const newest = (await table.latest()).version
      const versions = Array.from({ length: Number(newest) + 1 }, (_, index) => BigInt(index))
      const output = join(lake.folder, 'delta-rs', name)
      await exportWithDeltaRs(engines as OtherEngines, join(lake.folder, name), output, versions)
      for (const version of versions) {
        const ours = await loadOurs(lake, table, version)
        const theirs = await load(lake, 'theirs', `SELECT * FROM '${output}/${version}.parquet'`)
        await expectSame(lake, ours, theirs)
      }
    },
  )

  it.each(['every_type', 'partitioned', 'emptied', 'v2_checkpoint'])(
    'are read by the delta extension of DuckDB as we read them: %s',
    async (name) => {
      const table = tables[name] as Table
      const ours = await loadOurs(lake, table, (await table.latest()).version)
      const folder = join(lake.folder, name)
      const theirs = await load(lake, 'theirs', `SELECT * FROM delta_scan('${folder}')`)
      await expectSame(lake, ours, theirs)
    },
  )

  it.each(['every_type', 'v2_checkpoint'])(
    'are read from their checkpoint alone: %s',
    async (name) => {
      const table = tables[name] as Table
      await table.checkpoint()
      const newest = (await table.latest()).version
      const copy = join(lake.folder, `${name}_from_checkpoint`)
      await cp(join(lake.folder, name), copy, { recursive: true })
      const log = join(copy, '_delta_log')
      const commits = readdirSync(log).filter((file) => /^\d{20}\.json$/.test(file))
      for (const file of commits.slice(0, -1)) rmSync(join(log, file))
      const isV2 = readdirSync(log).some((file) => /\.checkpoint\.[0-9a-f-]+\.json$/.test(file))
      expect(isV2).toBe(name === 'v2_checkpoint')
      const ours = await loadOurs(lake, table, newest)
      const scan = await load(lake, 'theirs', `SELECT * FROM delta_scan('${copy}')`)
      await expectSame(lake, ours, scan)
      const output = join(lake.folder, 'delta-rs', `${name}_from_checkpoint`)
      await exportWithDeltaRs(engines as OtherEngines, copy, output, [newest])
      await expectSame(
        lake,
        ours,
        await load(lake, 'theirs', `SELECT * FROM '${output}/${newest}.parquet'`),
      )
      const reopened = await lake.format.open(`${name}_from_checkpoint`)
      await expectSame(lake, await loadOurs(lake, reopened as Table, newest), ours)
    },
  )
})
