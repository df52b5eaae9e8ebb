/**
 * Decoder of the `pgoutput` plugin's messages, protocol version 1: message bytes → COPY text lines.
 * No string and no object is made per row or value.
 *
 * Messages (big-endian; `str` ends with NUL; LSNs are 64 bits; times are micros since 2000-01-01
 * UTC):
 *   B  final LSN, commit time, xid:4                begin: the final LSN is that of the commit
 * record
 *   C  flags:1, commit LSN, end LSN, commit time    commit
 *   R  id:4, schema str, table str, identity:1, columns:2, each flags:1 name str type:4 typmod:4
 *   I  id:4, 'N' tuple
 *   U  id:4, ['K' tuple | 'O' tuple], 'N' tuple     K: old key, when it changed; O: old row
 * (identity full)
 *   D  id:4, 'K' tuple | 'O' tuple
 *   T  count:4, options:1, id:4 …
 *   Y O M                                            type, origin, message: not needed
 *   tuple: columns:2, each 'n' | 'u' | 't' length:4 bytes   null, unchanged TOAST, text
 * Source: PostgreSQL 18 documentation, "Logical Replication Message Formats".
 */

import type { BlockPart } from '../../src/contracts/index.ts'
import { SluiceError, type SourcePosition, type StreamSchema } from '../../src/model/index.ts'
import {
  BACKSLASH,
  escapedSizeMax,
  LINE_FEED,
  NULL_MARK,
  TAB,
  UNSENT_MARK,
  writeEscaped,
} from './copy-text.ts'
import { Landing } from './landing.ts'

/** A relation message: the shape of the rows that follow it. */
export interface RelationMessage {
  readonly id: number
  readonly schemaName: string
  readonly tableName: string
  /** d default, i index, f full, n nothing. */
  readonly identity: string
  readonly columns: readonly {
    readonly name: string
    /** Part of the replica identity. */
    readonly isKey: boolean
    readonly typeOid: number
    readonly typmod: number
  }[]
}

/** What the session makes of a relation that it reads. */
export interface ResolvedRelation {
  readonly schema: StreamSchema
  /** Changes of transactions below this position are not wanted. */
  readonly resumePosition: SourcePosition
}

/** Answers a relation message; null when its changes are not wanted at all. */
export type RelationResolver = (relation: RelationMessage) => ResolvedRelation | null

interface Relation {
  readonly id: number
  readonly columnCount: number
  readonly isFull: boolean
  /** Column index → 1 when it is a key column of the schema. */
  readonly isKey: Uint8Array
  /**
   * Columns whose change makes another row of it: the key, or all when a full identity has no key.
   */
  readonly isIdentity: Uint8Array
  readonly resumePosition: SourcePosition
  readonly landing: Landing
}

/** Column index → where its value stands in the message; length -1 NULL, -2 not sent. */
interface Tuple {
  readonly starts: Int32Array
  readonly lengths: Int32Array
}

const NULL_LENGTH = -1
const UNSENT_LENGTH = -2
/** PostgreSQL's limit of columns is 1,600. */
const COLUMNS_MAX = 1664
/** Micros from 1970-01-01 to 2000-01-01. */
const POSTGRES_EPOCH_MICROS = 946_684_800_000_000n

const OP = { insert: 0x69, update: 0x75, delete: 0x64, keyInsert: 0x6d, truncate: 0x74 } as const

/** Turns messages into lines, gathered per schema until `takeParts`. */
export class PgoutputDecoder {
  /** Bytes landed since the last `takeParts`. */
  landedBytes = 0
  inTransaction = false
  /** Lines of the open transaction. */
  openLines = 0
  /** End of the last whole transaction: where a reader goes on. */
  nextPosition: SourcePosition
  /** Commit time of the newest transaction seen, epoch micros. */
  sourceTimeMicros: bigint | null = null

  readonly #resolve: RelationResolver
  readonly #relations = new Map<number, Relation>()
  #lastRelation: Relation | null = null
  /** Landings with lines, in the order of their first line. */
  #landings: Landing[] = []
  #position: SourcePosition = 0n
  /** Highest resume position of any relation: transactions from there on need no look. */
  #resumePositionMax: SourcePosition = 0n
  #mayskip = false
  /** TAB position TAB time of the open transaction: the same for all its lines. */
  readonly #prefix = Buffer.alloc(64)
  #prefixLength = 0
  readonly #before: Tuple = createTuple()
  readonly #after: Tuple = createTuple()

  /** `nextPosition` is where reading starts. */
  constructor(nextPosition: SourcePosition, resolve: RelationResolver) {
    this.nextPosition = nextPosition
    this.#resolve = resolve
  }

  /** Decodes the message in `bytes[start, end)`. Throws SLU-SRC-1220 when it is not one. */
  decode(bytes: Buffer, start: number, end: number): void {
    const body = start + 1
    let at: number
    switch (bytes[start]) {
      case 0x49: // I
        at = this.#insert(bytes, body, end)
        break
      case 0x55: // U
        at = this.#update(bytes, body, end)
        break
      case 0x44: // D
        at = this.#delete(bytes, body, end)
        break
      case 0x42: // B
        at = this.#begin(bytes, body, end)
        break
      case 0x43: // C
        at = this.#commit(bytes, body, end)
        break
      case 0x52: // R
        at = this.#relation(bytes, body, end)
        break
      case 0x54: // T
        at = this.#truncate(bytes, body, end)
        break
      case 0x59: // Y
      case 0x4f: // O
      case 0x4d: // M
        return
      default:
        throw malformed(`unknown message type ${bytes[start] ?? 'none'}`)
    }
    if (at !== end) throw malformed(`message ends at ${at - start} of ${end - start} bytes`)
  }

  /** All lines landed so far, one part a schema, in the order of their first lines. */
  takeParts(): BlockPart[] {
    const parts: BlockPart[] = []
    for (const landing of this.#landings) {
      const part = landing.take()
      if (part !== null) parts.push(part)
    }
    this.#landings = []
    this.landedBytes = 0
    return parts
  }

  #begin(bytes: Buffer, start: number, end: number): number {
    need(start + 20, end)
    if (this.inTransaction) throw malformed('begin inside a transaction')
    this.#position = bytes.readBigUInt64BE(start)
    const micros = bytes.readBigInt64BE(start + 8) + POSTGRES_EPOCH_MICROS
    this.inTransaction = true
    this.openLines = 0
    this.sourceTimeMicros = micros
    this.#mayskip = this.#position < this.#resumePositionMax
    this.#prefixLength = this.#prefix.write(`\t${this.#position}\t${micros}`, 'latin1')
    return start + 20
  }

  #commit(bytes: Buffer, start: number, end: number): number {
    need(start + 25, end)
    if (!this.inTransaction) throw malformed('commit outside a transaction')
    this.inTransaction = false
    const endPosition = bytes.readBigUInt64BE(start + 9)
    if (endPosition > this.nextPosition) this.nextPosition = endPosition
    return start + 25
  }

  #insert(bytes: Buffer, start: number, end: number): number {
    const relation = this.#wanted(bytes, start, end)
    if (relation === null) return end
    expectByte(bytes, start + 4, 0x4e)
    const at = readTuple(this.#after, bytes, start + 5, end, relation.columnCount)
    this.#writeLine(OP.insert, relation, bytes, this.#after, null, end - start)
    return at
  }

  #update(bytes: Buffer, start: number, end: number): number {
    const relation = this.#wanted(bytes, start, end)
    if (relation === null) return end
    const kind = bytes[start + 4]
    if (kind === 0x4e) {
      const at = readTuple(this.#after, bytes, start + 5, end, relation.columnCount)
      this.#writeLine(OP.update, relation, bytes, this.#after, null, end - start)
      return at
    }
    if (kind !== 0x4b && kind !== 0x4f) throw malformed(`update with tuple kind ${kind}`)
    const afterStart = readTuple(this.#before, bytes, start + 5, end, relation.columnCount)
    expectByte(bytes, afterStart, 0x4e)
    const at = readTuple(this.#after, bytes, afterStart + 1, end, relation.columnCount)
    fillUnsent(this.#after, this.#before, relation, kind === 0x4f)
    if (identityDiffers(bytes, relation, this.#before, this.#after)) {
      const shown = kind === 0x4f ? null : relation.isKey
      this.#writeLine(OP.delete, relation, bytes, this.#before, shown, end - start)
      this.#writeLine(OP.keyInsert, relation, bytes, this.#after, null, end - start)
    } else {
      this.#writeLine(OP.update, relation, bytes, this.#after, null, end - start)
    }
    return at
  }

  #delete(bytes: Buffer, start: number, end: number): number {
    const relation = this.#wanted(bytes, start, end)
    if (relation === null) return end
    const kind = bytes[start + 4]
    if (kind !== 0x4b && kind !== 0x4f) throw malformed(`delete with tuple kind ${kind}`)
    const at = readTuple(this.#before, bytes, start + 5, end, relation.columnCount)
    const shown = kind === 0x4f ? null : relation.isKey
    this.#writeLine(OP.delete, relation, bytes, this.#before, shown, end - start)
    return at
  }

  #truncate(bytes: Buffer, start: number, end: number): number {
    need(start + 5, end)
    const count = bytes.readInt32BE(start)
    let at = start + 5
    need(at + count * 4, end)
    for (let index = 0; index < count; index++, at += 4) {
      const relation = this.#wanted(bytes, at, end)
      if (relation === null) continue
      this.#after.lengths.fill(NULL_LENGTH, 0, relation.columnCount)
      this.#writeLine(OP.truncate, relation, bytes, this.#after, null, 0)
    }
    return at
  }

  /** The relation named at `start`, or null when this change of it is not wanted. */
  #wanted(bytes: Buffer, start: number, end: number): Relation | null {
    need(start + 4, end)
    if (!this.inTransaction) throw malformed('change outside a transaction')
    const id = bytes.readUInt32BE(start)
    let relation = this.#lastRelation
    if (relation === null || relation.id !== id) {
      relation = this.#relations.get(id) ?? null
      if (relation === null) return null
      this.#lastRelation = relation
    }
    if (this.#mayskip && this.#position < relation.resumePosition) return null
    return relation
  }

  #relation(bytes: Buffer, start: number, end: number): number {
    const [message, at] = readRelation(bytes, start, end)
    const known = this.#relations.get(message.id)
    const resolved = this.#resolve(message)
    this.#lastRelation = null
    if (resolved === null) {
      this.#relations.delete(message.id)
      return at
    }
    const { schema, resumePosition } = resolved
    const isFull = message.identity === 'f'
    const isKey = Uint8Array.from(schema.columns, (column) =>
      schema.key.includes(column.name) ? 1 : 0,
    )
    const wholeRow = isFull && schema.key.length === 0
    const landing = known?.landing.schema === schema ? known.landing : new Landing(schema)
    this.#relations.set(message.id, {
      id: message.id,
      columnCount: schema.columns.length,
      isFull,
      isKey,
      isIdentity: wholeRow ? isKey.map(() => 1) : isKey,
      resumePosition,
      landing,
    })
    if (resumePosition > this.#resumePositionMax) this.#resumePositionMax = resumePosition
    this.#mayskip = this.inTransaction && this.#position < this.#resumePositionMax
    return at
  }

  /**
   * One line. `shown` limits the columns that are set; null shows all. `sizeHint`: bytes of the
   * message.
   */
  #writeLine(
    op: number,
    relation: Relation,
    bytes: Buffer,
    tuple: Tuple,
    shown: Uint8Array | null,
    sizeHint: number,
  ): void {
    const landing = relation.landing
    if (landing.recordCount === 0) {
      landing.firstPosition = this.#position
      this.#landings.push(landing)
    }
    const { starts, lengths } = tuple
    const columnCount = relation.columnCount
    landing.reserve(escapedSizeMax(sizeHint) + this.#prefixLength + columnCount * 3 + 2)
    const target = landing.buffer
    const prefix = this.#prefix
    const lineStart = landing.length
    let at = lineStart
    target[at++] = op
    for (let index = 0; index < this.#prefixLength; index++) target[at++] = prefix[index]!
    let partial = false
    for (let index = 0; index < columnCount; index++) {
      target[at++] = TAB
      const length = lengths[index]!
      if (length < 0 || (shown !== null && shown[index] === 0)) {
        const unsent = length === UNSENT_LENGTH && shown === null
        partial ||= unsent
        target[at++] = BACKSLASH
        target[at++] = unsent ? UNSENT_MARK : NULL_MARK
      } else {
        const from = starts[index]!
        at = writeEscaped(target, at, bytes, from, from + length)
      }
    }
    target[at++] = LINE_FEED
    landing.length = at
    landing.recordCount++
    this.openLines++
    if (partial) landing.partialCount++
    this.landedBytes += at - lineStart
  }
}

function createTuple(): Tuple {
  return { starts: new Int32Array(COLUMNS_MAX), lengths: new Int32Array(COLUMNS_MAX) }
}

/** Reads a tuple that must have `columnCount` columns; returns where it ends. */
function readTuple(
  tuple: Tuple,
  bytes: Buffer,
  start: number,
  end: number,
  columnCount: number,
): number {
  need(start + 2, end)
  const found = (bytes[start]! << 8) | bytes[start + 1]!
  if (found !== columnCount) {
    throw malformed(`a tuple of ${found} columns where the relation has ${columnCount}`)
  }
  const { starts, lengths } = tuple
  let at = start + 2
  for (let index = 0; index < columnCount; index++) {
    const kind = bytes[at++]
    if (kind === 0x74) {
      const length =
        (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
      at += 4
      if (length < 0 || at + length > end) throw malformed('a value that ends after its message')
      starts[index] = at
      lengths[index] = length
      at += length
    } else if (kind === 0x6e) {
      lengths[index] = NULL_LENGTH
    } else if (kind === 0x75) {
      lengths[index] = UNSENT_LENGTH
    } else {
      throw malformed(`a column of unknown kind ${kind}`)
    }
  }
  return at
}

/**
 * Columns that the new row does not hold stand in the old one: all of them under full identity,
 * else the key.
 */
function fillUnsent(after: Tuple, before: Tuple, relation: Relation, isWholeRow: boolean): void {
  for (let index = 0; index < relation.columnCount; index++) {
    if (after.lengths[index] !== UNSENT_LENGTH) continue
    if (!isWholeRow && relation.isKey[index] === 0) continue
    after.starts[index] = before.starts[index]!
    after.lengths[index] = before.lengths[index]!
  }
}

function identityDiffers(bytes: Buffer, relation: Relation, before: Tuple, after: Tuple): boolean {
  for (let index = 0; index < relation.columnCount; index++) {
    if (relation.isIdentity[index] === 0) continue
    const length = before.lengths[index]!
    if (length !== after.lengths[index]) return true
    if (length <= 0) continue
    const left = before.starts[index]!
    const right = after.starts[index]!
    if (bytes.compare(bytes, right, right + length, left, left + length) !== 0) return true
  }
  return false
}

/** A relation message, from its first byte on. Throws SLU-SRC-1220 when it is not one. */
export function relationMessage(bytes: Buffer, start: number, end: number): RelationMessage {
  const [message] = readRelation(bytes, start + 1, end)
  return message
}

function readRelation(bytes: Buffer, start: number, end: number): [RelationMessage, number] {
  need(start + 4, end)
  const id = bytes.readUInt32BE(start)
  const [schemaName, tableStart] = readName(bytes, start + 4, end)
  const [tableName, identityStart] = readName(bytes, tableStart, end)
  need(identityStart + 3, end)
  const identity = String.fromCharCode(bytes[identityStart]!)
  const columnCount = bytes.readUInt16BE(identityStart + 1)
  const columns: RelationMessage['columns'][number][] = []
  let at = identityStart + 3
  for (let index = 0; index < columnCount; index++) {
    need(at + 1, end)
    const isKey = (bytes[at]! & 1) === 1
    const [name, typeStart] = readName(bytes, at + 1, end)
    need(typeStart + 8, end)
    const typeOid = bytes.readUInt32BE(typeStart)
    columns.push({ name, isKey, typeOid, typmod: bytes.readInt32BE(typeStart + 4) })
    at = typeStart + 8
  }
  return [{ id, schemaName: schemaName || 'pg_catalog', tableName, identity, columns }, at]
}

function readName(bytes: Buffer, start: number, end: number): [string, number] {
  const stop = bytes.indexOf(0, start)
  if (stop < 0 || stop >= end) throw malformed('a name without end')
  return [bytes.toString('utf8', start, stop), stop + 1]
}

function need(at: number, end: number): void {
  if (at > end) throw malformed('a message that is too short')
}

function expectByte(bytes: Buffer, at: number, expected: number): void {
  if (bytes[at] !== expected) throw malformed(`tuple kind ${bytes[at]} instead of ${expected}`)
}

function malformed(what: string): SluiceError {
  return new SluiceError('SLU-SRC-1220', { message: `the replication stream holds ${what}` })
}
