/** The columns of a table change on a live server: what the tables of a real pipeline become. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { parseDocument } from '../../../support/cli/documents.ts'
import { createProcesses, type Ended } from '../../../support/cli/process.ts'
import { startServer, type TestServer } from './harness.ts'

const processes = createProcesses()
let server: TestServer
let folder = ''
let pipeline = ''
let number = 0

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-schema-'))
  pipeline = `schema${number++}`
  await server.sql(`CREATE TABLE ${pipeline} (id int PRIMARY KEY, a int, b text, c real)`)
  await server.sql(`INSERT INTO ${pipeline} VALUES (1, 1, 'one', 0.5), (2, 2, 'two', 1.5)`)
  configure('')
  expect((await sluice('run', '--once')).code).toBe(0)
})
afterEach(async () => {
  await processes.killAll()
  rmSync(folder, { recursive: true, force: true })
})

function configure(override: string): void {
  const text = `apiVersion: v1
store: { url: ./lake }
sources:
  pg: { postgres: { url: '${server.url}' } }
pipelines:
  - name: ${pipeline}
    from: pg
    tables: [public.${pipeline}]
    commit: { every: 100ms }
    overrides: { public.${pipeline}: { ${override} } }
`
  writeFileSync(join(folder, 'sluice.yaml'), text)
}

const sluice = (...args: readonly string[]): Promise<Ended> => processes.start(folder, args).ended

async function select(what: string): Promise<readonly (readonly unknown[])[]> {
  const ended = await sluice('sql', '--json', `SELECT ${what}`)
  expect(ended.stderr).toBe('')
  return parseDocument('sql', ended.stdout).rows
}

const columns = async (): Promise<unknown[]> => {
  const rows = await select(`column_name, column_type FROM (DESCRIBE SELECT * FROM ${pipeline})`)
  return rows.map((row) => row.join(' '))
}

test('follows a rename, an added and a dropped column, and a type that grows', async () => {
  await server.sql(`
    ALTER TABLE ${pipeline} RENAME a TO amount;
    ALTER TABLE ${pipeline} ALTER amount TYPE bigint;
    ALTER TABLE ${pipeline} DROP c, ADD d date;
    UPDATE ${pipeline} SET d = '2026-01-02' WHERE id = 2`)
  expect((await sluice('run', '--once')).code).toBe(0)
  expect(await columns()).toEqual(['id INTEGER', 'amount BIGINT', 'b VARCHAR', 'c FLOAT', 'd DATE'])
  expect(await select(`id, amount::INT, b, c, d::VARCHAR FROM ${pipeline} ORDER BY id`)).toEqual([
    [1, 1, 'one', 0.5, null],
    [2, 2, 'two', null, '2026-01-02'],
  ])
  const before = `(SELECT * FROM ${pipeline} AT (VERSION => 1))`
  expect(await select(`a, c FROM ${before} ORDER BY id`)).toEqual([
    [1, 0.5],
    [2, 1.5],
  ])
  const verified = parseDocument('verify', (await sluice('verify', pipeline, '--json')).stdout)
  expect(verified).toMatchObject({ equal: true })
})

test('stops at a type it cannot hold, says how to go on, and goes on so', async () => {
  await server.sql(`INSERT INTO ${pipeline} VALUES (3, 3, 'three', 3)`)
  await server.sql(`ALTER TABLE ${pipeline} ALTER a TYPE text; UPDATE ${pipeline} SET a = 'x'`)
  const stopped = await sluice('run', '--once')
  expect(stopped.stderr).toContain('SLU-ING-4005')
  expect(stopped.stderr).toMatch(/\.a is now text \(was integer\)/)
  configure(`table: ${pipeline}_again`)
  expect((await sluice('run', '--once')).code).toBe(0)
  expect(await select(`id, a FROM ${pipeline}_again ORDER BY id`)).toEqual([
    [1, 'x'],
    [2, 'x'],
    [3, 'x'],
  ])
})

test('never takes a column for another that was there before it', async () => {
  await server.sql(`
    ALTER TABLE ${pipeline} DROP a, ADD x int;
    UPDATE ${pipeline} SET x = 7 WHERE id = 1`)
  expect((await sluice('run', '--once')).code).toBe(0)
  expect(await select(`id, a, x FROM ${pipeline} ORDER BY id`)).toEqual([
    [1, null, 7],
    [2, 2, null],
  ])
  // Renamed, read by nobody, dropped: it may have been another column.
  await server.sql(`
    ALTER TABLE ${pipeline} RENAME x TO y;
    UPDATE ${pipeline} SET y = 8 WHERE id = 1;
    ALTER TABLE ${pipeline} DROP y, ADD z text;
    ALTER TABLE ${pipeline} DROP z;
    UPDATE ${pipeline} SET b = 'unread'`)
  expect((await sluice('run', '--once')).stderr).toContain('SLU-ING-4012')
})

test('stops when the key is another one', async () => {
  await server.sql(`
    ALTER TABLE ${pipeline} DROP CONSTRAINT ${pipeline}_pkey, ADD PRIMARY KEY (id, b);
    UPDATE ${pipeline} SET a = 9`)
  expect((await sluice('run', '--once')).stderr).toContain('SLU-ING-4011')
})
