/** The status of pipelines as gauges: made anew for each look, so that what is gone is gone. */

import type { PipelineStatus, TableStatus } from '../contracts/index.ts'
import { type GaugeName, type MetricLabels, PIPELINE_STATES } from '../model/index.ts'
import { createMetrics, type Metrics } from './metrics.ts'

type Gauge = <Name extends GaugeName>(
  name: Name,
  value: number | bigint | null,
  labels: MetricLabels<Name>,
) => void

/** Gauges of all pipelines; what is not known has none. */
export function metricsOfStatus(statuses: readonly PipelineStatus[]): Metrics {
  const metrics = createMetrics()
  const gauge: Gauge = (name, value, labels) => {
    if (value !== null) metrics.gauge(name, Number(value), labels)
  }
  for (const status of statuses) {
    addPipeline(gauge, status)
    for (const table of status.tables) addTable(gauge, status.pipeline, table)
  }
  return metrics
}

function addPipeline(gauge: Gauge, status: PipelineStatus): void {
  const { pipeline, splits, lagMs, lastCommitAtMs, warnings } = status
  for (const state of PIPELINE_STATES) {
    gauge('sluice_state', state === status.state ? 1 : 0, { pipeline, state })
  }
  gauge('sluice_source_lag_seconds', lagMs === null ? null : lagMs / 1000, { pipeline })
  for (const { split, floorPosition: floor, endPosition: end } of splits) {
    const behind = floor === null || end === null ? null : end > floor ? end - floor : 0n
    gauge('sluice_source_lag_positions', behind, { pipeline, split })
  }
  const committedAt = lastCommitAtMs === null ? null : lastCommitAtMs / 1000
  gauge('sluice_last_commit_timestamp_seconds', committedAt, { pipeline })
  for (const code of new Set(warnings.map((warning) => warning.code))) {
    const count = warnings.filter((warning) => warning.code === code).length
    gauge('sluice_source_warnings', count, { pipeline, code })
  }
}

function addTable(gauge: Gauge, pipeline: string, status: TableStatus): void {
  const labels = { pipeline, table: status.table }
  gauge('sluice_table_version', status.version, labels)
  gauge('sluice_table_rows', status.rowCount, labels)
  gauge('sluice_table_files', status.fileCount, labels)
  gauge('sluice_table_bytes', status.sizeBytes, labels)
  gauge('sluice_index_keys', status.keyCount, labels)
  gauge('sluice_copy_rows', status.copy?.rowsCopied ?? null, labels)
  gauge('sluice_copy_rows_expected', status.copy?.rowsExpected ?? null, labels)
}
