/** One request to one reply, without a network. */

import type { PipelineState, PipelineStatus } from '../contracts/index.ts'
import { createMetrics, type Metrics, metricsOfStatus } from '../observe/index.ts'

/** What the replies are made of, as it is now. */
export interface ServiceFacts {
  /** What was counted since the process started. */
  readonly metrics: Metrics
  /** The last status of each pipeline that has begun. */
  statuses(): readonly PipelineStatus[]
  /** Names of all pipelines that shall run. */
  readonly pipelines: readonly string[]
  readonly version: string
  usage(): ProcessUsage
}

/** What the process takes. */
export interface ProcessUsage {
  readonly residentBytes: number
  readonly cpuSeconds: number
  readonly startedAtSeconds: number
}

/** Status, type and body. */
export interface ServiceReply {
  readonly status: number
  readonly type: string
  readonly body: string
  /** Methods of a path that was asked in another way. */
  readonly allow?: string
}

const TEXT = 'text/plain; charset=utf-8'
const JSON_TYPE = 'application/json; charset=utf-8'
/** RFC 9457. */
const PROBLEM = 'application/problem+json; charset=utf-8'
const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8'

const ROUTES: Readonly<Record<string, (facts: ServiceFacts) => ServiceReply>> = {
  '/livez': () => ({ status: 200, type: TEXT, body: 'ok\n' }),
  '/readyz': readiness,
  '/metrics': (facts) => ({ status: 200, type: PROMETHEUS, body: metricsText(facts) }),
  '/version': ({ version }) => json(200, { version, node: process.versions.node }),
}

/** The reply to a request of that method for that URL (`/metrics?x=1`). Never throws. */
export function answer(facts: ServiceFacts, method: string, url: string): ServiceReply {
  const path = url.replace(/[?#].*$/s, '')
  const route = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined
  if (route === undefined) {
    const detail = `There are ${Object.keys(ROUTES).join(', ')}.`
    return problem(404, 'Not found', detail)
  }
  if (method === 'GET' || method === 'HEAD') return route(facts)
  return { ...problem(405, 'Method not allowed', 'Ask with GET or HEAD.'), allow: 'GET, HEAD' }
}

/** States in which a pipeline does its work; in the others it waits, or does nothing any more. */
const AT_WORK: ReadonlySet<PipelineState> = new Set([
  'copying',
  'catching_up',
  'running',
  'idle',
  'draining',
])

function readiness({ pipelines, statuses }: ServiceFacts): ServiceReply {
  const states = new Map(statuses().map(({ pipeline, state }) => [pipeline, state]))
  const told = pipelines.map((pipeline) => {
    const state = states.get(pipeline) ?? 'created'
    return { pipeline, state, ready: AT_WORK.has(state) }
  })
  const ready = told.every((one) => one.ready)
  return json(ready ? 200 : 503, { ready, pipelines: told })
}

function metricsText({ metrics, statuses, usage, version }: ServiceFacts): string {
  const { residentBytes, cpuSeconds, startedAtSeconds } = usage()
  const process_ = createMetrics()
  process_.gauge('sluice_build_info', 1, { version, node: process.versions.node })
  process_.gauge('process_resident_memory_bytes', residentBytes)
  process_.count('process_cpu_seconds_total', cpuSeconds)
  process_.gauge('process_start_time_seconds', startedAtSeconds)
  const parts = [metrics, metricsOfStatus(statuses()), process_]
  return parts.map((part) => part.prometheusText()).join('')
}

function json(status: number, value: unknown): ServiceReply {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` }
}

function problem(status: number, title: string, detail: string): ServiceReply {
  return { ...json(status, { status, title, detail }), type: PROBLEM }
}
