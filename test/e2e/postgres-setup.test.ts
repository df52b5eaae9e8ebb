/** Before the first start: what `init` and `doctor` tell of a real database. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { startServer, type TestServer } from '../integration/connectors/postgres/harness.ts'
import { parseDocument } from '../support/cli/documents.ts'
import { runInFolder } from '../support/cli/host.ts'

let server: TestServer
let folder = ''
const sluice = (...args: readonly string[]) => runInFolder(folder, args)

beforeAll(async () => {
  server = await startServer()
  await server.sql('CREATE TABLE orders (shop int, id int, note text, PRIMARY KEY (shop, id))')
  await server.sql('CREATE TABLE notes (text text)')
  await server.sql('CREATE SCHEMA "Old.One"')
  await server.sql('CREATE TABLE "Old.One".orders (id int PRIMARY KEY)')
  await server.sql('INSERT INTO orders VALUES (1, 1, NULL)')
})
afterAll(() => server[Symbol.asyncDispose]())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-setup-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

const init = async () => {
  const made = await sluice('init', 'postgres', '--url', server.url, '--json')
  expect([made.exitCode, made.stderr]).toEqual([0, ''])
  return parseDocument('init', made.stdout)
}

async function findingOf(name: string) {
  const { checks } = parseDocument('doctor', (await sluice('doctor', '--json')).stdout)
  return checks.find((check) => check.name === name)
}

test('init lists the tables of a database with what becomes of them', async () => {
  const made = await init()
  expect(made).toMatchObject({
    reached: true,
    tables: [
      { stream: '"Old.One".orders', key: ['id'], mode: 'upsert' },
      { stream: 'public.notes', key: [], mode: 'append' },
      { stream: 'public.orders', key: ['shop', 'id'], mode: 'upsert' },
    ],
    notes: [],
  })
  expect(readFileSync(join(folder, 'sluice.yaml'), 'utf8')).not.toContain('postgres:postgres@')
  expect((await sluice('validate')).exitCode).toBe(0)
})

test('init tells of a table that the database does not have', async () => {
  const args = ['--url', server.url, '--tables', 'orders,ordrs']
  const made = await sluice('init', 'postgres', ...args)
  expect(made.stderr).toBe('note: the database has no table public.ordrs\n')
  expect(made.stdout).toMatch(/^public\.orders +shop, id +one row a key$/m)
})

test('doctor finds what threatens the slot and what the publication leaves out', async () => {
  await init()
  vi.stubEnv('PGPASSWORD', new URL(server.url).password)
  expect(await sluice('doctor')).toMatchObject({ exitCode: 0 })
  expect(await findingOf('clock')).toMatchObject({ status: 'ok' })
  expect(await findingOf('replication connection')).toMatchObject({
    seen: expect.stringContaining('timeline 1'),
  })
  expect(await findingOf('replication slot')).toMatchObject({ status: 'ok' })
  const name = /slot: (sluice_\w+)/.exec(readFileSync(join(folder, 'sluice.yaml'), 'utf8'))?.[1]

  await server.sql(`SELECT pg_create_physical_replication_slot('${name}')`)
  await server.sql(`CREATE PUBLICATION ${name} FOR TABLE orders WHERE (id > 1)`)
  try {
    expect(await findingOf('replication slot')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining('physical'),
    })
    expect(await findingOf('publication')).toMatchObject({
      status: 'fail',
      seen: expect.stringContaining('SLU-SRC-1221'),
    })
  } finally {
    await server.sql(`SELECT pg_drop_replication_slot('${name}')`)
    await server.sql(`DROP PUBLICATION ${name}`)
  }
})
