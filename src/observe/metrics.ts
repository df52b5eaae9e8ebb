/** Counters, gauges and histograms in memory, and their text for Prometheus. */

import { METRICS, type MetricName, type MetricSpec } from '../model/index.ts'

/** Labels of one series. */
export type Labels = Readonly<Record<string, string>>

/** One series as it stands. */
export interface MetricSample {
  readonly name: string
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly labels: Labels
  /** Value of a counter or gauge; sum of a histogram. */
  readonly value: number
  /** Observations of a histogram; 0 for the other kinds. */
  readonly count: number
}

/** Series of one process. */
export interface Metrics {
  count(name: string, value: number, labels?: Labels): void
  gauge(name: string, value: number, labels?: Labels): void
  observe(name: string, value: number, labels?: Labels): void
  /** Sum over all series of that name whose labels contain the given ones; 0 when there is none. */
  total(name: string, labels?: Labels): number
  samples(): readonly MetricSample[]
  /** Prometheus text exposition format 0.0.4. */
  prometheusText(): string
}

/** Series per name: a bound against labels that never end, such as keys or paths. */
const SERIES_MAX = 2000
/** Counts the observations that found no room. */
const DROPPED = 'sluice_metric_series_dropped_total'

const SECONDS_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const MS_BUCKETS = SECONDS_BUCKETS.map((seconds) => seconds * 1000)
const BYTES_BUCKETS = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144].map(
  (kib) => kib * 1024,
)
const COUNT_BUCKETS = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000]

interface Series {
  readonly labels: Labels
  value: number
  count: number
  /** Observations per bucket, not cumulated; null unless a histogram. */
  readonly buckets: Float64Array | null
}

interface Family {
  readonly kind: MetricSample['kind']
  readonly bounds: readonly number[]
  readonly series: Map<string, Series>
}

/** An empty registry. */
export function createMetrics(): Metrics {
  const families = new Map<string, Family>()
  const at = (kind: Family['kind'], name: string, labels: Labels): Series | null =>
    findSeries(families, kind, name, labels)
  return {
    count(name, value, labels = {}) {
      const series = at('counter', name, labels)
      if (series !== null) series.value += value
    },
    gauge(name, value, labels = {}) {
      const series = at('gauge', name, labels)
      if (series !== null) series.value = value
    },
    observe(name, value, labels = {}) {
      const series = at('histogram', name, labels)
      if (series?.buckets == null) return
      const bounds = families.get(name)?.bounds ?? []
      const found = bounds.findIndex((bound) => value <= bound)
      const bucket = found === -1 ? bounds.length : found
      series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1
      series.value += value
      series.count += 1
    },
    total: (name, labels = {}) => sumOf(families.get(name), labels),
    samples: () => listSamples(families),
    prometheusText: () => printFamilies(families),
  }
}

function findSeries(
  families: Map<string, Family>,
  kind: Family['kind'],
  name: string,
  labels: Labels,
): Series | null {
  let family = families.get(name)
  if (family === undefined) {
    family = { kind, bounds: kind === 'histogram' ? boundsFor(name) : [], series: new Map() }
    families.set(name, family)
  }
  // A name keeps its first kind: a second kind would make the page invalid.
  if (family.kind !== kind) return null
  const key = labelText(labels)
  let series = family.series.get(key)
  if (series === undefined) {
    if (family.series.size >= SERIES_MAX) {
      if (name !== DROPPED) {
        const dropped = findSeries(families, 'counter', DROPPED, { name })
        if (dropped !== null) dropped.value += 1
      }
      return null
    }
    const buckets = kind === 'histogram' ? new Float64Array(family.bounds.length + 1) : null
    series = { labels, value: 0, count: 0, buckets }
    family.series.set(key, series)
  }
  return series
}

/** Buckets follow from the unit at the end of the name. */
function boundsFor(name: string): readonly number[] {
  if (name.endsWith('_seconds')) return SECONDS_BUCKETS
  if (name.endsWith('_ms')) return MS_BUCKETS
  if (name.endsWith('_bytes')) return BYTES_BUCKETS
  return COUNT_BUCKETS
}

function sumOf(family: Family | undefined, labels: Labels): number {
  let sum = 0
  for (const series of family?.series.values() ?? []) {
    const fits = Object.entries(labels).every(([name, value]) => series.labels[name] === value)
    if (fits) sum += series.value
  }
  return sum
}

function listSamples(families: ReadonlyMap<string, Family>): readonly MetricSample[] {
  return [...families].flatMap(([name, family]) =>
    [...family.series.values()].map(({ labels, value, count }) => ({
      name,
      kind: family.kind,
      labels,
      value,
      count,
    })),
  )
}

function printFamilies(families: ReadonlyMap<string, Family>): string {
  const lines: string[] = []
  for (const [name, family] of [...families].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const spec: MetricSpec | undefined = METRICS[name as MetricName]
    if (spec !== undefined) lines.push(`# HELP ${name} ${spec.help}`)
    lines.push(`# TYPE ${name} ${family.kind}`)
    for (const [key, series] of family.series) {
      if (series.buckets === null) lines.push(`${name}${braces(key)} ${numberText(series.value)}`)
      else lines.push(...histogramLines(name, key, series, family.bounds))
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

function histogramLines(
  name: string,
  key: string,
  series: Series,
  bounds: readonly number[],
): readonly string[] {
  const lines: string[] = []
  let cumulated = 0
  for (const [index, bound] of [...bounds, Number.POSITIVE_INFINITY].entries()) {
    cumulated += series.buckets?.[index] ?? 0
    const le = `le="${numberText(bound)}"`
    lines.push(`${name}_bucket${braces(key === '' ? le : `${key},${le}`)} ${cumulated}`)
  }
  lines.push(`${name}_sum${braces(key)} ${numberText(series.value)}`)
  lines.push(`${name}_count${braces(key)} ${series.count}`)
  return lines
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',')
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function braces(labels: string): string {
  return labels === '' ? '' : `{${labels}}`
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return Number.isNaN(value) ? 'NaN' : String(value)
}
