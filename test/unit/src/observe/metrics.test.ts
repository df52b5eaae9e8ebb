import { expect, test } from 'vitest'
import { createMetrics } from '../../../../src/observe/index.ts'

test('adds up a counter per set of labels, whatever their order', () => {
  const metrics = createMetrics()
  metrics.count('sluice_commits_total', 1, { table: 'a', kind: 'ingest' })
  metrics.count('sluice_commits_total', 2, { kind: 'ingest', table: 'a' })
  metrics.count('sluice_commits_total', 5, { kind: 'ingest', table: 'b' })
  expect(metrics.total('sluice_commits_total', { table: 'a' })).toBe(3)
  expect(metrics.total('sluice_commits_total')).toBe(8)
  expect(metrics.samples()).toHaveLength(2)
})

test('prints the Prometheus text format with escaped labels', () => {
  const metrics = createMetrics()
  metrics.gauge('sluice_state', 1, { state: 'a"b\\c\nd' })
  metrics.observe('sluice_commit_duration_seconds', 0.02)
  metrics.observe('sluice_commit_duration_seconds', 999)
  const text = metrics.prometheusText()
  expect(text).toContain('# TYPE sluice_commit_duration_seconds histogram\n')
  expect(text).toContain('sluice_commit_duration_seconds_bucket{le="0.01"} 0\n')
  expect(text).toContain('sluice_commit_duration_seconds_bucket{le="0.025"} 1\n')
  expect(text).toContain('sluice_commit_duration_seconds_bucket{le="60"} 1\n')
  expect(text).toContain('sluice_commit_duration_seconds_bucket{le="+Inf"} 2\n')
  expect(text).toContain('sluice_commit_duration_seconds_sum 999.02\n')
  expect(text).toContain('sluice_commit_duration_seconds_count 2\n')
  expect(text).toContain('sluice_state{state="a\\"b\\\\c\\nd"} 1\n')
})

test('bounds the number of series of one name and counts what found no room', () => {
  const metrics = createMetrics()
  for (let number = 0; number < 2100; number++) metrics.count('c', 1, { key: String(number) })
  expect(metrics.samples().filter((sample) => sample.name === 'c')).toHaveLength(2000)
  expect(metrics.total('sluice_metric_series_dropped_total', { name: 'c' })).toBe(100)
})

test('keeps the first kind of a name', () => {
  const metrics = createMetrics()
  metrics.count('n', 1)
  metrics.gauge('n', 9)
  expect(metrics.total('n')).toBe(1)
})
