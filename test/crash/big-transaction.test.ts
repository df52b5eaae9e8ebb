import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { runBigTransaction } from '../torture/big-transaction.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-crash-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('a process killed inside a large streamed transaction shows none of it, then all', async () => {
  const result = await runBigTransaction({
    folder,
    rows: 100_000,
    isKilled: true,
    decodingMemory: '1MB',
    tuning: ['commit: { every: 200ms, partRows: 5000 }', 'memory: 128MiB', 'inFlight: 4MiB'],
    print: (line) => console.log(line),
  })
  expect(result.problems).toEqual([])
  expect(result).toMatchObject({ isKilled: true, changes: expect.any(Number) })
}, 120_000)
