/**
 * Debezium's records as SQL: the relation of a landed file, what happened, and the columns.
 * A record is an envelope, with the row `before` and `after` the change, or the row itself.
 */

import { identifier, literal } from '../engine/index.ts'
import {
  assert,
  type DebeziumLayout,
  type DebeziumValue,
  EVENT_FIELDS,
  type SourceColumn,
  type UnavailableForms,
  unavailableForms,
} from '../model/index.ts'
import { debeziumReadType, debeziumValue, isUnavailable, memberType } from './debezium-values.ts'
import { markedRelation, ROW_NUMBER } from './marks.ts'
import { OP_CODES } from './op-codes.ts'
import type { RowSource } from './row-source.ts'
import type { LandedSegment } from './segment.ts'

/** Small enough to stay in the processor's cache. */
const BUFFER_BYTES_MIN = 1024 * 1024

/** What is asked of a segment. */
export interface DebeziumQuery {
  readonly segment: LandedSegment
  /** Columns of the stream that the table has. */
  readonly wanted: readonly SourceColumn[]
  /** Names of those by which a delete names its row. */
  readonly key: ReadonlySet<string>
  /** Name of the one that orders changes, when it is none of these. */
  readonly ordering: string | null
  /** Records may lack values. */
  readonly withMasks: boolean
}

interface Query extends DebeziumQuery {
  readonly layout: DebeziumLayout
}

/** The records of the segment, in their order. */
export function debeziumSql(asked: DebeziumQuery): RowSource {
  const { segment, withMasks } = asked
  const { debezium: layout } = segment
  assert(layout !== undefined, 'SLU-BUG-9001', 'a segment of Debezium without its layout')
  const query = { ...asked, layout }
  const forms = unavailableForms(layout.unavailable)
  const isEnvelope = layout.rows === 'envelope'
  const members = isEnvelope ? envelopeMembers(query) : flatMembers(query)
  const objectBytesMax = Math.max(BUFFER_BYTES_MIN, segment.lineBytesMax + 4096)
  const columns = [...members].map(([name, type]) => `${identifier(name)}: ${literal(type)}`)
  const read = `read_json(${literal(segment.path)}, format = 'newline_delimited',
    columns = {${columns.join(', ')}}, maximum_object_size = ${objectBytesMax})`
  const { marks } = segment
  const number = marks === undefined ? [`row_number() OVER () - 1 AS ${ROW_NUMBER}`] : []
  const windows = [...number, ...(withMasks ? lags(layout) : [])]
  const rows = marks === undefined ? read : `${markedRelation(marks, read)} AS marked`
  return {
    relation: `(SELECT ${['*', ...windows].join(', ')} FROM ${rows}) AS record`,
    op: isEnvelope ? envelopeOp(query, forms) : flatOp(query, forms),
    value: (column) => columnValue(query, column, forms),
    isMissing: (column) => missing(query, column, forms),
  }
}

const isIdentifying = ({ key, ordering }: Query, name: string): boolean =>
  key.has(name) || name === ordering

const isRow = ({ written }: DebeziumValue): boolean => written.kind !== 'event'

/** The columns that the records have, with how they are written. */
function present(
  { layout, wanted }: Query,
  isWanted: (value: DebeziumValue, name: string) => boolean,
): { readonly name: string; readonly value: DebeziumValue }[] {
  return wanted.flatMap(({ name }) => {
    const value = layout.values.get(name)
    return value !== undefined && isWanted(value, name) ? [{ name, value }] : []
  })
}

/** Members of an event that are read, with their types. */
function envelopeMembers(query: Query): ReadonlyMap<string, string> {
  const after = present(query, isRow)
  const before = after.filter(({ name }) => isIdentifying(query, name))
  const struct = (members: readonly { name: string; value: DebeziumValue }[]): string =>
    members.length === 0 ? 'JSON' : `STRUCT(${members.map(memberType).join(', ')})`
  const members = new Map([
    ['op', 'VARCHAR'],
    ['before', struct(before)],
    ['after', struct(after)],
    ['source', SOURCE_TYPE],
    ['ts_ms', 'VARCHAR'],
    ['status', 'VARCHAR'],
    ['ddl', 'VARCHAR'],
    ['tableChanges', 'JSON'],
  ])
  // A row in the place of an event shows by one of its columns.
  for (const { name } of before.length > 0 ? before : after.slice(0, 1)) {
    if (!members.has(name)) members.set(name, 'JSON')
  }
  return members
}

const SOURCE_FIELDS = ['connector', 'lsn', 'sequence', 'file', 'pos']
const SOURCE_MEMBERS = [
  ...SOURCE_FIELDS,
  ...Object.keys(EVENT_FIELDS).flatMap((field) => field.split('source.')[1] ?? []),
]
const SOURCE_TYPE = `STRUCT(${[...new Set(SOURCE_MEMBERS)]
  .map((name) => `${identifier(name)} VARCHAR`)
  .join(', ')})`

function flatMembers(query: Query): ReadonlyMap<string, string> {
  const members = new Map<string, string>()
  for (const name of [DELETED, OP]) if (query.layout.values.has(name)) members.set(name, 'VARCHAR')
  for (const { name, value } of present(query, isRow)) members.set(name, debeziumReadType(value))
  // An event in the place of a row shows by one of these.
  for (const name of ['before', 'after']) if (!members.has(name)) members.set(name, 'JSON')
  return members
}

/** Added by Debezium where it makes records flat. */
const DELETED = '__deleted'
const OP = '__op'

const { insert, update, delete: deletion, moved, truncate, none } = OP_CODES

/** What tells that a record follows the delete of its row under another key. */
interface Traces {
  readonly isDelete: string
  readonly isTombstone: string
  readonly place: string
}

/** Null where records do not tell where in the log of the database they stand. */
function traces({ rows, values }: DebeziumLayout): Traces | null {
  if (rows === 'envelope') {
    const isTombstone = 'op IS NULL AND source IS NULL'
    return { isDelete: "coalesce(op = 'd', false)", isTombstone, place: 'source.lsn' }
  }
  const place = ['__lsn', '__source_lsn'].find((name) => values.has(name))
  if (place === undefined || !values.has(DELETED)) return null
  const isDelete = `coalesce(${DELETED} = 'true', false)`
  return { isDelete, isTombstone: `${DELETED} IS NULL`, place: `${place}::VARCHAR` }
}

/** Debezium tells of a row with a new key by a delete, a tombstone if any, and a create. */
function lags(layout: DebeziumLayout): readonly string[] {
  const found = traces(layout)
  if (found === null) return []
  const deletes = `CASE WHEN ${found.isDelete} THEN ${found.place} END`
  return [
    `lag(${deletes}, 1) OVER () AS __sluice_deleted_1`,
    `lag(${deletes}, 2) OVER () AS __sluice_deleted_2`,
    `lag(${found.isTombstone}, 1) OVER () AS __sluice_tombstone`,
  ]
}

/** The operation of a created row. One that lacks values takes them from the row of its old key. */
function createOp(query: Query, forms: UnavailableForms): string {
  const gaps = query.wanted.flatMap((column) => missing(query, column, forms) ?? [])
  const found = traces(query.layout)
  if (gaps.length === 0 || found === null) return String(insert)
  return `CASE WHEN (${gaps.join(' OR ')}) AND (${found.place} = __sluice_deleted_1
      OR __sluice_tombstone AND ${found.place} = __sluice_deleted_2)
    THEN ${moved} ELSE ${insert} END`
}

function envelopeOp(query: Query, forms: UnavailableForms): string {
  const shown = "coalesce(op, 'none') || ', connector: ' || coalesce(source.connector, 'none')"
  return `CASE op WHEN 'c' THEN ${createOp(query, forms)}
    WHEN 'u' THEN ${update} WHEN 'r' THEN ${insert}
    WHEN 'd' THEN ${deletion} WHEN 't' THEN ${truncate} WHEN 'm' THEN ${none}
    ELSE CASE WHEN ${isAside(query)} THEN ${none}
      ELSE error('no change event of Debezium, op: ' || ${shown}) END END`
}

/** Tombstones, ends of transactions, signs of life, changes of schemas. */
function isAside(query: Query): string {
  const known = new Set(['op', 'source', 'ts_ms', 'status', 'ddl', 'tableChanges'])
  const others = [...envelopeMembers(query).keys()].filter((name) => !known.has(name))
  const areNull = (names: readonly string[]): string =>
    names.map((name) => `${identifier(name)} IS NULL`).join(' AND ')
  const isSchemaChange = `source IS NULL OR ddl IS NOT NULL OR "tableChanges" IS NOT NULL`
  return `op IS NULL AND CASE WHEN status IN ('BEGIN', 'END')
    THEN ${areNull(others.filter((name) => name !== 'id'))}
    ELSE status IS NULL AND ${areNull(others)} AND (${isSchemaChange}) END`
}

/** A tombstone has nothing at all; anything else that is no row is refused. */
function noFlatRow(query: Query): string {
  const isNull = [...flatMembers(query).keys()].map((name) => `record.${identifier(name)} IS NULL`)
  return `CASE WHEN ${isNull.join(' AND ')} THEN ${none}
    ELSE error('a flat record without ${DELETED}, or no flat record') END`
}

function flatOp(query: Query, forms: UnavailableForms): string {
  const { values } = query.layout
  const cases = [
    ...(values.has(DELETED)
      ? [
          `WHEN ${DELETED} = 'true' THEN ${deletion}`,
          `WHEN ${DELETED} IS NULL THEN ${noFlatRow(query)}`,
        ]
      : []),
    ...(values.has(OP)
      ? [`WHEN ${OP} = 'd' THEN ${deletion}`, `WHEN ${OP} = 't' THEN ${truncate}`]
      : []),
  ]
  const created = createOp(query, forms)
  return cases.length === 0 ? created : `CASE ${cases.join(' ')} ELSE ${created} END`
}

function isDelete({ rows, values }: DebeziumLayout): string {
  if (rows === 'envelope') return "coalesce(op = 'd', false)"
  return values.has(DELETED) ? `coalesce(${DELETED} = 'true', false)` : 'false'
}

/** The expression of what was read; `null` for columns that the records do not have. */
function readOf(query: Query, name: string): string {
  const column = identifier(name)
  if (query.layout.rows === 'flat') return `record.${column}`
  return isIdentifying(query, name)
    ? `(CASE WHEN op = 'd' THEN "before".${column} ELSE "after".${column} END)`
    : `"after".${column}`
}

/**
 * Why a delete cannot say where it stands among the changes of its row. Of a row that is gone
 * Postgres tells the key alone, unless its replica identity is full; what else must have a value
 * gets 0, an empty text or its default from Debezium. Null where it can.
 */
function doubtOfOrder({ layout: { rows }, ordering }: Query, name: string): string | null {
  if (name !== ordering) return null
  const doubt = `a delete of Postgres may have any value in ${name}: Debezium puts one there`
  if (rows === 'envelope') {
    const advice = 'order by __order, with debezium: { metadata: [order] }'
    return `CASE WHEN source.connector = 'postgresql' THEN ${literal(`${doubt}; ${advice}`)} END`
  }
  // Names that add.fields makes: they tell of the event.
  if (name.startsWith('__')) return null
  return literal(`${doubt}; order by __lsn or __source_ts_ms, with add.fields`)
}

function columnValue(query: Query, { name }: SourceColumn, forms: UnavailableForms): string {
  const value = query.layout.values.get(name)
  if (value === undefined) return 'NULL'
  if (value.written.kind === 'event') {
    const { field } = value.written
    return field === 'order' ? EVENT_ORDER : debeziumValue(eventRead(field), value, name)
  }
  const read = readOf(query, name)
  const decoded = debeziumValue(read, value, name)
  const gap = query.withMasks ? isUnavailable(read, value, forms) : null
  const sent = gap === null ? decoded : `CASE WHEN NOT coalesce(${gap}, false) THEN ${decoded} END`
  if (!isIdentifying(query, name)) return sent
  const untold = literal(`a delete does not tell ${name}, by which its row is found or ordered`)
  const problems = [`CASE WHEN ${read} IS NULL THEN ${untold} END`, doubtOfOrder(query, name)]
  const problem = `coalesce(${problems.filter((one) => one !== null).join(', ')})`
  return `CASE WHEN ${isDelete(query.layout)} AND ${problem} IS NOT NULL THEN error(${problem})
    ELSE ${sent} END`
}

function missing(query: Query, { name }: SourceColumn, forms: UnavailableForms): string | null {
  const value = query.layout.values.get(name)
  if (!query.withMasks || value === undefined || !isRow(value)) return null
  const parent = query.layout.rows === 'flat' ? 'record' : '"after"'
  const gap = isUnavailable(`${parent}.${identifier(name)}`, value, forms)
  return gap === null ? null : `coalesce(${gap}, false)`
}

function eventRead(field: string): string {
  const [parent = '', member] = field.split('.')
  return member === undefined ? `record.${identifier(parent)}` : `source.${identifier(member)}`
}

/** Positions of a binlog file, at most: those of the files before it count so much each. */
const BINLOG_POSITIONS = 2n ** 40n

/**
 * Where the event stands in the log of its database. Postgres: by commit, since changes of open
 * transactions stand before the commits that are told first; MySQL: by file and position in it.
 */
const EVENT_ORDER = `CASE
  WHEN source.lsn IS NOT NULL THEN greatest(source.lsn::BIGINT,
    coalesce(TRY_CAST(json_extract_string(source.sequence, '$[0]') AS BIGINT), 0))
  WHEN source.file IS NOT NULL AND source.pos::BIGINT < ${BINLOG_POSITIONS}
    THEN regexp_extract(source.file, '([0-9]+)$', 1)::BIGINT * ${BINLOG_POSITIONS}
      + source.pos::BIGINT
  WHEN op IS NOT NULL AND op <> 'm'
    THEN error('order: events of this connector name no lsn and no file with pos: '
      || coalesce(source.connector, 'none')) END`
