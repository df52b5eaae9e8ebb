import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FAILPOINTS } from '../../src/ingest/index.ts'
import { runPostgresTorture, SHORT_SIZE, type TortureCase } from '../torture/postgres.ts'

const KILLS = 3
const SEED = 20_261

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-crash-'))
const log: string[] = []
let cases: readonly TortureCase[] = []

beforeAll(async () => {
  const print = (line: string): void => {
    log.push(line)
    console.log(line)
  }
  cases = await runPostgresTorture({
    folder,
    kills: KILLS,
    seed: SEED,
    hasZombie: false,
    size: SHORT_SIZE,
    print,
  })
}, 900_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function caseOf(name: string): TortureCase {
  const found = cases.find((entry) => entry.case === name)
  if (!found) expect.fail(`no case ${name}; the run said:\n${log.join('\n')}`)
  return found
}

/** Problems as text, so that the log of a red run tells what went wrong. */
const problemsOf = (name: string): string => caseOf(name).problems.join('\n')

describe('real processes killed under a write load', () => {
  it('leave every table equal to Postgres, and every version right', () => {
    expect(problemsOf('kills')).toBe('')
    expect(caseOf('kills')).toMatchObject({ killed: KILLS, wrongRows: 0 })
  })

  it('die at every failpoint and go on', () => {
    expect(problemsOf('failpoints')).toBe('')
    expect(Object.keys(caseOf('failpoints').hit as object).sort()).toEqual([...FAILPOINTS].sort())
  })

  it('die while a table that came later is copied beside the others', () => {
    expect(problemsOf('newcomers')).toBe('')
  })

  it('are fenced when two of them run one pipeline', () => {
    expect(problemsOf('fencing')).toBe('')
    expect(caseOf('fencing').exitCodes).toContain(5)
  })

  it('met every kind of transaction that matters', () => {
    expect(problemsOf('load')).toBe('')
  })
})
