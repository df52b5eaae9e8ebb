import { describe, expect, it } from 'vitest'
import type { PipelineStatus, TableStatus } from '../../../../src/contracts/index.ts'
import { drawLine, drawView, type QuickstartView } from '../../../../src/quickstart/display.ts'

const table = (name: string, more: Partial<TableStatus>): TableStatus => ({
  table: name,
  stream: `public.${name}`,
  version: 4n,
  rowCount: 20_314n,
  keyCount: 20_314,
  copy: null,
  commits: 4,
  rowsApplied: 1_234,
  ...more,
})

const status: PipelineStatus = {
  pipeline: 'shop',
  state: 'running',
  startedAtMs: 0,
  observedAtMs: 0,
  tables: [table('orders', {}), table('order_items', { rowCount: 7n, rowsApplied: 1_234_567 })],
  floorPosition: 5n,
  endPosition: 9n,
  lagMs: 840,
  rowsPerSecond: 312.4,
  commits: 43,
  recordsRead: 5,
  lastCommitAtMs: 0,
  lastError: null,
}

const view = (more: Partial<PipelineStatus>): QuickstartView => ({
  folder: 'demo',
  sourceAddress: '127.0.0.1:5433',
  transactions: 99,
  status: { ...status, ...more },
  nowMs: 0,
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
