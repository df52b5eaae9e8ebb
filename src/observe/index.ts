/**
 * What happened, for people and machines: log lines, metrics, and the real clock.
 * Comes in: events of every room through `Telemetry`. Goes out: lines to one stream, series, Prometheus text.
 * Must never: decide anything, keep record values, or be called per record.
 */

export { createMetrics, type Labels, type MetricSample, type Metrics } from './metrics.ts'
export { createSystemClock } from './system-clock.ts'
export {
  createTelemetry,
  isLogLevel,
  type ReadableTelemetry,
  type TelemetryOptions,
} from './telemetry.ts'
