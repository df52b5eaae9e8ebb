import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createProcesses } from '../support/cli/process.ts'
import { database, followed, GOOD, replaced } from '../support/config/good-configuration.ts'

let folder = ''
const processes = createProcesses()

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-wrong-e2e-'))
})

afterAll(async () => {
  await processes.killAll()
  rmSync(folder, { recursive: true, force: true })
})

/** A file, the command that reads it, and what stands in the answer. */
const CASES: readonly (readonly [string, string | Buffer, readonly string[], readonly string[]])[] =
  [
    [
      'tabs',
      'apiVersion: v1\nstore:\n\turl: x\n',
      ['validate'],
      ['SLU-CFG-1001', ':3:1', 'spaces'],
    ],
    [
      'binary',
      Buffer.from([127, 69, 76, 70, 0, 255]),
      ['tables'],
      ['SLU-CFG-1001', ':1:6', 'UTF-8'],
    ],
    ['unknown', replaced('store:', 'stroe:'), ['run'], ['SLU-CFG-1002', ':2:1', '"store"']],
    [
      'type',
      followed('    threads: many\n'),
      ['status'],
      ['SLU-CFG-1002', ':12:14', 'From 1 to 256'],
    ],
    [
      'variable',
      database('{ url: "${NO_URL}" }'),
      ['check'],
      ['SLU-CFG-1003', ':5:22', 'set NO_URL'],
    ],
    [
      'contradiction',
      followed('    to: { mode: append, key: [id] }\n'),
      ['sql', 'select 1'],
      ['SLU-CFG-1004', ':11:14', '`mode: upsert`'],
    ],
    ['store', replaced('./lake', 's3://b'), ['dev'], ['SLU-CFG-1005', ':2:15', './lake']],
  ]

test.each(CASES)('%s', async (name, text, args, expected) => {
  const own = join(folder, name)
  mkdirSync(own)
  writeFileSync(join(own, 'sluice.yaml'), text)
  const { code, stdout, stderr } = await processes.start(own, args).ended
  expect([code, stdout]).toEqual([78, ''])
  for (const part of expected) expect(stderr).toContain(part)
  expect(stderr).toContain('sluice.yaml')
})

test('a folder whose files clash, as a document', async () => {
  const own = join(folder, 'conf.d')
  mkdirSync(own)
  writeFileSync(join(own, 'a.yaml'), GOOD)
  writeFileSync(join(own, 'b.yaml'), 'store: { url: ./other }\n')
  const { code, stderr } = await processes.start(folder, ['tables', '-c', 'conf.d', '--json']).ended
  expect(code).toBe(78)
  expect(JSON.parse(stderr)).toMatchObject({
    kind: 'error',
    exitCode: 78,
    error: { code: 'SLU-CFG-1004', message: expect.stringContaining('conf.d/b.yaml:1:1') },
  })
})
