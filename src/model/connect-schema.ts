/**
 * Schemas of Kafka Connect, as its JSON converter writes them beside each record, and the semantic
 * types of Debezium. Pure.
 * Source: Debezium 3.6, "Data type mappings" of its connectors; Kafka Connect 4.3, JsonConverter.
 */

import type { DebeziumMember, DebeziumValue, TimeUnit } from './debezium.ts'
import type { ColumnType, PrimitiveType } from './schema.ts'

/** A schema, as far as it is read. */
export interface ConnectSchema {
  readonly type?: unknown
  readonly name?: unknown
  readonly parameters?: Readonly<Record<string, unknown>>
  readonly field?: unknown
  readonly fields?: readonly ConnectSchema[]
  readonly items?: ConnectSchema
  readonly keys?: ConnectSchema
  readonly values?: ConnectSchema
}

/** What the records of a schema are. */
export type ConnectRecord =
  /** Tells of no row: the begin or end of a transaction, a sign of life, a change of a schema. */
  | { readonly kind: 'aside' }
  | {
      readonly kind: 'rows'
      readonly rows: 'envelope' | 'flat'
      readonly columns: readonly DebeziumMember[]
    }
  /** Cannot be read: why. */
  | { readonly kind: 'unknown'; readonly reason: string }

const DECIMAL_DIGITS_MAX = 38

/** Names of schemas of records that tell of no row. */
const ASIDE =
  /^io\.debezium\.connector\..*(?:Heartbeat|TransactionMetadataValue|SchemaChangeValue)$/

/** What records with this schema are. */
export function readConnectSchema(schema: ConnectSchema): ConnectRecord {
  if (typeof schema.name === 'string' && ASIDE.test(schema.name)) return { kind: 'aside' }
  const fields = new Map((schema.fields ?? []).map((field) => [String(field.field), field]))
  const row = fields.get('after') ?? fields.get('before')
  const isEvent = fields.get('op')?.type === 'string'
  if (isEvent && row === undefined) return { kind: 'aside' }
  if (isEvent && row !== undefined) return rowsOf('envelope', row)
  return rowsOf('flat', schema)
}

function rowsOf(rows: 'envelope' | 'flat', schema: ConnectSchema): ConnectRecord {
  if (schema.type !== 'struct' || schema.fields === undefined) {
    const what = rows === 'flat' ? 'the record' : 'a row'
    return { kind: 'unknown', reason: `${what} is no struct, but ${String(schema.type)}` }
  }
  const columns: DebeziumMember[] = []
  for (const field of schema.fields) {
    const value = connectValue(field)
    if (value === null) {
      const type = `${String(field.type)} ${String(field.name ?? '')}`.trim()
      return { kind: 'unknown', reason: `column ${String(field.field)} has the type ${type}` }
    }
    columns.push({ name: String(field.field), value })
  }
  return { kind: 'rows', rows, columns }
}

const plain = (type: ColumnType): DebeziumValue => ({ type, written: { kind: 'plain' } })
const epoch = (unit: TimeUnit): DebeziumValue => {
  return { type: 'timestamp_ntz', written: { kind: 'epoch', unit } }
}
const timeOfDay = (unit: TimeUnit): DebeziumValue => {
  return { type: 'string', written: { kind: 'time', unit } }
}
const iso = (type: PrimitiveType, of: 'date' | 'time' | 'local' | 'zoned'): DebeziumValue => {
  return { type, written: { kind: 'iso', of } }
}
const DAYS: DebeziumValue = { type: 'date', written: { kind: 'days' } }
const VARIABLE: DebeziumValue = { type: 'string', written: { kind: 'variable' } }

const PRIMITIVES: ReadonlyMap<unknown, PrimitiveType> = new Map([
  ['int8', 'byte'],
  ['int16', 'short'],
  ['int32', 'integer'],
  ['int64', 'long'],
  ['float', 'float'],
  ['float32', 'float'],
  ['double', 'double'],
  ['float64', 'double'],
  ['boolean', 'boolean'],
  ['string', 'string'],
])

/** Semantic types whose values are not what their literal type says. */
const SEMANTIC: ReadonlyMap<unknown, DebeziumValue> = new Map([
  ['io.debezium.time.Date', DAYS],
  ['io.debezium.time.Time', timeOfDay('millis')],
  ['io.debezium.time.MicroTime', timeOfDay('micros')],
  ['io.debezium.time.NanoTime', timeOfDay('nanos')],
  ['io.debezium.time.Timestamp', epoch('millis')],
  ['io.debezium.time.MicroTimestamp', epoch('micros')],
  ['io.debezium.time.NanoTimestamp', epoch('nanos')],
  ['io.debezium.time.ZonedTimestamp', iso('timestamp', 'zoned')],
  ['io.debezium.time.IsoDate', iso('date', 'date')],
  ['io.debezium.time.IsoTime', iso('string', 'time')],
  ['io.debezium.time.IsoTimestamp', iso('timestamp_ntz', 'local')],
  ['io.debezium.data.VariableScaleDecimal', VARIABLE],
  ['org.apache.kafka.connect.data.Date', DAYS],
  ['org.apache.kafka.connect.data.Time', timeOfDay('millis')],
  ['org.apache.kafka.connect.data.Timestamp', epoch('millis')],
])

/** What a field's values become; null where it cannot be read. */
export function connectValue(schema: ConnectSchema): DebeziumValue | null {
  const { type, name } = schema
  if (name === 'org.apache.kafka.connect.data.Decimal') return decimalValue(schema)
  const semantic = SEMANTIC.get(name)
  if (semantic !== undefined) return semantic
  if (type === 'bytes') return { type: 'binary', written: { kind: 'base64' } }
  if (type === 'array') return listValue(schema)
  if (type === 'map') return mapValue(schema)
  if (type === 'struct') return structValue(schema)
  const primitive = PRIMITIVES.get(type)
  return primitive === undefined ? null : plain(primitive)
}

/** Without a precision that a decimal column can have, every digit stays as text. */
function decimalValue({ parameters = {} }: ConnectSchema): DebeziumValue | null {
  const scale = Number(parameters.scale)
  const precision = Number(parameters['connect.decimal.precision'])
  if (!Number.isInteger(scale)) return null
  const fits = precision >= 1 && precision <= DECIMAL_DIGITS_MAX && scale >= 0 && scale <= precision
  const type: ColumnType = fits ? { kind: 'decimal', precision, scale } : 'string'
  return { type, written: { kind: 'unscaled', scale } }
}

function listValue({ items }: ConnectSchema): DebeziumValue | null {
  const element = items === undefined ? null : connectValue(items)
  if (element === null) return null
  const type: ColumnType = { kind: 'array', element: element.type, containsNull: true }
  return { type, written: { kind: 'list', element } }
}

/** Maps with other keys than texts are written as lists of pairs: their JSON text is kept. */
function mapValue({ keys, values }: ConnectSchema): DebeziumValue | null {
  if (keys?.type !== 'string') return plain('string')
  const element = values === undefined ? null : connectValue(values)
  if (element === null) return null
  const value = element.type
  const type: ColumnType = { kind: 'map', key: 'string', value, valueContainsNull: true }
  return { type, written: { kind: 'map', element } }
}

function structValue({ fields = [] }: ConnectSchema): DebeziumValue | null {
  const members: DebeziumMember[] = []
  for (const field of fields) {
    const value = connectValue(field)
    if (value === null) return null
    members.push({ name: String(field.field), value })
  }
  if (members.length === 0) return plain('string')
  const typed = members.map(({ name, value }) => ({ name, type: value.type, nullable: true }))
  return { type: { kind: 'struct', fields: typed }, written: { kind: 'members', members } }
}

/** Types that people may name without their package. */
const PACKAGES = ['io.debezium.time.', 'io.debezium.data.', 'org.apache.kafka.connect.data.']

/** Semantic types whose values are what their literal type says. */
const LITERAL: ReadonlyMap<string, string> = new Map([
  ['io.debezium.time.Year', 'int32'],
  ['io.debezium.time.ZonedTime', 'string'],
  ['io.debezium.time.Interval', 'string'],
  ['io.debezium.time.MicroDuration', 'int64'],
  ['io.debezium.time.NanoDuration', 'int64'],
  ['io.debezium.data.Bits', 'bytes'],
  ['io.debezium.data.Json', 'string'],
  ['io.debezium.data.Uuid', 'string'],
  ['io.debezium.data.Enum', 'string'],
  ['io.debezium.data.EnumSet', 'string'],
  ['io.debezium.data.Xml', 'string'],
  ['io.debezium.data.Ltree', 'string'],
])

/**
 * A type as a schema would name it, for records that come without one: `int64`, `MicroTimestamp`,
 * `io.debezium.time.Date`, `Decimal(10,2)`, `string[]`. Null when there is none of that name.
 */
export function parseConnectType(text: string): DebeziumValue | null {
  const name = text.trim()
  if (name.endsWith('[]')) {
    const element = parseConnectType(name.slice(0, -2))
    if (element === null) return null
    const type: ColumnType = { kind: 'array', element: element.type, containsNull: true }
    return { type, written: { kind: 'list', element } }
  }
  const decimal = /^(?:org\.apache\.kafka\.connect\.data\.)?Decimal\((\d+), ?(\d+)\)$/.exec(name)
  if (decimal !== null) {
    const [precision, scale] = [Number(decimal[1]), Number(decimal[2])]
    const value = decimalValue({ parameters: { scale, 'connect.decimal.precision': precision } })
    return value?.type === 'string' ? null : value
  }
  for (const full of [name, ...PACKAGES.map((prefix) => prefix + name)]) {
    const literal = LITERAL.get(full)
    const value = connectValue(literal === undefined ? { name: full } : { type: literal })
    if (value !== null) return value
  }
  return connectValue({ type: name })
}
