import { describe, expect, it } from 'vitest'
import type { PipelineState, PipelineStatus } from '../../../../src/contracts/index.ts'
import { METRICS, type MetricName, PIPELINE_STATES } from '../../../../src/model/index.ts'
import { createMetrics } from '../../../../src/observe/index.ts'
import { answer, type ServiceFacts } from '../../../../src/service/index.ts'

function statusOf(pipeline: string, state: PipelineState): PipelineStatus {
  return {
    pipeline,
    state,
    startedAtMs: 0,
    observedAtMs: 1,
    tables: [
      {
        table: 'orders',
        stream: 'public.orders',
        version: 7n,
        rowCount: null,
        keyCount: 3,
        fileCount: 2,
        sizeBytes: 100,
        copy: null,
        commits: 1,
        rowsApplied: 3,
        rowsRejected: 0,
      },
    ],
    splits: [{ split: 'slot', floorPosition: 100n, endPosition: 160n }],
    lagMs: 1500,
    rowsPerSecond: 0,
    commits: 1,
    recordsRead: 3,
    lastCommitAtMs: 2000,
    lastError: null,
    warnings: [
      { code: 'SLU-SRC-1213', message: 'm', remedy: 'r' },
      { code: 'SLU-SRC-1213', message: 'n', remedy: 'r' },
    ],
  }
}

function factsOf(statuses: readonly PipelineStatus[], pipelines = ['shop']): ServiceFacts {
  return {
    metrics: createMetrics(),
    statuses: () => statuses,
    pipelines,
    version: '1.2.3',
    usage: () => ({ residentBytes: 5, cpuSeconds: 6, startedAtSeconds: 7 }),
  }
}

describe('/readyz', () => {
  const ready = ['copying', 'catching_up', 'running', 'idle', 'draining']
  it.each(PIPELINE_STATES)('of a pipeline that is %s', (state) => {
    const { status, body } = answer(factsOf([statusOf('shop', state)]), 'GET', '/readyz')
    const isReady = ready.includes(state)
    expect(status).toBe(isReady ? 200 : 503)
    expect(JSON.parse(body)).toEqual({
      ready: isReady,
      pipelines: [{ pipeline: 'shop', state, ready: isReady }],
    })
  })

  it('is no while one of the pipelines has not begun', () => {
    const facts = factsOf([statusOf('shop', 'running')], ['shop', 'other'])
    expect(answer(facts, 'GET', '/readyz').status).toBe(503)
  })
})

describe('/metrics', () => {
  const text = (facts: ServiceFacts): string => answer(facts, 'GET', '/metrics?name=x').body

  it('tells what was counted, the status of the pipelines and the process', () => {
    const facts = factsOf([statusOf('shop', 'running')])
    facts.metrics.count('sluice_pipeline_errors_total', 2, { pipeline: 'shop', code: 'X' })
    const lines = text(facts).split('\n')
    for (const line of [
      'sluice_pipeline_errors_total{code="X",pipeline="shop"} 2',
      'sluice_state{pipeline="shop",state="running"} 1',
      'sluice_state{pipeline="shop",state="idle"} 0',
      'sluice_source_lag_seconds{pipeline="shop"} 1.5',
      'sluice_source_lag_positions{pipeline="shop",split="slot"} 60',
      'sluice_source_warnings{code="SLU-SRC-1213",pipeline="shop"} 2',
      'sluice_last_commit_timestamp_seconds{pipeline="shop"} 2',
      'sluice_table_version{pipeline="shop",table="orders"} 7',
      'sluice_table_files{pipeline="shop",table="orders"} 2',
      'process_resident_memory_bytes 5',
      'process_cpu_seconds_total 6',
      'process_start_time_seconds 7',
    ]) {
      expect(lines).toContain(line)
    }
    expect(text(facts)).not.toContain('sluice_table_rows')
  })

  it('has the kind and labels of the reference, and each metric once', () => {
    const page = text(factsOf([statusOf('shop', 'copying'), statusOf('b', 'idle')]))
    const types = [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
    expect(types.length).toBeGreaterThan(8)
    expect(new Set(types.map(([, name]) => name)).size).toBe(types.length)
    for (const [, name, kind] of types) {
      const spec = METRICS[name as MetricName]
      expect(kind).toBe(spec.kind)
      expect(page).toContain(`# HELP ${name} ${spec.help}\n`)
      const [, labels = ''] = new RegExp(`^${name}(?:\\{(.*)\\})? `, 'm').exec(page) ?? []
      const names = [...labels.matchAll(/(\w+)="/g)].map((match) => match[1])
      expect(names).toEqual([...spec.labels].toSorted())
    }
  })
})

it('answers what is not there, and what is asked wrongly, with a problem', () => {
  const facts = factsOf([])
  for (const [method, url, status] of [
    ['GET', '/', 404],
    ['GET', '/metrics/', 404],
    ['GET', '/constructor', 404],
    ['GET', '//livez', 404],
    ['POST', '/metrics', 405],
    ['', '', 404],
  ] as const) {
    const reply = answer(facts, method, url)
    expect([url, reply.status]).toEqual([url, status])
    expect(reply.type).toContain('application/problem+json')
    expect(JSON.parse(reply.body)).toMatchObject({ status })
  }
  expect(answer(facts, 'HEAD', '/livez').status).toBe(200)
})
