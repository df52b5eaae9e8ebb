/** Tables of every shape through the whole pipeline: identities, keys, partitions, names. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parseDocument } from '../../../support/cli/documents.ts'
import { createProcesses, type Ended } from '../../../support/cli/process.ts'
import { resetServer, startServer, type TestServer } from './harness.ts'

const processes = createProcesses()
let server: TestServer
let folder = ''

beforeAll(async () => {
  server = await startServer()
})

beforeEach(async () => {
  await resetServer(server)
  folder = mkdtempSync(join(tmpdir(), 'sluice-tables-'))
  return () => rmSync(folder, { recursive: true, force: true })
})

afterAll(async () => {
  await processes.killAll()
  await server?.[Symbol.asyncDispose]()
})

const run = (...args: readonly string[]): Promise<Ended> => processes.start(folder, args).ended

/** Writes the configuration; `overrides` as in the file. */
function configure(tables: readonly string[], overrides: object = {}, source: object = {}): void {
  const config = {
    apiVersion: 'v1',
    store: { url: './lake' },
    sources: { pg: { postgres: { url: server.url, statusIntervalMs: 100, ...source } } },
    pipelines: [{ name: 'test', from: 'pg', tables, overrides, commit: { every: '100ms' } }],
  }
  writeFileSync(join(folder, 'sluice.yaml'), JSON.stringify(config))
}

async function catchUp(): Promise<string> {
  const ended = await run('run', '--once')
  expect([ended.code, ended.stderr]).toEqual([0, expect.not.stringContaining('SLU-')])
  return ended.stderr
}

async function expectEqual(...tables: readonly string[]): Promise<void> {
  for (const table of tables) {
    const { stdout, stderr } = await run('verify', table, '--json')
    expect([table, stderr]).toEqual([table, ''])
    expect(parseDocument('verify', stdout)).toMatchObject({ equal: true })
  }
}

async function rowsOf(sql: string): Promise<readonly unknown[]> {
  const { stdout, stderr } = await run('sql', '--json', sql)
  expect(stderr).toBe('')
  return parseDocument('sql', stdout).rows
}

async function expectStop(code: string, text: string): Promise<void> {
  const { stderr } = await run('run', '--once')
  expect(stderr).toContain(code)
  expect(stderr).toContain(text)
  expect(stderr).toContain('remedy:')
}

describe('replica identities', () => {
  it('carry updates, deletes and changes of the key, long values included', async () => {
    const tables = ['by_default', 'by_full', 'by_index', 'full_without_key']
    for (const table of tables) {
      const key = table.startsWith('by_') && table !== 'by_index' ? 'PRIMARY KEY' : 'NOT NULL'
      await server.sql(`
        CREATE TABLE ${table} (id int ${key}, n int, doc text);
        ALTER TABLE ${table} ALTER doc SET STORAGE EXTERNAL;
        INSERT INTO ${table} SELECT i, i, repeat(chr(65 + i), 9000) FROM generate_series(1, 6) i;`)
    }
    await server.sql(`
      ALTER TABLE by_full REPLICA IDENTITY FULL;
      ALTER TABLE full_without_key REPLICA IDENTITY FULL;
      CREATE UNIQUE INDEX by_index_id ON by_index (id);
      ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_id;`)
    const streams = tables.map((table) => `public.${table}`)
    configure(streams, { 'public.full_without_key': { key: ['id'] } })
    await catchUp()
    for (const table of tables) {
      await server.sql(`
        UPDATE ${table} SET n = n + 100 WHERE id = 1; UPDATE ${table} SET id = 50 WHERE id = 2;
        UPDATE ${table} SET id = 60, doc = 'short' WHERE id = 3; DELETE FROM ${table} WHERE id = 4;
        INSERT INTO ${table} VALUES (4, 0, NULL); UPDATE ${table} SET doc = NULL WHERE id = 5;`)
    }
    await catchUp()
    await expectEqual(...tables)
  })

  it('nothing and missing keys leave inserts and truncates, with a warning', async () => {
    await server.sql(`
      CREATE TABLE nothing (id int PRIMARY KEY, v text); INSERT INTO nothing VALUES (1, 'a');
      ALTER TABLE nothing REPLICA IDENTITY NOTHING;
      CREATE TABLE keyless (v text); INSERT INTO keyless VALUES ('a'), ('a'), (NULL);
      CREATE TABLE hollow (); INSERT INTO hollow DEFAULT VALUES;`)
    configure(['public.nothing', 'public.keyless', 'public.hollow'])
    expect(await catchUp()).toContain('a stream without a key is only appended to')
    const refused = 'does not have a replica identity'
    await expect(server.sql(`UPDATE nothing SET v = 'b'`)).rejects.toThrow(refused)
    await expect(server.sql('DELETE FROM keyless')).rejects.toThrow(refused)
    await server.sql(`
      INSERT INTO nothing VALUES (2, 'b'); INSERT INTO keyless VALUES ('b'), ('b');
      INSERT INTO hollow DEFAULT VALUES; INSERT INTO hollow DEFAULT VALUES;`)
    await catchUp()
    await expectEqual('nothing', 'keyless')
    expect(await rowsOf('select count(*) from hollow')).toEqual([[3]])
    await server.sql(`
      BEGIN; INSERT INTO keyless VALUES ('gone'); TRUNCATE keyless;
      INSERT INTO keyless VALUES ('c'), ('c'); COMMIT; INSERT INTO keyless VALUES ('d')`)
    await catchUp()
    await expectEqual('keyless')
    const tables = parseDocument('tables', (await run('tables', '--json')).stdout).tables
    expect(tables.map(({ mode }) => mode)).toEqual(['upsert', 'append', 'append'])
  })

  it('full without a key: a change that nothing can be found by stops the pipeline', async () => {
    await server.sql(`
      CREATE TABLE keyless (v text); ALTER TABLE keyless REPLICA IDENTITY FULL;
      INSERT INTO keyless VALUES ('a'), ('a');`)
    configure(['public.keyless'])
    await catchUp()
    await server.sql(`
      INSERT INTO keyless VALUES ('b'); UPDATE keyless SET v = 'c' WHERE v = 'b'`)
    await expectStop('SLU-ING-4014', 'public.keyless has no key')
  })
})

describe('partitions and generated columns', () => {
  it('are read through a root alone, with partitions made meanwhile', async () => {
    await server.sql(`
      CREATE TABLE days (id int, day date, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
      CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
      INSERT INTO days VALUES (1, '2024-01-05', 'a');
      CREATE PUBLICATION sluice_test FOR TABLE days;`)
    configure(['public.days'])
    await expectStop('SLU-SRC-1205', 'SET (publish_via_partition_root = true)')
    await server.sql(`ALTER PUBLICATION sluice_test SET (publish_via_partition_root = true)`)
    await catchUp()
    await server.sql(`
      CREATE TABLE days_2 (v text, id int NOT NULL, gone int, day date NOT NULL);
      ALTER TABLE days_2 DROP gone;
      ALTER TABLE days ATTACH PARTITION days_2 FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
      INSERT INTO days VALUES (2, '2024-02-05', 'b'), (3, '2024-01-06', 'c');
      UPDATE days SET day = '2024-02-09' WHERE id = 1; DELETE FROM days WHERE id = 3;`)
    await catchUp()
    await expectEqual('days')
  })

  it('stored generated columns are read exactly where the publication sends them', async () => {
    await server.sql(`
      CREATE TABLE sums (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED);
      INSERT INTO sums VALUES (1, 1)`)
    const [version] = await server.sql(`SELECT current_setting('server_version_num')::int AS n`)
    const sends = Number(version?.n) >= 180000
    await server.sql(
      `CREATE PUBLICATION sluice_test FOR TABLE sums
       ${sends ? 'WITH (publish_generated_columns = stored)' : ''}`,
    )
    configure(['public.sums'])
    await catchUp()
    await server.sql('INSERT INTO sums VALUES (2, 2); UPDATE sums SET a = 5 WHERE id = 1')
    await catchUp()
    await expectEqual('sums')
    const rows = await rowsOf('select * from sums order by id')
    expect(rows).toEqual(
      sends
        ? [
            [1, 5, 10],
            [2, 2, 4],
          ]
        : [
            [1, 5],
            [2, 2],
          ],
    )
  })
})

describe('names and shapes', () => {
  it('may be anything that Postgres allows', async () => {
    const long = 'ö'.repeat(31)
    const odd = [
      'filename',
      'op',
      'position',
      'time',
      'value',
      'row',
      'select',
      'with space',
      'quo"te',
      "apo's",
      'ünï😀',
      'UPPER',
      'a.b,c=d{}',
      '%41/\\',
      long,
    ]
    const columns = odd.map((name) => `"${name.replaceAll('"', '""')}" text`).join(', ')
    await server.sql(`
      CREATE SCHEMA "My.Schema";
      CREATE TABLE "My.Schema"."my ""table""*" (id int PRIMARY KEY, ${columns});
      INSERT INTO "My.Schema"."my ""table""*" SELECT i FROM generate_series(1, 3) i;
      CREATE TABLE "${long}" ("${long}" int PRIMARY KEY); INSERT INTO "${long}" VALUES (1)`)
    const stream = '"My.Schema"."my ""table""*"'
    configure([stream, `public.${long}`], {
      [stream]: { table: 'odd' },
      [`public.${long}`]: { table: 'long' },
    })
    await catchUp()
    const set = odd.map((name) => `"${name.replaceAll('"', '""')}" = repeat('x', 9000)`).join(', ')
    await server.sql(`
      INSERT INTO "${long}" VALUES (2);
      ALTER TABLE "My.Schema"."my ""table""*" ALTER "filename" SET STORAGE EXTERNAL;
      UPDATE "My.Schema"."my ""table""*" SET ${set} WHERE id = 1;
      DELETE FROM "My.Schema"."my ""table""*" WHERE id = 3`)
    await catchUp()
    // Values of before must come from rows of before: columns of these names are in the way.
    await server.sql(`UPDATE "My.Schema"."my ""table""*" SET "UPPER" = 'y'`)
    await catchUp()
    await expectEqual('odd', 'long')
  })

  it('may be 1,600 columns wide', async () => {
    const columns = Array.from({ length: 1599 }, (_, index) => `c${index} int`)
    await server.sql(`
      CREATE TABLE wide (id int PRIMARY KEY, ${columns.join(', ')});
      INSERT INTO wide (id, c0, c1598) VALUES (1, 1, 1), (2, 2, 2);`)
    configure(['public.wide'])
    await catchUp()
    await server.sql('UPDATE wide SET c1598 = 7 WHERE id = 1; INSERT INTO wide (id) VALUES (3)')
    await catchUp()
    expect(await rowsOf('select id, c0, c1598 from wide order by id')).toEqual([
      [1, 1, 7],
      [2, 2, 2],
      [3, null, null],
    ])
  })

  it('are refused where Postgres sends no changes, by what they are', async () => {
    await server.sql(`
      CREATE TABLE base (id int PRIMARY KEY);
      CREATE VIEW v AS SELECT * FROM base; CREATE MATERIALIZED VIEW mv AS SELECT * FROM base;
      CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY);`)
    for (const [name, what] of [
      ['v', 'a view'],
      ['mv', 'a materialized view'],
      ['fleeting', 'an unlogged table'],
    ]) {
      configure([`public.${name}`])
      const checked = await run('check')
      expect(checked.stdout).toContain(`is ${what}`)
    }
    await expectStop('SLU-ING-4002', 'the source has no public.fleeting')
  })
})
