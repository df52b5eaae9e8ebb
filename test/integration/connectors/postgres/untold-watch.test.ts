/** The watch, while somebody else changes the table between two of its questions. */

import { expect, test } from 'vitest'
import { requireTables, type TableFacts } from '../../../../connectors/postgres/catalog.ts'
import { type Connection, connect } from '../../../../connectors/postgres/connection.ts'
import { postgresSettingsSchema } from '../../../../connectors/postgres/index.ts'
import { SchemaRegistry } from '../../../../connectors/postgres/schemas.ts'
import { UntoldWatch } from '../../../../connectors/postgres/untold.ts'
import { clock, createMemory, silent } from './harness.ts'
import { liveServer } from './live-server.ts'

const server = liveServer(`
    CREATE TABLE t (id int PRIMARY KEY, a int);
    INSERT INTO t SELECT i, i FROM generate_series(1, 20) i`)

interface Watched extends AsyncDisposable {
  look(): Promise<readonly string[]>
  /** Runs a statement before each question to the rows of the table, one a question. */
  meanwhile(statements: readonly string[]): void
  readonly notes: () => string
}

/** A watch that knows the table as it is now. */
async function watch(): Promise<Watched> {
  const settings = postgresSettingsSchema.parse({ url: server.url })
  const context = { clock, telemetry: silent, name: 'test', pipeline: 'test' }
  const own = await connect({ settings, context, replication: false })
  const waiting: string[] = []
  const connection: Connection = {
    ...own,
    query: async (text, values) => {
      const statement = text.startsWith('SELECT 1 FROM') ? waiting.shift() : undefined
      if (statement !== undefined) await server.sql(statement)
      return own.query(text, values)
    },
  }
  const memory = createMemory()
  const schemas = new SchemaRegistry({ columnTypes: {}, unfitValues: 'stop' })
  const columns = new Map()
  const found = await UntoldWatch.open({ settings, context, connection, memory, schemas, columns })
  const tables: readonly TableFacts[] = await requireTables(own, ['public.t'])
  await found.settle(tables)
  return {
    look: () => found.look(tables),
    meanwhile: (statements) => void waiting.push(...statements),
    notes: () => JSON.stringify(memory.notes),
    [Symbol.asyncDispose]: () => own.close(),
  }
}

test('a table that is written again before its rows are asked for has old rows still', async () => {
  await using watched = await watch()
  await server.sql("ALTER TABLE t ADD b date DEFAULT '2012-08-15'; ALTER TABLE t ALTER a TYPE int8")
  watched.meanwhile([
    'ALTER TABLE t ALTER b TYPE timestamp',
    'ALTER TABLE t RENAME b TO c',
    'ALTER TABLE t ALTER a TYPE numeric',
  ])
  await expect(watched.look()).rejects.toMatchObject({
    code: 'SLU-SRC-1234',
    message: 'rows of public.t have values in its new column c that no record told',
  })
})

test.each([
  ['by one more ALTER', ['ALTER TABLE t ALTER a TYPE int8']],
  [
    'and its catalogue row by others',
    ['ALTER TABLE t ALTER a TYPE int8', 'GRANT SELECT ON t TO public'],
  ],
  ['and VACUUM', ['ALTER TABLE t ALTER a TYPE int8', 'VACUUM FULL t']],
  [
    'and its default dropped',
    [
      'ALTER TABLE t ALTER b DROP DEFAULT',
      'ALTER TABLE t SET UNLOGGED',
      'ALTER TABLE t SET LOGGED',
    ],
  ],
])('old rows stay old when the table is written again, %s', async (_, statements) => {
  await using watched = await watch()
  await server.sql("ALTER TABLE t ADD b date DEFAULT '2012-08-15'")
  await server.sql('ALTER TABLE t ALTER b TYPE timestamp')
  for (const statement of statements) await server.sql(statement)
  await expect(watched.look()).rejects.toMatchObject({ code: 'SLU-SRC-1234' })
})

test('a default is not forgotten with the last row that showed it', async () => {
  for (const statement of ['TRUNCATE t', 'DELETE FROM t', 'UPDATE t SET b = DEFAULT']) {
    await server.sql('ALTER TABLE t DROP COLUMN IF EXISTS b; DELETE FROM t')
    await server.sql('INSERT INTO t VALUES (1, 1), (2, 2)')
    await using watched = await watch()
    await server.sql("ALTER TABLE t ADD b date DEFAULT '2012-08-15'")
    await server.sql(`${statement}; ALTER TABLE t ALTER b TYPE timestamp`)
    await expect(watched.look()).rejects.toMatchObject({ code: 'SLU-SRC-1234' })
    await server.sql('ALTER TABLE t ALTER a TYPE int8')
  }
})

test('a column without a default goes on without a word, whatever rows there are', async () => {
  for (const statement of ['TRUNCATE t', 'DELETE FROM t', 'SELECT 1']) {
    await server.sql('ALTER TABLE t DROP COLUMN IF EXISTS b; DELETE FROM t')
    await server.sql('INSERT INTO t VALUES (1, 1), (2, 2)')
    await using watched = await watch()
    await server.sql(`ALTER TABLE t ADD b date; ${statement}; ALTER TABLE t ALTER a TYPE int8`)
    expect(await watched.look()).toEqual([])
    await server.sql('ALTER TABLE t ALTER a TYPE int4')
  }
})

test('rows of a partition stay old when it is written again', async () => {
  await server.sql(`
    DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, a int) PARTITION BY RANGE (id);
    CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10);
    CREATE TABLE high (id int PRIMARY KEY, a int);
    INSERT INTO high VALUES (11, 11)`)
  await using watched = await watch()
  await server.sql('ALTER TABLE t ATTACH PARTITION high FOR VALUES FROM (10) TO (20)')
  await server.sql('ALTER TABLE t ALTER a TYPE int8')
  await server.sql('GRANT SELECT ON high TO public')
  await expect(watched.look()).rejects.toMatchObject({ code: 'SLU-SRC-1234' })
})

test('a new partition and its rows are told, whoever may read it', async () => {
  await server.sql(`
    DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, a int) PARTITION BY RANGE (id);
    CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10)`)
  await using watched = await watch()
  await server.sql('CREATE TABLE high PARTITION OF t FOR VALUES FROM (10) TO (20)')
  await server.sql('INSERT INTO t VALUES (11, 11); GRANT SELECT ON high TO public')
  expect(await watched.look()).toEqual([])
})

test('a table that is gone before its rows are asked for is left alone', async () => {
  await using watched = await watch()
  const before = watched.notes()
  await server.sql('ALTER TABLE t ADD b float8 DEFAULT random()')
  watched.meanwhile(['DROP TABLE t'])
  expect(await watched.look()).toEqual([])
  expect(watched.notes()).toBe(before)
})

test('a table that is written all the time is looked at another time', async () => {
  await using watched = await watch()
  const before = watched.notes()
  await server.sql('ALTER TABLE t ADD b float8 DEFAULT random()')
  watched.meanwhile(Array.from({ length: 20 }, () => 'VACUUM FULL t'))
  expect(await watched.look()).toEqual([])
  expect(watched.notes()).toBe(before)
  await expect(watched.look()).rejects.toMatchObject({ code: 'SLU-SRC-1234' })
})
