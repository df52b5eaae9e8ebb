/** The `Telemetry` of a process: log lines to one stream, metrics in memory. */

import type { Clock, LogFields, LogLevel, Telemetry } from '../contracts/index.ts'
import { createMetrics, type Metrics } from './metrics.ts'

/** Where and how log lines are written. */
export interface TelemetryOptions {
  /** Lines below this level are dropped; `silent` drops all. */
  readonly level: LogLevel | 'silent'
  /** `json` for machines, one object a line; `text` for people. */
  readonly format: 'json' | 'text'
  readonly stream: { write(text: string): unknown }
  readonly clock: Clock
  /** Where is counted; nobody can look unless given. */
  readonly metrics?: Metrics
}

const LEVEL_RANK: Readonly<Record<LogLevel | 'silent', number>> = {
  debug: 0,
  info: 1,
  warn: 2,
  error: 3,
  silent: 4,
}

/** Characters of one field: a bound against lines that no log reader takes. */
const FIELD_LENGTH_MAX = 4000

/** Logs to `stream` and counts in `metrics`. */
export function createTelemetry(options: TelemetryOptions): Telemetry {
  const { level, format, stream, clock, metrics = createMetrics() } = options
  const writeLine = format === 'json' ? jsonLine : textLine
  return {
    log(lineLevel, message, fields = {}) {
      if (LEVEL_RANK[lineLevel] < LEVEL_RANK[level]) return
      stream.write(writeLine(new Date(clock.nowMs()).toISOString(), lineLevel, message, fields))
    },
    count: metrics.count,
    gauge: metrics.gauge,
    observe: metrics.observe,
  }
}

/** True for a name of a log level. */
export function isLogLevel(text: string): text is LogLevel | 'silent' {
  return Object.hasOwn(LEVEL_RANK, text)
}

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const line: Record<string, unknown> = { time, level, message }
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    line[name in line ? `field_${name}` : name] =
      typeof value === 'bigint' ? value.toString() : typeof value === 'string' ? cut(value) : value
  }
  return `${JSON.stringify(line)}\n`
}

function textLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const parts = [time.slice(11, 23), level.toUpperCase().padEnd(5), oneLine(message)]
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    parts.push(`${name}=${fieldText(value)}`)
  }
  return `${parts.join(' ')}\n`
}

function fieldText(value: NonNullable<LogFields[string]> | null): string {
  if (typeof value !== 'string') return String(value)
  const text = cut(value)
  return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text)
}

/** Control characters could forge lines or move the cursor of a terminal. */
function oneLine(text: string): string {
  return cut(text).replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
}

function cut(text: string): string {
  return text.length > FIELD_LENGTH_MAX ? `${text.slice(0, FIELD_LENGTH_MAX)}…` : text
}
