import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { runCopyKills } from '../torture/copy-kills.ts'

const ROWS = 250_000
const KILLS = 4

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-copy-kills-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('a first copy goes on where it was, however often it is killed', async () => {
  const log: string[] = []
  const result = await runCopyKills({
    folder,
    rows: ROWS,
    kills: KILLS,
    seed: 20_262,
    checksVersions: true,
    // Small batches and chunks: a small copy passes through as many as a large one.
    tuning: ['commit: { every: 200ms, maxRows: 5000 }'],
    snapshot: '{ parallel: 2, chunkRows: 5000 }',
    print: (line) => log.push(line),
  })
  expect(result.problems.join('\n'), log.join('\n')).toBe('')
  expect(result).toMatchObject({ killed: KILLS, wrongRows: 0 })
  expect(result.partialUpdates, 'updates that left values out').toBeGreaterThan(0)
}, 240_000)
