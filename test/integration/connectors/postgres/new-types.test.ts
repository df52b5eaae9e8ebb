/** Types that are made, altered, renamed and dropped while the stream is read. */

import { expect, test } from 'vitest'
import { createLivePipeline } from '../../../support/postgres/live-pipeline.ts'
import { currentPosition } from './harness.ts'
import { liveServer } from './live-server.ts'

const SOON = 'statusIntervalMs: 100, discoverIntervalMs: 100'

const server = liveServer(`
    CREATE TABLE t (id int PRIMARY KEY, a int);
    INSERT INTO t SELECT i, i FROM generate_series(1, 3) i`)

test('columns of types that were made meanwhile have the types they should have', async () => {
  await using live = createLivePipeline(server.url, "tables: ['public.*']", SOON)
  const life = await live.start()
  await life.catchUp(await currentPosition(server))
  await server.sql(`
    CREATE TYPE mood AS ENUM ('sad', 'fine');
    CREATE DOMAIN small AS int CHECK (VALUE < 100);
    CREATE TYPE pair AS (x int, y text);
    ALTER TABLE t ADD s small, ADD ss small[];
    ALTER TABLE t ADD m mood DEFAULT 'sad', ADD ms mood[] DEFAULT '{sad,fine}', ADD p pair,
      ADD ps pair[]`)
  await server.sql(`
    INSERT INTO t VALUES (4, 4, 42, '{1,2}', 'fine', '{sad}', '(1,"a,b")', '{"(1,x)"}')`)
  await life.catchUp(await currentPosition(server))
  expect(await live.differences('t')).toBe(0n)
  await server.sql(`
    ALTER TYPE mood ADD VALUE 'elated' AFTER 'fine';
    CREATE TYPE size AS ENUM ('s', 'l');
    CREATE TABLE made (id int PRIMARY KEY, m mood[], z size[], s small)`)
  await server.sql(`
    INSERT INTO made VALUES (1, '{elated,sad}', '{s,l}', 7);
    INSERT INTO t (id, m, ms) VALUES (5, 'elated', '{elated,NULL}')`)
  await life.reach(() => life.table('made')?.rowCount === 1n)
  await server.sql(`
    ALTER TYPE mood RENAME TO feeling; ALTER TYPE feeling RENAME VALUE 'sad' TO 'blue';
    INSERT INTO t (id, m, ms) VALUES (6, 'blue', '{blue}')`)
  await life.catchUp(await currentPosition(server))
  await server.sql('ALTER TABLE t ALTER m TYPE text; DROP TYPE pair CASCADE')
  await server.sql("INSERT INTO t (id, m, ms, s) VALUES (7, 'any text', '{blue}', 9)")
  await life.catchUp(await currentPosition(server))
  const types = await columnTypes(live, 't')
  expect(types).toEqual([
    ...['id INTEGER', 'a INTEGER', 's INTEGER', 'ss INTEGER[]', 'm VARCHAR', 'ms VARCHAR[]'],
    ...['p VARCHAR', 'ps VARCHAR[]'],
  ])
  expect(await columnTypes(live, 'made')).toEqual([
    ...['id INTEGER', 'm VARCHAR[]', 'z VARCHAR[]', 's INTEGER'],
  ])
  await life.drain()
})

async function columnTypes(
  live: ReturnType<typeof createLivePipeline>,
  table: string,
): Promise<readonly string[]> {
  await using runtime = await live.runtime()
  await using opened = await runtime.openReader()
  const sql = `SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM "${table}")`
  const { rows } = await opened.reader.rows(sql)
  return rows.map((row) => row.join(' '))
}
