import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createProcesses } from '../support/cli/process.ts'

let folder = ''
const processes = createProcesses()

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-'))
  mkdirSync(join(folder, 'in'))
  writeFileSync(
    join(folder, 'in', 'a.ndjson'),
    '{"id":1,"n":1}\n{"id":2,"n":2}\n{"id":1,"n":3}\n{"id":3,"n":"x"}\n',
  )
  writeFileSync(
    join(folder, 'sluice.yaml'),
    `apiVersion: v1
store: { url: ./lake }
server: { listen: 127.0.0.1:0 }
sources:
  landing:
    files: { path: ./in, stream: orders, follow: true, columns: { id: bigint, n: int } }
pipelines:
  - name: shop
    from: landing
    tables: [orders]
    to: { key: [id] }
    onError: skip
    commit: { every: 100ms }
`,
  )
})

afterEach(async () => {
  await processes.killAll()
  rmSync(folder, { recursive: true, force: true })
})

const get = async (url: string): Promise<string> => (await fetch(url)).text()

test('a running process tells whether it is ready, and counts what it does', async () => {
  const run = processes.start(folder, ['run'])
  const told = await run.says('"url":"http')
  const [url = ''] = /http:\/\/[\d.]+:\d+/.exec(told) ?? []
  expect(await get(`${url}/livez`)).toBe('ok\n')
  let page = ''
  while (!page.includes('sluice_state{pipeline="shop",state="idle"} 1')) {
    page = await get(`${url}/metrics`)
  }
  const ready = await fetch(`${url}/readyz`)
  expect(ready.status).toBe(200)
  const of = 'pipeline="shop",table="orders"'
  for (const line of [
    `sluice_commits_total{operation="ingest",${of}} 1`,
    `sluice_records_read_total{${of}} 4`,
    `sluice_records_applied_total{${of}} 2`,
    `sluice_records_superseded_total{${of}} 1`,
    `sluice_records_rejected_total{code="mistyped",${of}} 1`,
    `sluice_rows_inserted_total{${of}} 2`,
    `sluice_table_rows{${of}} 2`,
    `sluice_table_files{${of}} 1`,
    `sluice_index_keys{${of}} 2`,
    'sluice_commit_step_seconds_count{pipeline="shop",step="commit",table="orders"} 1',
    'sluice_read_bytes_total{pipeline="shop"} 62',
    'sluice_source_lag_seconds{pipeline="shop"} 0',
  ]) {
    expect(page.split('\n')).toContain(line)
  }
  expect(page).toMatch(new RegExp(`^sluice_written_bytes_total\\{${of}\\} [1-9]`, 'm'))
  expect(page).toMatch(/^process_resident_memory_bytes \d{8,}$/m)
  run.child.kill('SIGTERM')
  expect((await run.ended).code).toBe(0)
})

test('an address that is taken ends the command before a pipeline starts', async () => {
  const run = processes.start(folder, ['run'])
  const told = await run.says('"url":"http')
  const [, address = ''] = /http:\/\/([\d.]+:\d+)/.exec(told) ?? []
  const second = await processes.start(folder, ['run', '--listen', address]).ended
  expect(second.code).toBe(78)
  expect(second.stderr).toContain('SLU-SVC-7101')
  expect(second.stderr).toContain('another process has this port')
  const wrong = await processes.start(folder, ['run', '--listen', 'here']).ended
  expect(wrong.code).toBe(2)
  expect(wrong.stderr).toContain('--listen must be an address, not "here"')
})
