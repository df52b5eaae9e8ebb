import { expect, test } from 'vitest'
import {
  copyEtaMs,
  copyJson,
  copyProgressText,
  copyText,
  statusLine,
} from '../../../../../src/cli/verbs/live-text.ts'
import type { PipelineStatus, TableStatus } from '../../../../../src/contracts/index.ts'

function tableWith(copy: TableStatus['copy']): TableStatus {
  return {
    table: 'orders',
    stream: 'public.orders',
    version: 1n,
    rowCount: 1n,
    keyCount: 1,
    fileCount: 1,
    sizeBytes: 10,
    copy,
    commits: 1,
    rowsApplied: 1,
    rowsRejected: 0,
  }
}

function statusWith(part: Partial<PipelineStatus>): PipelineStatus {
  return {
    pipeline: 'shop',
    state: 'running',
    startedAtMs: 0,
    observedAtMs: 0,
    tables: [],
    splits: [],
    lagMs: null,
    rowsPerSecond: 0,
    commits: 3,
    recordsRead: 0,
    lastCommitAtMs: null,
    lastError: null,
    warnings: [],
    ...part,
  }
}

test('shows the progress of a copy, never all of an estimate', () => {
  expect(copyText({ rowsCopied: 250, rowsExpected: 1000 })).toBe('copying 250 of about 1,000 (25%)')
  expect(copyText({ rowsCopied: 1200, rowsExpected: 1000 })).toContain('(99%)')
  expect(copyText({ rowsCopied: 1200, rowsExpected: null })).toBe('copying 1,200')
})

test('tells how long the copy will take at the present rate', () => {
  const tables = [tableWith({ rowsCopied: 0, rowsExpected: 1000 }), tableWith(null)]
  expect(copyEtaMs(statusWith({ tables, rowsPerSecond: 100 }))).toBe(10_000)
  expect(copyEtaMs(statusWith({ tables, rowsPerSecond: 0 }))).toBeNull()
  const unknown = [tableWith({ rowsCopied: 5, rowsExpected: null })]
  expect(copyEtaMs(statusWith({ tables: unknown, rowsPerSecond: 100 }))).toBeNull()
})

test('tells rate and time left of one table', () => {
  const copy = { rowsCopied: 250, rowsExpected: 1000 }
  expect(copyProgressText(copy, 100)).toBe('copying 250 of about 1,000 (25%), 7.5s left')
  expect(copyProgressText(copy, 0)).toBe('copying 250 of about 1,000 (25%)')
  expect(copyJson(copy, 100)).toEqual({ ...copy, rowsPerSecond: 100, etaMs: 7500 })
  expect(copyJson({ ...copy, rowsExpected: null }, 100)).toMatchObject({ etaMs: null })
})

test('puts lag in time first, and the copy while it runs', () => {
  expect(statusLine(statusWith({ lagMs: 800, rowsPerSecond: 1234.4 }))).toBe(
    'shop: running · lag 800ms · 1,234 rows/s · 3 commits',
  )
  const tables = [tableWith({ rowsCopied: 500, rowsExpected: 1000 })]
  expect(statusLine(statusWith({ state: 'copying', tables, rowsPerSecond: 100 }))).toBe(
    'shop: copying · orders copying 500 of about 1,000 (50%) · 5.0s left · 100 rows/s · 3 commits',
  )
})

test('tells the last error with its code', () => {
  const lastError = { code: 'SLU-SRC-1200', message: 'gone', remedy: 'wait' }
  expect(statusLine(statusWith({ state: 'retrying', lastError }))).toContain('SLU-SRC-1200 gone')
})

test('ends with what the source warns of', () => {
  const warnings = [{ code: 'SLU-SRC-1229', message: 'slot a has 3 MB left', remedy: 'raise it' }]
  expect(statusLine(statusWith({ warnings }))).toMatch(
    /3 commits · warning SLU-SRC-1229 slot a has 3 MB left$/,
  )
})
