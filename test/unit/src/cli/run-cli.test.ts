import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseDocument } from '../../../support/cli/documents.ts'
import { runInFolder } from '../../../support/cli/host.ts'

const CONFIG = `apiVersion: v1
name: demo
store: { url: ./lake }
sources:
  landing: { files: { path: ./in, stream: orders } }
  log: { files: { path: ./log, stream: events } }
pipelines:
  - name: orders
    from: landing
    tables: [orders]
    to: { namespace: shop, key: [id], deleteWhen: { column: op, equals: del } }
  - name: events
    from: log
    tables: [events]
`

let folder = ''
const sluice = (...args: readonly string[]) => runInFolder(folder, args)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'))
  mkdirSync(join(folder, 'in'))
  mkdirSync(join(folder, 'log'))
  writeFileSync(join(folder, 'sluice.yaml'), CONFIG)
  const rows = [
    '{"id":1,"big":9223372036854775807,"name":"eins","op":"put"}',
    '{"id":2,"big":2,"name":"zwei \\"2\\"","op":"put"}',
    '{"id":3,"big":3,"name":null,"op":"put"}',
  ]
  writeFileSync(join(folder, 'in', 'a.ndjson'), `${rows.join('\n')}\n`)
  writeFileSync(join(folder, 'log', 'a.ndjson'), '{"n":1}\n{"n":2}\n')
  const first = await sluice('run', '--json', '--quiet')
  expect(first.stderr).toBe('')
  const end = parseDocument('run', first.stdout)
  expect(end.pipelines).toMatchObject([
    {
      ...{ pipeline: 'orders', end: 'source-ended', error: null, recordsRead: 3 },
      splits: [{ split: 'folder', floorPosition: '3' }],
    },
    { pipeline: 'events', end: 'source-ended', error: null, recordsRead: 2 },
  ])
  const more = '{"id":2,"big":4,"name":"neu","op":"put"}\n{"id":3,"op":"del"}\n'
  appendFileSync(join(folder, 'in', 'a.ndjson'), more)
  expect((await sluice('run', 'orders', '--once')).exitCode).toBe(0)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('documents', () => {
  test('tables lists every table with exact counts', async () => {
    const { tables } = parseDocument('tables', (await sluice('tables', '--json')).stdout)
    expect(tables).toMatchObject([
      { table: 'shop.orders', pipeline: 'orders', mode: 'upsert', version: '2', rowCount: '2' },
      { table: 'events', pipeline: 'events', mode: 'append', version: '1', rowCount: '2' },
    ])
  })

  test('status tells state and cursors of each pipeline', async () => {
    const { pipelines } = parseDocument('status', (await sluice('status', '--json')).stdout)
    expect(pipelines).toMatchObject([
      { pipeline: 'orders', state: 'stopped', running: false, processId: null, lastError: null },
      { pipeline: 'events', state: 'stopped' },
    ])
    expect(pipelines[0]?.tables[0]?.cursors).toMatchObject([{ phase: 'stream', nextPosition: '5' }])
  })

  test('show describes columns, key and cursor', async () => {
    const shown = parseDocument('show', (await sluice('show', 'orders', '--json')).stdout)
    expect(shown).toMatchObject({ table: 'shop.orders', key: ['id'], rowCount: '2' })
    expect(shown.location).toBe(`file://${folder}/lake/shop/orders`)
    expect(shown.columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'id long',
      'big long',
      'name string',
      'op string',
      '_sluice_split integer',
      '_sluice_position long',
    ])
  })

  test('timeline lists commits newest first, with accounting', async () => {
    const { commits } = parseDocument(
      'timeline',
      (await sluice('timeline', 'orders', '--json')).stdout,
    )
    expect(commits.map(({ version }) => version)).toEqual(['2', '1', '0'])
    expect(commits[0]?.accounting).toMatchObject({ read: 2, inserted: 0, updated: 1, deleted: 1 })
    const one = await sluice('timeline', 'orders', '--json', '--limit', '1')
    expect(parseDocument('timeline', one.stdout).commits).toHaveLength(1)
  })

  test('commit tells everything about one commit', async () => {
    const { commit } = parseDocument(
      'commit',
      (await sluice('commit', 'orders', '1', '--json')).stdout,
    )
    expect(commit).toMatchObject({ version: '1', accounting: { read: 3, applied: 3 } })
    expect(Object.keys(commit.stepTimingsMs).length).toBeGreaterThan(2)
  })

  test('sql keeps every digit', async () => {
    const text = 'select id, big, 12345678901234567890.123456789 as d from shop.orders order by id'
    const { columns, rows, truncated } = parseDocument(
      'sql',
      (await sluice('sql', text, '--json')).stdout,
    )
    expect(columns.map(({ name }) => name)).toEqual(['id', 'big', 'd'])
    expect(rows).toEqual([
      [1, '9223372036854775807', '12345678901234567890.123456789'],
      [2, 4, '12345678901234567890.123456789'],
    ])
    expect(truncated).toBe(false)
  })

  test('changes gives images of updates and the version to go on from', async () => {
    const { stdout } = await sluice('changes', 'orders', '--from', '1', '--json')
    const { changes, next } = parseDocument('changes', stdout)
    expect(changes.map((change) => [change._change_type, change.id, change.name])).toEqual([
      ['update_preimage', 2, 'zwei "2"'],
      ['update_postimage', 2, 'neu'],
      ['delete', 3, null],
    ])
    expect(next).toBe('2')
  })

  test('verify compares an append table with its files', async () => {
    const result = parseDocument('verify', (await sluice('verify', 'events', '--json')).stdout)
    expect(result).toMatchObject({ equal: true, rowsTable: '2', rowsSource: '2', differences: [] })
  })

  test('check reaches the store and the sources', async () => {
    const { ok, checks } = parseDocument('check', (await sluice('check', '--json')).stdout)
    expect(ok).toBe(true)
    expect(new Set(checks.map(({ subject }) => subject))).toEqual(
      new Set(['store', 'orders', 'events']),
    )
  })

  test('validate, explain and version', async () => {
    expect(parseDocument('validate', (await sluice('validate', '--json')).stdout).valid).toBe(true)
    const explained = parseDocument(
      'explain',
      (await sluice('explain', 'cfg-1003', '--json')).stdout,
    )
    expect(explained).toMatchObject({ code: 'SLU-CFG-1003', exitCode: 78 })
    const { version } = parseDocument('version', (await sluice('version', '--json')).stdout)
    expect(version).toMatch(/^\d+\.\d+\.\d+$/)
  })
})

describe('text', () => {
  test('prints aligned tables without codes in a pipe', async () => {
    const { stdout } = await sluice('sql', 'select id, name from shop.orders order by id')
    expect(stdout).toBe('id  name\n──  ────\n 1  eins\n 2  neu\n')
  })

  test('prints CSV for other programs', async () => {
    const { stdout } = await sluice('sql', '--format', 'csv', 'from events order by n')
    expect(stdout).toBe('n\r\n1\r\n2\r\n')
  })

  test('reads a statement from a file and from stdin', async () => {
    writeFileSync(join(folder, 'q.sql'), 'select count(*) as n from shop.orders')
    expect((await sluice('sql', '-f', 'q.sql', '--format', 'csv')).stdout).toBe('n\r\n2\r\n')
    const input = { input: 'select 7 as n' }
    const piped = await runInFolder(folder, ['sql', '-f', '-', '--format', 'csv'], input)
    expect(piped.stdout).toBe('n\r\n7\r\n')
  })

  test('prints a JSON Schema that knows every source and refuses unknown settings', async () => {
    const schema: unknown = JSON.parse((await sluice('schema')).stdout)
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      required: expect.arrayContaining(['apiVersion', 'store', 'sources', 'pipelines']),
      additionalProperties: false,
      properties: {
        sources: {
          additionalProperties: {
            properties: {
              postgres: { required: ['url'], additionalProperties: false },
              files: { required: ['path'], additionalProperties: false },
            },
          },
        },
      },
    })
  })

  test('reads older versions and any table by path', async () => {
    const old = await sluice(
      'sql',
      '--format',
      'csv',
      'select count(*) n from shop.orders at (version => 1)',
    )
    expect(old.stdout).toBe('n\r\n3\r\n')
    const path = join(folder, 'lake', 'events')
    const byPath = await sluice('sql', '--format', 'csv', `select sum(n) n from delta('${path}')`)
    expect(byPath.stdout).toBe('n\r\n3\r\n')
  })

  test('cuts long results and says so on stderr', async () => {
    const { stdout, stderr } = await sluice('sql', '--max-rows', '2', 'from range(5) t(n)')
    expect(stdout.split('\n')).toHaveLength(5)
    expect(stderr).toContain('only the first 2 rows')
  })

  test('prints changes as NDJSON and goes on without gap from the token it tells', async () => {
    const first = await sluice('changes', 'orders', '--from', 'beginning', '--to', '1', '--ndjson')
    const token = /next: --from (\S+)/.exec(first.stderr)?.[1] ?? ''
    const second = await sluice('changes', 'orders', '--from', token, '--ndjson')
    const lines = `${first.stdout}${second.stdout}`.trimEnd().split('\n')
    const kinds = lines.map((line) => (JSON.parse(line) as { _change_type: string })._change_type)
    expect(kinds).toEqual([
      'insert',
      'insert',
      'insert',
      'update_preimage',
      'update_postimage',
      'delete',
    ])
  })

  test('tells a token before the version that a limit cut', async () => {
    const cut = await sluice('changes', 'orders', '--from', '1', '--limit', '2', '--ndjson')
    expect(cut.stdout.trimEnd().split('\n')).toHaveLength(2)
    expect(cut.stderr).toContain('next: --from 1\n')
  })

  test('shows the timeline in three zooms', async () => {
    expect((await sluice('timeline', 'orders')).stdout).toMatch(/\n {6}2 .* ingest /)
    expect((await sluice('timeline', 'orders', '--compact')).stdout).toMatch(/1\.\.2 +ingest +2 /)
    expect((await sluice('timeline', 'orders', '--full')).stdout).toContain('STREAMING UPDATE')
  })

  test('emphasises titles on a terminal, unless told not to', async () => {
    const terminal = (noColor: boolean, ...args: readonly string[]) =>
      runInFolder(folder, ['tables', ...args], { isTTY: true, noColor })
    expect((await terminal(false)).stdout).toContain('\u001b[1m')
    expect((await terminal(false, '--no-color')).stdout).not.toContain('\u001b')
    expect((await terminal(true)).stdout).not.toContain('\u001b')
  })

  test('prints notes only when not quiet', async () => {
    expect((await sluice('sql', 'select 1')).stderr).toContain('1 row')
    expect((await sluice('sql', 'select 1', '--quiet')).stderr).toBe('')
  })
})

describe('errors', () => {
  const failing: readonly (readonly [readonly string[], number, string])[] = [
    [['tabels'], 2, 'SLU-CLI-8001'],
    [['tables', '--nope'], 2, 'SLU-CLI-8001'],
    [['timeline', 'orders', '--limit', 'x'], 2, 'SLU-CLI-8001'],
    [['changes', 'orders'], 2, 'SLU-CLI-8001'],
    [['changes', 'orders', '--from', 'x'], 2, 'SLU-CLI-8001'],
    [['sql'], 2, 'SLU-CLI-8001'],
    [['show', 'ordrs'], 3, 'SLU-CLI-8002'],
    [['run', 'nope'], 3, 'SLU-CLI-8003'],
    [['commit', 'orders', '99'], 3, 'SLU-CLI-8005'],
    [['explain', 'SLU-XXX-1'], 3, 'SLU-CLI-8005'],
    [['verify', 'orders'], 1, 'SLU-CLI-8006'],
    [['sql', 'select nope from shop.orders'], 2, 'SLU-SQL-6001'],
    [['sql', 'select * from nope'], 3, 'SLU-SQL-6002'],
    [['sql', 'drop table shop.orders'], 2, 'SLU-SQL-6003'],
    [['sql', 'from shop.orders at (version => 99)'], 3, 'SLU-TAB-3003'],
    [['tables', '-c', 'nope.yaml'], 78, 'SLU-CFG-1001'],
  ]

  test.each(failing)('%j ends with exit code %i and %s', async (args, exitCode, code) => {
    const text = await sluice(...args)
    expect(text.exitCode).toBe(exitCode)
    expect(text.stdout).toBe('')
    expect(text.stderr).toContain(`error: ${code}  `)
    expect(text.stderr).toContain('\n  remedy:  ')
    expect(text.stderr).toContain(`docs/reference/errors.md#${code.toLowerCase()}`)
    const json = await sluice(...args, '--json')
    expect(json.exitCode).toBe(exitCode)
    expect(parseDocument('error', json.stderr)).toMatchObject({ error: { code }, exitCode })
  })

  test('names the nearest table', async () => {
    expect((await sluice('show', 'shop.ordrs')).stderr).toContain('Did you mean "shop.orders"?')
  })

  test('finds no configuration in an empty folder', async () => {
    const empty = mkdtempSync(join(folder, 'empty-'))
    const result = await runInFolder(empty, ['tables'])
    expect(result.exitCode).toBe(78)
    expect(result.stderr).toContain('SLU-CFG-1006')
  })

  test('tells every problem of a configuration, in every command', async () => {
    const bad = join(folder, 'bad.yaml')
    writeFileSync(bad, CONFIG.replace('store:', 'stor:').replace('from: log', 'frm: log'))
    const checked = await sluice('validate', bad)
    expect(checked).toMatchObject({ exitCode: 78, stdout: '' })
    expect(checked.stderr).toContain(`${bad}:3:1  stor  SLU-CFG-1002`)
    expect(checked.stderr).toContain('4 problems')
    const document = parseDocument('validate', (await sluice('validate', bad, '--json')).stdout)
    expect(document.problems).toHaveLength(4)
    const run = await sluice('run', '-c', bad)
    expect(run.exitCode).toBe(78)
    expect(run.stderr).toContain('did you mean "store"?')
  })

  test('shows the cause with --verbose', async () => {
    const { stderr } = await sluice('show', 'nope', '--verbose')
    expect(stderr).toContain('findTable')
  })

  test('one failing pipeline does not end the others, and exit code 8 says so', async () => {
    rmSync(join(folder, 'log'), { recursive: true })
    const { exitCode, stdout } = await sluice('run', '--json', '--quiet')
    const { pipelines } = parseDocument('run', stdout)
    expect(pipelines.map(({ end }) => end)).toEqual(['source-ended', 'failed'])
    expect(pipelines[1]?.error?.remedy).not.toBe('')
    expect(exitCode).toBe(8)
    const status = parseDocument('status', (await sluice('status', 'events', '--json')).stdout)
    expect(status.pipelines[0]?.lastError).not.toBeNull()
  })

  test('leaves nothing in the work folder but status and pipelines', () => {
    expect(existsSync(join(folder, '.sluice', 'run', 'orders.json'))).toBe(true)
    expect(existsSync(join(folder, '.sluice', 'verify', 'part.landed'))).toBe(false)
  })
})
