import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseDocument } from '../../../../support/cli/documents.ts'
import { type CliSurroundings, runInFolder } from '../../../../support/cli/host.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-init-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const sluice = (...args: readonly string[]) => runInFolder(folder, args)
const written = (file = 'sluice.yaml'): string => readFileSync(join(folder, file), 'utf8')
const asked = (answers: string[], more: CliSurroundings = {}): CliSurroundings => ({
  ...more,
  ask: () => Promise.resolve(answers.shift() ?? ''),
})

test('writes a valid configuration of a database without reaching it', async () => {
  const url = 'postgres://me:ge%40heim@db.invalid:5433/Web-Shop?sslmode=require'
  const made = await sluice('init', 'postgres', '--url', url, '--tables', 'a.b, c', '--offline')
  expect(made).toMatchObject({ exitCode: 0, stderr: '' })
  expect(made.stdout).toContain('export PGPASSWORD=')
  const text = written()
  expect(text).toContain('url: postgres://me@db.invalid:5433/Web-Shop?sslmode=require\n')
  expect(text).not.toContain('heim')
  expect(text).toMatch(/tables: .*\n {6}- a\.b\n {6}- public\.c\n/)
  expect(text).toMatch(/^ {2}- name: web_shop$/m)
  expect((await sluice('validate')).exitCode).toBe(0)
})

test('names the schema, which it writes beside the configuration', async () => {
  await sluice('init', 'postgres', '--offline', '-c', 'conf/shop.yaml')
  const [, schema = ''] =
    /^# yaml-language-server: \$schema=(.*)\n/.exec(written('conf/shop.yaml')) ?? []
  const printed = JSON.parse((await sluice('schema')).stdout)
  expect(JSON.parse(written(join('conf', schema)))).toEqual(printed)
  expect((await sluice('validate', join(folder, 'conf/shop.yaml'))).exitCode).toBe(0)
})

test('keeps a configuration that is there, unless forced', async () => {
  writeFileSync(join(folder, 'sluice.yaml'), 'mine')
  const refused = await sluice('init', 'postgres', '--offline')
  expect(refused.exitCode).toBe(1)
  expect(refused.stderr).toContain('error: SLU-CLI-8010')
  expect(written()).toBe('mine')
  expect((await sluice('init', 'postgres', '--offline', '--force')).exitCode).toBe(0)
  expect((await sluice('validate')).exitCode).toBe(0)
})

test('looks at a folder of files and tells a key that they do not have', async () => {
  mkdirSync(join(folder, 'orders'))
  writeFileSync(join(folder, 'orders', 'a.ndjson'), '{"id":1,"shop":"a"}\n')
  const made = await sluice('init', 'files', '--path', 'orders', '--key', 'id,size', '--json')
  const document = parseDocument('init', made.stdout)
  expect(document).toMatchObject({
    template: 'files',
    reached: true,
    tables: [{ stream: 'orders', key: ['id', 'size'], mode: 'upsert' }],
    notes: ['the files have no column size; they have id, shop'],
  })
  expect((await sluice('validate')).exitCode).toBe(0)
})

test('makes a configuration that runs', async () => {
  mkdirSync(join(folder, 'orders'))
  writeFileSync(join(folder, 'orders', 'a.ndjson'), '{"id":1,"n":1}\n{"id":1,"n":2}\n')
  await sluice('init', '--path', 'orders', '--key', 'id')
  writeFileSync(join(folder, 'sluice.yaml'), written().replace('every: 10s', 'every: 50ms'))
  expect((await sluice('run', '--once')).exitCode).toBe(0)
  const { rows } = parseDocument('sql', (await sluice('sql', 'from orders', '--json')).stdout)
  expect(rows.map((row) => row.slice(0, 2))).toEqual([[1, 2]])
})

test('tells why a source is not reached, and writes all the same', async () => {
  const made = await sluice('init', 'postgres', '--url', 'postgres://me@127.0.0.1:1/shop')
  expect(made.exitCode).toBe(0)
  expect(made.stderr).toContain('not reached, so nothing is known of the tables: SLU-SRC-1200')
  expect(made.stderr).toContain('public.orders is an example')
  expect((await sluice('validate')).exitCode).toBe(0)
})

test('writes nothing when an option makes no valid setting', async () => {
  const bad = await sluice('init', 'postgres', '--url', 'mysql://me@db.invalid/shop', '--offline')
  expect(bad.exitCode).toBe(78)
  expect(bad.stderr).toContain('must begin with postgres://')
  expect(() => written()).toThrow('ENOENT')
})

test('needs a template where nobody can be asked', async () => {
  const none = await sluice('init')
  expect(none.exitCode).toBe(2)
  expect(none.stderr).toContain('init needs a template')
  const unknown = await sluice('init', 'kafka')
  expect(unknown.exitCode).toBe(2)
  expect(unknown.stderr).toContain('there is no template "kafka"')
})

test('asks at a terminal what the options leave open, unless told not to', async () => {
  const url = 'postgres://me@127.0.0.1:1/shop'
  const made = await runInFolder(folder, ['init'], asked(['', url]))
  expect(made.exitCode).toBe(0)
  expect(written()).toContain(`url: ${url}\n`)
  for (const silent of ['--no-input', '--json']) {
    expect((await runInFolder(folder, ['init', '--force', silent], asked(['']))).exitCode).toBe(2)
  }
})
