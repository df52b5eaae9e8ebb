import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { type Ending, type SluiceProcess, startSluice } from '../torture/sluice-process.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-quickstart-'))
const ANSWER_MS_MAX = 60_000
const STOP_MS_MAX = 60_000
let running: SluiceProcess | null = null

afterEach(async () => {
  running?.signal('SIGTERM')
  await running?.endedWithin(STOP_MS_MAX)
  running?.signal('SIGKILL')
  running = null
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function sluice(...args: string[]): Promise<Ending> {
  return startSluice(folder, args).ended
}

/** Asks until there is a table and it holds at least that many orders. */
async function ordersAtLeast(count: number): Promise<number> {
  const giveUpAt = performance.now() + ANSWER_MS_MAX
  for (;;) {
    const ending = await sluice('sql', 'select count(*) as orders from orders', '--json')
    const found = /"rows":\s*\[\s*\[\s*"?(\d+)/.exec(ending.output)?.[1]
    if (ending.code === 0 && Number(found) >= count) return Number(found)
    if (running?.ending()) expect.fail(`the quickstart ended: ${running.ending()?.output}`)
    if (performance.now() > giveUpAt) expect.fail(`no answer: ${ending.output}`)
  }
}

/**
 * A row that came before the compared position and left after it, both in one commit, is in no
 * version and counts as missing. What is really lost is missing every time.
 */
async function verify(table: string): Promise<Ending> {
  const first = await sluice('verify', table, '--against', 'source')
  return first.code === 10 ? sluice('verify', table, '--against', 'source') : first
}

describe('the quickstart', () => {
  it('answers SQL from a second process, goes on after kill -9, and ends clean', async () => {
    running = startSluice(folder, ['quickstart'])
    await ordersAtLeast(10_000)
    running.signal('SIGKILL')
    await running.ended

    running = startSluice(folder, ['quickstart'])
    const before = await ordersAtLeast(10_000)
    await ordersAtLeast(before + 1)
    for (const table of ['customers', 'products', 'orders', 'order_items']) {
      const verified = await verify(table)
      expect(verified.code, verified.output).toBe(0)
    }

    running.signal('SIGINT')
    const ending = await running.endedWithin(STOP_MS_MAX)
    expect(ending?.signal, ending?.output).toBeNull()
    expect([0, 130]).toContain(ending?.code)
    expect(ending?.output).toContain('Stopped.')
  })
})
