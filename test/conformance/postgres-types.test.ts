/**
 * Every type of Postgres at its extremes arrives exactly, by the copy and by the stream, and every
 * reader sees the same.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Table } from '../../src/contracts/index.ts'
import { startServer, type TestServer } from '../integration/connectors/postgres/harness.ts'
import { createProcesses } from '../support/cli/process.ts'
import { expectSame, load, loadOurs, type Reading } from '../support/conformance/compare.ts'
import { type Lake, openLakeAt } from '../support/conformance/lake.ts'
import {
  exportWithDeltaRs,
  findOtherEngines,
  OTHER_ENGINES_HINT,
  type OtherEngines,
} from '../support/conformance/other-engines.ts'
import {
  canonical,
  constant,
  duckText,
  postgresText,
  ROW_COUNT,
  TYPE_CASES,
  TYPES_SQL,
} from '../support/postgres/type-cases.ts'
import { isMissing } from '../support/require.ts'

const engines = findOtherEngines()
const skipped = isMissing('types of Postgres', OTHER_ENGINES_HINT, engines !== null)
const processes = createProcesses()
const folder = mkdtempSync(join(tmpdir(), 'sluice-types-'))
const TABLES = ['copied', 'streamed'] as const
let server: TestServer
let lake: Lake

/** What a server may be set to: none of it may change a value. */
const ODD_SETTINGS = `
  ALTER DATABASE postgres SET datestyle = 'German, DMY';
  ALTER DATABASE postgres SET timezone = 'America/St_Johns';
  ALTER DATABASE postgres SET intervalstyle = 'sql_standard';
  ALTER DATABASE postgres SET bytea_output = 'escape';
  ALTER DATABASE postgres SET extra_float_digits = -15;
  ALTER DATABASE postgres SET quote_all_identifiers = on;
  ALTER DATABASE postgres SET search_path = pub, public;`

const columns = TYPE_CASES.map(({ name, type }) => `${name} ${type}`).join(', ')
const names = TYPE_CASES.map(({ name }) => name).join(', ')

const rowsSql = (shift = 0): string =>
  Array.from({ length: ROW_COUNT }, (_, row) => {
    const values = TYPE_CASES.map((one) => constant(one, (row + shift) % ROW_COUNT))
    return `(${[row, ...values].join(', ')})`
  }).join(', ')

function configure(): void {
  const types = TABLES.flatMap((table) =>
    TYPE_CASES.flatMap(({ name, forced }) =>
      forced === undefined ? [] : [[`public.${table}.${name}`, forced]],
    ),
  )
  const config = {
    apiVersion: 'v1',
    store: { url: './lake' },
    sources: { pg: { postgres: { url: server.url, columnTypes: Object.fromEntries(types) } } },
    pipelines: [
      {
        name: 'types',
        from: 'pg',
        tables: TABLES.map((table) => `public.${table}`),
        commit: { every: '100ms' },
      },
    ],
  }
  writeFileSync(join(folder, 'sluice.yaml'), JSON.stringify(config))
}

async function runOnce(): Promise<void> {
  const ended = await processes.start(folder, ['run', '--once']).ended
  expect([ended.code, ended.stderr]).toEqual([0, expect.not.stringContaining('SLU-')])
}

/** What Postgres holds, as text whose form does not hang on settings of the database. */
async function expected(table: string): Promise<readonly (readonly unknown[])[]> {
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  try {
    await client.query(`SET datestyle TO ISO; SET timezone TO 'UTC'; SET extra_float_digits TO 3;
      SET intervalstyle TO iso_8601; SET lc_monetary TO 'C'; SET quote_all_identifiers TO off;
      SET search_path TO ''`)
    const texts = TYPE_CASES.map(({ canon, name }) => `${postgresText(canon, name)} AS ${name}`)
    const text = `SELECT id, ${texts.join(', ')} FROM public.${table} ORDER BY id`
    const { rows } = await client.query({ text, rowMode: 'array' })
    return rows as readonly (readonly unknown[])[]
  } finally {
    await client.end()
  }
}

async function newest(name: string): Promise<{ table: Table; version: bigint; ours: Reading }> {
  const table = (await lake.format.open(name)) as Table
  const { version } = await table.latest()
  return { table, version, ours: await loadOurs(lake, table, version) }
}

describe.skipIf(skipped)('types of Postgres', () => {
  beforeAll(async () => {
    server = await startServer()
    await server.sql(TYPES_SQL)
    for (const table of TABLES) {
      await server.sql(`CREATE TABLE ${table} (id int PRIMARY KEY, ${columns})`)
    }
    await server.sql(`INSERT INTO copied VALUES ${rowsSql()}`)
    await server.sql(`INSERT INTO streamed VALUES (0), (${ROW_COUNT}), (${ROW_COUNT + 1})`)
    await server.sql(ODD_SETTINGS)
    configure()
    await runOnce()
    // Row 0 is updated, the others are inserted; one is deleted, one changes its key.
    await server.sql(`
      INSERT INTO streamed VALUES ${rowsSql(1)} ON CONFLICT (id)
        DO UPDATE SET (${names}) = ROW (${names.replaceAll(/(\w+)/g, 'EXCLUDED.$1')});
      DELETE FROM streamed WHERE id = ${ROW_COUNT};
      UPDATE streamed SET id = id + 10 WHERE id = ${ROW_COUNT + 1}`)
    await runOnce()
    lake = await openLakeAt(join(folder, 'lake'), [(engines as OtherEngines).deltaExtension])
  })

  afterAll(async () => {
    await lake?.[Symbol.asyncDispose]()
    await processes.killAll()
    await server?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  it.each(TABLES)('have the column types that the documentation names: %s', async (name) => {
    const { ours } = await newest(name)
    const types = Object.fromEntries(ours.columns as [string, string][])
    for (const { name: column, stored } of TYPE_CASES) {
      expect([column, types[column]]).toEqual([column, stored])
    }
  })

  it.each(TABLES)('hold exactly what Postgres holds: %s', async (name) => {
    await newest(name)
    const texts = TYPE_CASES.map(({ canon, name: column }) => duckText(canon, column))
    const stored = await lake.session.query(`SELECT id, ${texts.join(', ')} FROM ours ORDER BY id`)
    const wanted = await expected(name)
    expect(stored.rows.map(([id]) => id)).toEqual(wanted.map(([id]) => id))
    for (const [index, { name: column, canon }] of TYPE_CASES.entries()) {
      const values = (rows: readonly (readonly unknown[])[]): unknown[] =>
        rows.map((row) => canonical(canon, row[index + 1]))
      expect([column, values(stored.rows)]).toEqual([column, values(wanted)])
    }
  })

  it.each(TABLES)('are read by delta-rs as we read them: %s', async (name) => {
    const { version, ours } = await newest(name)
    const output = join(folder, 'delta-rs', name)
    await exportWithDeltaRs(engines as OtherEngines, join(lake.folder, name), output, [version])
    const theirs = await load(lake, 'theirs', `SELECT * FROM '${output}/${version}.parquet'`)
    await expectSame(lake, ours, theirs)
  })

  it.each(TABLES)('are read by the delta extension as we read them: %s', async (name) => {
    const { ours } = await newest(name)
    const sql = `SELECT * FROM delta_scan('${join(lake.folder, name)}')`
    await expectSame(lake, ours, await load(lake, 'theirs', sql))
  })

  it('compare equal with the source', async () => {
    for (const name of TABLES) {
      const ended = await processes.start(folder, ['verify', name]).ended
      expect([ended.code, ended.stderr]).toEqual([0, ''])
    }
  })
})
