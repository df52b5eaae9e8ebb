/** A process that reaches a real limit of file sizes, and goes on by itself once it is lifted. */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseDocument } from '../support/cli/documents.ts'
import { createProcesses } from '../support/cli/process.ts'
import { isMissing } from '../support/require.ts'

const CONFIG = `apiVersion: v1
store: { url: ./lake }
sources:
  landing: { files: { path: ./in, stream: orders } }
pipelines: [{ name: orders, from: landing, tables: [orders], to: { key: [id] } }]
`
const BIN = resolve(import.meta.dirname, '../../src/cli/sluice.cjs')
const ROW_COUNT = 5000

let folder = ''
const processes = createProcesses()

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-full-'))
  mkdirSync(join(folder, 'in'))
  writeFileSync(join(folder, 'sluice.yaml'), CONFIG)
})

afterEach(async () => {
  await processes.killAll()
  rmSync(folder, { recursive: true, force: true })
})

test.skipIf(isMissing('full-disk', 'prlimit', hasPrlimit()))(
  'waits while files may not grow and goes on when they may',
  async () => {
    const lines = Array.from({ length: ROW_COUNT }, (_, id) => `{"id":${id},"text":"number ${id}"}`)
    writeFileSync(join(folder, 'in/a.ndjson'), `${lines.join('\n')}\n`)
    // Far below the landed bytes, and far above the small files of status and log.
    const command = `ulimit -S -f 64; exec "$0" "$@"`
    const child = spawn('bash', ['-c', command, process.execPath, BIN, 'run', '--once'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let told = ''
    child.stderr.on('data', (bytes: Buffer) => {
      const isFirst = !told.includes('starting over')
      told += bytes.toString()
      if (isFirst && told.includes('starting over')) {
        execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited:'])
      }
    })
    const [code] = await once(child, 'close')
    expect(told).toContain('"code":"SLU-ENG-7003"')
    expect(told).toContain('EFBIG')
    expect(code, told).toBe(0)
    const query = 'select count(*), count(distinct id), sum(id) from orders'
    const { stdout } = await processes.start(folder, ['sql', '--json', query]).ended
    const sum = String((ROW_COUNT * (ROW_COUNT - 1)) / 2)
    expect(parseDocument('sql', stdout).rows.map((row) => row.map(String))).toEqual([
      [String(ROW_COUNT), String(ROW_COUNT), sum],
    ])
  },
)

function hasPrlimit(): boolean {
  try {
    execFileSync('prlimit', ['--version'])
    return true
  } catch {
    return false
  }
}
