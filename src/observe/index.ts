/**
 * What happened, for people and machines: log lines, metrics, live status, and the real clock.
 * Comes in: events of every room through `Telemetry`. Goes out: lines, series, Prometheus text,
 * and the status of running pipelines as files.
 * Must never: decide anything, keep record values, or be called per record.
 */

export { createMetrics, type Labels, type MetricSample, type Metrics } from './metrics.ts'
export { printMetricsReference } from './reference.ts'
export { readStatus, statusFile, type WrittenStatus, writeStatus } from './status-file.ts'
export { metricsOfStatus } from './status-metrics.ts'
export { createSystemClock } from './system-clock.ts'
export {
  createTelemetry,
  isLogLevel,
  type TelemetryOptions,
} from './telemetry.ts'
