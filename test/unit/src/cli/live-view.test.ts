import { expect, test } from 'vitest'
import { createLiveView } from '../../../../src/cli/live-view.ts'
import type { Clock, PipelineStatus } from '../../../../src/contracts/index.ts'

let nowMs = 0
const clock: Clock = {
  nowMs: () => nowMs,
  monotonicMs: () => nowMs,
  sleep: () => Promise.resolve(),
  uuid: () => '',
  random: () => 0,
}

function statusOf(pipeline: string, part: Partial<PipelineStatus> = {}): PipelineStatus {
  return {
    pipeline,
    state: 'running',
    startedAtMs: 0,
    observedAtMs: 0,
    tables: [],
    splits: [],
    lagMs: 0,
    rowsPerSecond: 0,
    commits: 0,
    recordsRead: 0,
    lastCommitAtMs: null,
    lastError: null,
    warnings: [],
    ...part,
  }
}

function viewOf(mode: 'live' | 'lines' | 'quiet', columns = 100) {
  const written: string[] = []
  const stream = { columns, isTTY: true, write: (text: string) => written.push(text) }
  return { written, view: createLiveView(stream, clock, mode) }
}

test('redraws the lines of all pipelines in place', () => {
  const { written, view } = viewOf('live')
  view.show(statusOf('a'))
  view.show(statusOf('b'))
  view.show(statusOf('a', { commits: 1 }))
  const line = (pipeline: string, commits: number): string =>
    `${pipeline}: running · lag 0ms · 0 rows/s · ${commits} commits\n`
  expect(written).toEqual([
    line('a', 0),
    `\r\u001b[1A\u001b[0J${line('a', 0)}${line('b', 0)}`,
    `\r\u001b[2A\u001b[0J${line('a', 1)}${line('b', 0)}`,
  ])
})

test('writes log lines above the live lines', () => {
  const { written, view } = viewOf('live')
  view.show(statusOf('a'))
  view.above('log\n')
  expect(written[1]).toMatch(/^\r\u001b\[1A\u001b\[0Jlog\na: running/)
})

test('never lets a line wrap, and takes a width of 0 for unknown', () => {
  const narrow = viewOf('live', 20)
  narrow.view.show(statusOf('a'))
  expect(narrow.written[0]).toBe('a: running · lag 0…\n')
  const unknown = viewOf('live', 0)
  unknown.view.show(statusOf('a'))
  expect(unknown.written[0]).toContain('0 commits')
})

test('appends a line at a change of state and else now and then', () => {
  const { written, view } = viewOf('lines')
  nowMs = 0
  view.show(statusOf('a'))
  nowMs = 5000
  view.show(statusOf('a'))
  view.show(statusOf('a', { state: 'retrying' }))
  nowMs = 15_000
  view.show(statusOf('a', { state: 'retrying' }))
  expect(written.map((line) => line.split(' · ')[0])).toEqual([
    'a: running',
    'a: retrying',
    'a: retrying',
  ])
})

test('shows nothing when quiet but what is written above', () => {
  const { written, view } = viewOf('quiet')
  view.show(statusOf('a'))
  view.above('log\n')
  expect(written).toEqual(['log\n'])
})
