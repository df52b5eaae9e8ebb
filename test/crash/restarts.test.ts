import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { runRestarts } from '../torture/restarts.ts'

const RESTARTS = 30

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-restarts-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('restarts that are in order raise no alarm, lose nothing and double nothing', async () => {
  const log: string[] = []
  const print = (line: string): void => {
    log.push(line)
  }
  const result = await runRestarts({ folder, restarts: RESTARTS, seed: 20_263, print })
  expect(result.problems.join('\n'), log.join('\n')).toBe('')
  expect(result).toMatchObject({ wrongRows: 0, clean: expect.any(Number) })
}, 240_000)
