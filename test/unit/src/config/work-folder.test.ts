import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ownFolder } from '../../../../src/config/index.ts'

/** Above every process id that Linux hands out. */
const DEAD_PROCESS_ID = 2 ** 22 + 1

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-work-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('is empty at each start and named for host and process', () => {
  const first = ownFolder(folder, 'pipelines', 'shop')
  expect(basename(first)).toMatch(new RegExp(`\\.${process.pid}$`))
  writeFileSync(join(first, 'left'), '')
  const second = ownFolder(folder, 'pipelines', 'shop')
  expect(second).toBe(first)
  expect(existsSync(join(second, 'left'))).toBe(false)
})

test('removes what dead processes of this machine left and touches nothing else', () => {
  const own = ownFolder(folder, 'pipelines', 'shop')
  const parent = dirname(own)
  const host = basename(own).replace(/\.\d+$/, '')
  const dead = join(parent, `${host}.${DEAD_PROCESS_ID}`)
  const living = join(parent, `${host}.${process.ppid}`)
  const elsewhere = join(parent, `other-${hostname()}.${DEAD_PROCESS_ID}`)
  const foreign = join(parent, 'notes')
  for (const path of [dead, living, elsewhere, foreign]) mkdirSync(path)
  ownFolder(folder, 'pipelines', 'shop')
  expect([dead, living, elsewhere, foreign].map((path) => existsSync(path))).toEqual([
    false,
    true,
    true,
    true,
  ])
})

test('tells with a code that the work folder cannot be written', () => {
  writeFileSync(join(folder, 'file'), '')
  expect(() => ownFolder(join(folder, 'file'), 'x')).toThrowError(
    expect.objectContaining({ code: 'SLU-STO-2001' }),
  )
})
