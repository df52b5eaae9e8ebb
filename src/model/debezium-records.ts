/**
 * Finds rows in Debezium's records, whose JSON may be `{"schema":…,"payload":…}`. A schema is
 * parsed once; the records after it are known by its bytes. No object and no string per record.
 */

import { type ConnectSchema, readConnectSchema } from './connect-schema.ts'
import type { DebeziumMember } from './debezium.ts'

/** What records with a schema have in common. */
export interface SchemaShape {
  readonly rows: 'envelope' | 'flat'
  readonly columns: readonly DebeziumMember[]
}

/** What `DebeziumRecords.look` found. */
export type RecordKind =
  /** A payload with the schema of `shape`. */
  | 'row'
  /** JSON without a schema. */
  | 'bare'
  /** A tombstone: null. */
  | 'null'
  /** Tells of no row, as its schema says. */
  | 'aside'
  /** Has a schema that cannot be read; see `reason`. */
  | 'unknown'

/** Looks at records, one at a time. */
export interface DebeziumRecords {
  /** Looks at `bytes[start..end)`, without white space around it; the fields then tell of it. */
  look(bytes: Buffer, start: number, end: number): RecordKind
  /** Where the payload, or the bare record, stands in the bytes. */
  readonly from: number
  readonly to: number
  /** One object for each schema; null when the record is no `row`. */
  readonly shape: SchemaShape | null
  readonly reason: string
}

/** Schemas that are known by their bytes: a table's own, and those before and after a change. */
const SCHEMAS_MAX = 32
const NULL = Buffer.from('null')
const SCHEMA = Buffer.from('{"schema"')
const PAYLOAD = Buffer.from('{"payload"')
const CLOSING_BRACE = 0x7d

interface KnownSchema {
  /** Bytes of a record before its payload. */
  readonly prefix: Buffer
  readonly found: Found
}

type Found =
  | { readonly kind: 'row'; readonly shape: SchemaShape; readonly reason: '' }
  | { readonly kind: 'aside' | 'unknown'; readonly shape: null; readonly reason: string }

/** Knows no schema yet. */
export function createDebeziumRecords(): DebeziumRecords {
  let known: KnownSchema[] = []
  const look = { from: 0, to: 0, shape: null as SchemaShape | null, reason: '' }
  const settle = (bytes: Buffer, found: Found, from: number, to: number): RecordKind => {
    look.from = from
    look.to = to
    look.shape = null
    if (isNull(bytes, from, to)) return 'null'
    look.shape = found.shape
    look.reason = found.reason
    return found.kind
  }
  return {
    get from() {
      return look.from
    },
    get to() {
      return look.to
    },
    get shape() {
      return look.shape
    },
    get reason() {
      return look.reason
    },
    look: (bytes, start, end) => {
      look.from = start
      look.to = end
      look.shape = null
      if (isNull(bytes, start, end)) return 'null'
      const isPair = startsWith(bytes, SCHEMA, start, end) || startsWith(bytes, PAYLOAD, start, end)
      if (!isPair) return 'bare'
      for (const [index, { prefix, found }] of known.entries()) {
        if (!startsWith(bytes, prefix, start, end) || bytes[end - 1] !== CLOSING_BRACE) continue
        if (index > 0) known = [known[index] as KnownSchema, ...known.toSpliced(index, 1)]
        return settle(bytes, found, start + prefix.length, end - 1)
      }
      const pair = findPair(bytes, start, end)
      if (pair === null) return 'bare'
      const found = readSchema(bytes.toString('utf8', pair.schemaFrom, pair.schemaTo))
      if (found === null) return 'bare'
      if (pair.payloadTo === end - 1) {
        const prefix = Buffer.from(bytes.subarray(start, pair.payloadFrom))
        known = [{ prefix, found }, ...known.slice(0, SCHEMAS_MAX - 1)]
      }
      return settle(bytes, found, pair.payloadFrom, pair.payloadTo)
    },
  }
}

const isNull = (bytes: Buffer, start: number, end: number): boolean =>
  end - start === NULL.length && startsWith(bytes, NULL, start, end)

function startsWith(bytes: Buffer, prefix: Buffer, start: number, end: number): boolean {
  const to = start + prefix.length
  return to <= end && bytes.compare(prefix, 0, prefix.length, start, to) === 0
}

/** Null when the text is no schema: a column may have that name too. */
function readSchema(text: string): Found | null {
  if (text === 'null') return { kind: 'aside', shape: null, reason: '' }
  let schema: ConnectSchema
  try {
    schema = JSON.parse(text) as ConnectSchema
  } catch {
    return null
  }
  if (typeof schema !== 'object' || typeof schema.type !== 'string') return null
  const read = readConnectSchema(schema)
  if (read.kind === 'aside') return { kind: 'aside', shape: null, reason: '' }
  if (read.kind === 'unknown') return { kind: 'unknown', shape: null, reason: read.reason }
  return { kind: 'row', shape: { rows: read.rows, columns: read.columns }, reason: '' }
}

interface Pair {
  schemaFrom: number
  schemaTo: number
  payloadFrom: number
  payloadTo: number
}

/** The two members of the object at `start`, in either order; null when it has others. */
function findPair(bytes: Buffer, start: number, end: number): Pair | null {
  const pair: Pair = { schemaFrom: -1, schemaTo: -1, payloadFrom: -1, payloadTo: -1 }
  let at = skipSpace(bytes, start + 1, end)
  for (;;) {
    const nameEnd = valueEnd(bytes, at, end)
    const name = bytes.toString('utf8', at, nameEnd)
    const colon = skipSpace(bytes, nameEnd, end)
    if (bytes[colon] !== COLON) return null
    const from = skipSpace(bytes, colon + 1, end)
    const to = valueEnd(bytes, from, end)
    if (to === from) return null
    if (name === '"schema"') Object.assign(pair, { schemaFrom: from, schemaTo: to })
    else if (name === '"payload"') Object.assign(pair, { payloadFrom: from, payloadTo: to })
    else return null
    at = skipSpace(bytes, to, end)
    if (bytes[at] !== COMMA) break
    at = skipSpace(bytes, at + 1, end)
  }
  const isWhole = bytes[at] === CLOSING_BRACE && at === end - 1
  return isWhole && pair.schemaFrom >= 0 && pair.payloadFrom >= 0 ? pair : null
}

const COLON = 0x3a
const COMMA = 0x2c
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** End of the JSON value at `start`, which need not be valid. */
function valueEnd(bytes: Buffer, start: number, end: number): number {
  let depth = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at = textEnd(bytes, at, end) - 1
      if (depth === 0) return at + 1
    } else if (byte === 0x7b || byte === 0x5b) depth++
    else if (byte === CLOSING_BRACE || byte === 0x5d) {
      if (depth === 0) return at
      if (--depth === 0) return at + 1
    } else if (depth === 0 && (byte === COMMA || byte === COLON || isSpace(byte))) return at
  }
  return end
}

function textEnd(bytes: Buffer, start: number, end: number): number {
  for (let at = start + 1; at < end; at++) {
    if (bytes[at] === BACKSLASH) at++
    else if (bytes[at] === QUOTE) return at + 1
  }
  return end
}

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d

function skipSpace(bytes: Buffer, start: number, end: number): number {
  let at = start
  while (at < end && isSpace(bytes[at])) at++
  return at
}

/** What a record without a schema is, by its members; `aside` when it tells of no row. */
export function bareKind(record: Readonly<Record<string, unknown>>): 'envelope' | 'flat' | 'aside' {
  const { op, status } = record
  if (typeof op === 'string' && ('after' in record || 'before' in record)) return 'envelope'
  if (op === 'm' && 'message' in record) return 'aside'
  if ((status === 'BEGIN' || status === 'END') && 'id' in record) return 'aside'
  if ('source' in record && ('ddl' in record || 'tableChanges' in record)) return 'aside'
  const names = Object.keys(record)
  return names.every((name) => name === 'ts_ms') ? 'aside' : 'flat'
}
