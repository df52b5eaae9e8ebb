import { describe, expect, it } from 'vitest'
import type { Clock, PipelineStatus, TableStatus } from '../../../../src/contracts/index.ts'
import {
  createScreen,
  drawLine,
  drawView,
  type QuickstartView,
} from '../../../../src/quickstart/display.ts'

const table = (name: string, more: Partial<TableStatus>): TableStatus => ({
  table: name,
  stream: `public.${name}`,
  version: 4n,
  rowCount: 20_314n,
  keyCount: 20_314,
  fileCount: 1,
  sizeBytes: 10,
  copy: null,
  commits: 4,
  rowsApplied: 1_234,
  rowsRejected: 0,
  ...more,
})

const status: PipelineStatus = {
  pipeline: 'shop',
  state: 'running',
  startedAtMs: 0,
  observedAtMs: 0,
  tables: [table('orders', {}), table('order_items', { rowCount: 7n, rowsApplied: 1_234_567 })],
  splits: [{ split: 'slot', floorPosition: 5n, endPosition: 9n }],
  lagMs: 840,
  rowsPerSecond: 312.4,
  commits: 43,
  recordsRead: 5,
  lastCommitAtMs: 0,
  lastError: null,
  warnings: [],
}

const view = (more: Partial<PipelineStatus>): QuickstartView => ({
  folder: 'demo',
  sourceAddress: '127.0.0.1:5433',
  transactions: 99,
  status: { ...status, ...more },
  processId: 77,
})

describe('the picture of the quickstart', () => {
  it('lines up tables and shows rate, lag in time and commits', () => {
    const lines = drawView(view({}))
    expect(lines).toContain('pipeline  312 rows/s · lag 0.8 s · 43 commits')
    expect(lines).toContain('table          rows  changes applied  version')
    expect(lines).toContain('orders       20,314            1,234        4')
    expect(lines).toContain('order_items       7        1,234,567        4')
  })

  it('names the commands to try and the process to kill', () => {
    const text = drawView(view({})).join('\n')
    expect(text).toContain('npx sluice sql "select count(*) from orders"')
    expect(text).toContain('kill -9 77')
  })

  it('shows an unknown lag as unknown, not as zero', () => {
    expect(drawLine(view({ lagMs: null }))).toContain('lag unknown')
  })

  it('shows how far the first copy is', () => {
    const copying = table('orders', { copy: { rowsCopied: 5_000, rowsExpected: 20_000 } })
    expect(drawLine(view({ tables: [copying] }))).toContain('copying 5,000 of about 20,000')
  })

  it('names the code of the last error', () => {
    const lastError = { code: 'SLU-SRC-1200', message: 'gone', remedy: 'wait' }
    expect(drawLine(view({ lastError }))).toContain('SLU-SRC-1200')
  })
})

describe('the screen', () => {
  const clockAt = (time: { ms: number }): Clock => ({
    nowMs: () => time.ms,
    monotonicMs: () => time.ms,
    sleep: async () => undefined,
    uuid: () => '',
    random: () => 0,
  })

  it('redraws a terminal in place', () => {
    const written: string[] = []
    const stream = { write: (text: string) => written.push(text), isTTY: true, columns: 40 }
    const screen = createScreen(stream, clockAt({ ms: 0 }))
    screen.show(view({}))
    screen.show(view({}))
    const lineCount = drawView(view({})).length
    expect(written[0]).not.toContain('\u001b')
    expect(written[1]).toContain(`\u001b[${lineCount}A\u001b[0J`)
    expect(written[0]?.split('\n').every((line) => line.length < 40)).toBe(true)
  })

  it('appends a line every five seconds and at a change of state, and the commands once', () => {
    const written: string[] = []
    const time = { ms: 0 }
    const screen = createScreen({ write: (text: string) => written.push(text) }, clockAt(time))
    screen.show(view({ state: 'copying', commits: 0 }))
    screen.show(view({ state: 'copying', commits: 0 }))
    expect(written).toHaveLength(1)
    screen.show(view({}))
    expect(written).toHaveLength(3)
    time.ms = 6_000
    screen.show(view({}))
    expect(written).toHaveLength(4)
    expect(written.join('').match(/Try in another terminal/g)).toHaveLength(1)
  })
})
