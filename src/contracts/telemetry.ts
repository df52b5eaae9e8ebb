/** Seam: what happened, for people (log) and machines (metrics). */

/** How loud a log line is. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Fields of a log line; never secrets, never record values. */
export type LogFields = Readonly<
  Record<string, string | number | boolean | bigint | null | undefined>
>

/** Log lines and metrics. Called per batch, never per record. */
export interface Telemetry {
  log(level: LogLevel, message: string, fields?: LogFields): void
  /** Adds to a counter. Names: docs/reference/metrics.md. */
  count(name: string, value: number, labels?: Readonly<Record<string, string>>): void
  /** Sets a gauge. */
  gauge(name: string, value: number, labels?: Readonly<Record<string, string>>): void
  /** Records a duration or size in a histogram. */
  observe(name: string, value: number, labels?: Readonly<Record<string, string>>): void
}
