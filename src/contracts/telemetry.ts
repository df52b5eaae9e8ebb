/** Seam: what happened, for people (log) and machines (metrics). */

import type { CounterName, GaugeName, HistogramName, MetricLabels } from '../model/index.ts'

/** How loud a log line is. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Fields of a log line; never secrets, never record values. */
export type LogFields = Readonly<
  Record<string, string | number | boolean | bigint | null | undefined>
>

/** Log lines and metrics. Called per batch, never per record. */
export interface Telemetry {
  log(level: LogLevel, message: string, fields?: LogFields): void
  /** Adds to a counter of docs/reference/metrics.md. */
  count<Name extends CounterName>(name: Name, value: number, labels: MetricLabels<Name>): void
  /** Sets a gauge. */
  gauge<Name extends GaugeName>(name: Name, value: number, labels: MetricLabels<Name>): void
  /** Records a duration or size in a histogram. */
  observe<Name extends HistogramName>(name: Name, value: number, labels: MetricLabels<Name>): void
}
