/** How the records of Debezium lie in JSON: what columns become, and how values are written. */

import { createHash } from 'node:crypto'
import type { ColumnType } from './schema.ts'

/** Text that Debezium writes for a value that was not sent, unless it is told another. */
export const UNAVAILABLE_VALUE = '__debezium_unavailable_value'

/** Units of a number that counts from the epoch, or from midnight. */
export type TimeUnit = 'millis' | 'micros' | 'nanos'

/** A value of a row: the type it becomes, and how it is written. */
export interface DebeziumValue {
  readonly type: ColumnType
  readonly written: WrittenValue
}

/**
 * - `plain`: as JSON has it: booleans, numbers, texts; anything else as its JSON text.
 * - `base64`: bytes. · `days`: since the epoch. · `epoch`: a local time as a count since then.
 * - `time`: a time of day as a count since midnight, which becomes text.
 * - `iso`: text of ISO 8601; `zoned` has an offset, the `Z` of the others means nothing.
 * - `unscaled`: base64 of a big-endian two's complement number, to be divided by 10^scale.
 * - `variable`: the same with a scale of its own, which becomes text.
 * - `undeclared`: nobody said how; only null can be read.
 * - `event`: not of the row, but of the event that tells of it.
 */
export type WrittenValue =
  | { readonly kind: 'plain' | 'base64' | 'days' | 'variable' | 'undeclared' }
  | { readonly kind: 'epoch' | 'time'; readonly unit: TimeUnit }
  | { readonly kind: 'iso'; readonly of: 'date' | 'time' | 'local' | 'zoned' }
  | { readonly kind: 'unscaled'; readonly scale: number }
  | { readonly kind: 'list' | 'map'; readonly element: DebeziumValue }
  | { readonly kind: 'members'; readonly members: readonly DebeziumMember[] }
  | { readonly kind: 'event'; readonly field: EventField }

/** A named part of a struct. */
export interface DebeziumMember {
  readonly name: string
  readonly value: DebeziumValue
}

/** What an event tells beside the row. `order`: its place in the log of its database. */
export const EVENT_FIELDS = {
  op: 'string',
  ts_ms: 'long',
  order: 'long',
  'source.ts_ms': 'long',
  'source.db': 'string',
  'source.schema': 'string',
  'source.table': 'string',
  'source.snapshot': 'string',
  'source.txId': 'string',
  'source.lsn': 'long',
  'source.file': 'string',
  'source.pos': 'long',
  'source.gtid': 'string',
} as const satisfies Readonly<Record<string, ColumnType>>

/** One of `EVENT_FIELDS`. */
export type EventField = keyof typeof EVENT_FIELDS

/** Name of the column that a field of an event becomes: `source.ts_ms` → `__source_ts_ms`. */
export function eventColumn(field: EventField): string {
  return `__${field.replaceAll('.', '_')}`
}

/** How the records of a part lie. One object as long as nothing of it changes. */
export interface DebeziumLayout {
  /** `envelope`: rows stand in `before` and `after`; `flat`: the record is the row. */
  readonly rows: 'envelope' | 'flat'
  /** Column → its values; a column that is not here is not in the records. */
  readonly values: ReadonlyMap<string, DebeziumValue>
  /** Text that stands for a value that was not sent. */
  readonly unavailable: string
}

/** How a value that was not sent is written, by the type of its column. */
export interface UnavailableForms {
  readonly text: string
  readonly base64: string
  /** Of bytes that Debezium was told to write as hexadecimal digits. */
  readonly hex: string
  /** Elements of a list of whole numbers: the bytes of the text. */
  readonly codes: readonly number[]
  /** The one element of a list of UUIDs. */
  readonly uuid: string
}

/**
 * The forms of a placeholder.
 * Source: Debezium 3.6, UnchangedToastedPlaceholder of the Postgres connector.
 */
export function unavailableForms(unavailable: string): UnavailableForms {
  const bytes = Buffer.from(unavailable)
  const digest = createHash('md5').update(bytes).digest()
  digest[6] = ((digest[6] as number) & 0x0f) | 0x30
  digest[8] = ((digest[8] as number) & 0x3f) | 0x80
  const uuid = digest.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  const base64 = bytes.toString('base64')
  return { text: unavailable, base64, hex: bytes.toString('hex'), codes: [...bytes], uuid }
}
