import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { runSchemaStorm } from '../torture/schema-storm.ts'

const STEPS = 12
const KILLS = 1

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-schema-storm-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('columns that keep changing under kills are right at every version', async () => {
  const log: string[] = []
  const print = (line: string): void => {
    log.push(line)
  }
  const cases = await runSchemaStorm({ folder, steps: STEPS, kills: KILLS, seed: 7, print })
  expect(cases.flatMap(({ problems }) => problems).join('\n'), log.join('\n')).toBe('')
  for (const storm of cases) {
    expect(storm).toMatchObject({ transactions: STEPS, killed: KILLS })
    expect(storm.rowsCompared, storm.case).toBeGreaterThan(0)
  }
}, 300_000)
