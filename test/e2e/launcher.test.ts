/** What the launcher starts a process with that works for long. */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createProcesses } from '../support/cli/process.ts'
import { isMissing } from '../support/require.ts'

const CONFIG = `apiVersion: v1
store: { url: ./lake }
sources:
  landing: { files: { path: ./in, stream: orders } }
pipelines: [{ name: orders, from: landing, tables: [orders], to: { key: [id] } }]
`

let folder = ''
const processes = createProcesses()

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-launcher-'))
  mkdirSync(join(folder, 'in'))
  writeFileSync(join(folder, 'in/a.ndjson'), '{"id":1}\n')
  writeFileSync(join(folder, 'sluice.yaml'), CONFIG)
})

afterEach(async () => {
  await processes.killAll()
  rmSync(folder, { recursive: true, force: true })
})

const hasProc = existsSync('/proc/self/environ')

test.skipIf(isMissing('launcher', '/proc', hasProc)).each(['run', 'dev'])(
  '%s has allocators that give memory back, in the process that was started',
  async (verb) => {
    const { child, ended, says } = processes.start(folder, [verb], { MALLOC_ARENA_MAX: '7' })
    await says('table opened')
    const words = (name: string): readonly string[] =>
      readFileSync(`/proc/${child.pid}/${name}`, 'utf8').split('\0')
    expect(words('environ')).toEqual(
      expect.arrayContaining([
        'MALLOC_ARENA_MAX=7',
        'MALLOC_TRIM_THRESHOLD_=1048576',
        'DUCKDB_JE_MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0',
      ]),
    )
    expect(words('cmdline')).toContain('--max-semi-space-size=4')
    child.kill('SIGTERM')
    expect(await ended).toMatchObject({ code: 0, signal: null })
  },
)
