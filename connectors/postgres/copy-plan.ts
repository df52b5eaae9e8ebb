/**
 * What a first copy reads and where it goes on after a break: chunks are runs of blocks of a file,
 * in one fixed order, and a place names the end of a chunk. Pure.
 */

import { createHash } from 'node:crypto'
import type {
  Cursor,
  JsonObject,
  JsonValue,
  SourcePosition,
  StreamSchema,
} from '../../src/model/index.ts'
import { type CopyRelation, quotedTable, type TableFacts } from './catalog.ts'

/** Rows of one relation in a run of its blocks. */
export interface CopyChunk {
  /** What to read from: `"public"."orders"`, or its partitions. */
  readonly relation: string
  readonly fromBlockInclusive: number | null
  /** Null: to the end, wherever that is by then. */
  readonly toBlockExclusive: number | null
  /** Where to go on once this chunk and all before it are in the table; null: only from empty. */
  readonly place: CopyPlace | null
  /** The stream has no rows beyond this chunk. */
  readonly isLast: boolean
}

/**
 * The end of a chunk. Relations of lower oid are copied, and of this one the blocks before
 * `block`, or all when it is null.
 */
export interface CopyPlace {
  readonly relation: number
  /** The file that the block number is about: a rewrite gives the relation another one. */
  readonly file: number
  readonly block: number | null
}

/** A copy that was interrupted and goes on. */
export interface InterruptedCopy {
  readonly attempt: string
  readonly place: CopyPlace
  readonly rowsCopied: number
  /** The table holds everything before this position, of the rows it has. */
  readonly nextPosition: SourcePosition
}

/** What decides whether a copy may go on. */
export interface ResumeFacts {
  /** Identity of the slot and the server, as stored in every cursor. */
  readonly identity: JsonObject
  /** Changes before this position are not in the slot any more; null: the slot is new. */
  readonly confirmedPosition: SourcePosition | null
  readonly tableOid: number
  readonly schema: StreamSchema
  /** What the table consists of now, where that must be the same; null where it need not. */
  readonly files: string | null
}

/** Postgres reads a run of blocks without looking at the others since this version. */
const BLOCK_RANGE_VERSION_MIN = 140000
/** Rows of a block where the server has no statistics: 130 bytes each. */
const ROWS_PER_BLOCK_GUESS = 60

/** Stored in the cursor: the place, and what must still be true for it to mean anything. */
export function placeToJson(
  place: CopyPlace,
  rowsCopied: number,
  facts: {
    readonly table: TableFacts
    readonly schema: StreamSchema
    readonly relations: readonly CopyRelation[]
  },
): JsonObject {
  const { table, schema, relations } = facts
  const must = { table: table.oid, shape: shapeOf(schema), files: filesOf(relations) }
  return { ...must, ...place, rowsCopied }
}

/**
 * The interrupted copy that a cursor tells of, or null when it must begin from empty: there is no
 * place, changes since then are not in the slot, or it is not the same table in the same shape.
 */
export function interruptedCopy(cursor: Cursor | null, facts: ResumeFacts): InterruptedCopy | null {
  if (cursor?.phase !== 'copy' || facts.confirmedPosition === null) return null
  const { identity, nextPosition } = cursor
  if (nextPosition < facts.confirmedPosition) return null
  const isSameSource = Object.entries(facts.identity).every(
    ([name, value]) => identity[name] === value,
  )
  const { copyAttempt, copied } = identity
  if (!isSameSource || typeof copyAttempt !== 'string' || !isObject(copied)) return null
  const { table, shape, relation, file, block, rowsCopied } = copied
  if (table !== facts.tableOid || shape !== shapeOf(facts.schema)) return null
  if (facts.files !== null && copied.files !== facts.files) return null
  if (typeof relation !== 'number' || typeof file !== 'number') return null
  if (block !== null && typeof block !== 'number') return null
  return {
    attempt: copyAttempt,
    place: { relation, file, block },
    rowsCopied: typeof rowsCopied === 'number' ? rowsCopied : 0,
    nextPosition,
  }
}

/** What chunks are planned from. */
export interface ChunkFacts {
  readonly table: TableFacts
  /** The table, or its leaf partitions, in ascending order of oid. */
  readonly relations: readonly CopyRelation[]
  readonly versionNumber: number
  readonly chunkRows: number
  /** False for streams without a key: their rows cannot be met again. */
  readonly isResumable: boolean
}

/** The chunks behind a place, in the order in which they must reach the table; at least one. */
export function* planChunks(facts: ChunkFacts, from: CopyPlace | null): Generator<CopyChunk, void> {
  const relations = facts.relations.filter(({ oid }) => from === null || oid >= from.relation)
  if (facts.relations.some(({ readable }) => !readable)) {
    // Who may read a partitioned table need not be allowed to read its partitions by name.
    yield { relation: quotedTable(facts.table), ...EVERYTHING, place: null, isLast: true }
    return
  }
  const last = relations.at(-1)
  if (last === undefined) {
    yield { relation: quotedTable(facts.table), ...EVERYTHING, place: from, isLast: true }
    return
  }
  for (const relation of relations) {
    const isBegun = relation.oid === from?.relation && relation.fileNode === from.file
    if (isBegun && from.block === null && relation !== last) continue
    yield* relationChunks(facts, relation, isBegun ? from.block : 0, relation === last)
  }
}

const EVERYTHING = { fromBlockInclusive: null, toBlockExclusive: null } as const

function* relationChunks(
  facts: ChunkFacts,
  relation: CopyRelation,
  firstBlock: number | null,
  isLastRelation: boolean,
): Generator<CopyChunk, void> {
  const name = quotedTable(relation)
  const placeAt = (block: number | null): CopyPlace | null =>
    facts.isResumable ? { relation: relation.oid, file: relation.fileNode, block } : null
  const size = blocksOfChunk(facts, relation)
  let from = firstBlock ?? relation.blockCount
  for (; from + size < relation.blockCount; from += size) {
    yield {
      relation: name,
      fromBlockInclusive: from === 0 ? null : from,
      toBlockExclusive: from + size,
      place: placeAt(from + size),
      isLast: false,
    }
  }
  yield {
    relation: name,
    fromBlockInclusive: from === 0 ? null : from,
    toBlockExclusive: null,
    place: placeAt(null),
    isLast: isLastRelation,
  }
}

function blocksOfChunk(facts: ChunkFacts, relation: CopyRelation): number {
  if (facts.versionNumber < BLOCK_RANGE_VERSION_MIN) return Number.POSITIVE_INFINITY
  const rowsPerBlock = relation.rowsPerBlock ?? ROWS_PER_BLOCK_GUESS
  return Math.max(1, Math.ceil(facts.chunkRows / rowsPerBlock))
}

/** WHERE clause of a chunk, with a space before it; empty for a whole relation. */
export function chunkWhere(chunk: CopyChunk): string {
  const { fromBlockInclusive, toBlockExclusive } = chunk
  const conditions = [
    ...(fromBlockInclusive === null ? [] : [`ctid >= '(${fromBlockInclusive},0)'::tid`]),
    ...(toBlockExclusive === null ? [] : [`ctid < '(${toBlockExclusive},0)'::tid`]),
  ]
  return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
}

/** Columns and key as a short text: rows of one shape must not meet rows of another. */
function shapeOf(schema: StreamSchema): string {
  const columns = schema.columns.map(({ name, sourceType, type }) => [name, sourceType, type])
  return digest([columns, schema.key])
}

/** The files of a table as a short text: another one once partitions come or go, or a rewrite. */
export function filesOf(relations: readonly CopyRelation[]): string {
  return digest(relations.map(({ oid, fileNode }) => [oid, fileNode]))
}

const digest = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16)

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
