/**
 * Looks into the lines of parts that the reader has written: where a position is passed, and which
 * rows were not sent whole. Pure. Only blocks around a snapshot are looked at, never the stream.
 */

import type { BlockPart, SourceBlock } from '../../src/contracts/index.ts'
import type { SourcePosition } from '../../src/model/index.ts'
import { BACKSLASH, LINE_FEED, TAB, UNSENT_MARK, unescapeField } from './copy-text.ts'

/** A block in two: what lies before a position, and what does not. */
export interface SplitBlock {
  readonly before: SourceBlock
  /** Null when the block does not reach the position: more of what lies before will come. */
  readonly after: SourceBlock | null
}

/**
 * Splits at a position, between transactions: all lines of one carry the same position, and
 * positions grow within each part.
 */
export function splitBlock(block: SourceBlock, position: SourcePosition): SplitBlock {
  const before: BlockPart[] = []
  const after: BlockPart[] = []
  for (const part of block.parts) splitPart(part, position, before, after)
  const isReached = after.length > 0 || (block.endsTransaction && block.nextPosition >= position)
  if (!isReached) return { before: block, after: null }
  return {
    before: { ...block, parts: before, nextPosition: position, endsTransaction: true },
    after: { ...block, parts: after },
  }
}

function splitPart(
  part: BlockPart,
  position: SourcePosition,
  before: BlockPart[],
  after: BlockPart[],
): void {
  const { bytes } = part
  if (part.recordCount === 0 || positionAt(bytes, lastLine(bytes)) < position) {
    before.push(part)
    return
  }
  const first = { recordCount: 0, partialCount: 0 }
  let at = 0
  while (positionAt(bytes, at) < position) {
    const end = lineEnd(bytes, at)
    first.recordCount++
    if (hasUnsent(bytes, at, end)) first.partialCount++
    at = end + 1
  }
  const { schema, format } = part
  if (at > 0) {
    before.push({
      ...{ schema, format, firstPosition: part.firstPosition, ...first },
      bytes: bytes.subarray(0, at),
    })
  }
  after.push({
    ...{ schema, format, firstPosition: positionAt(bytes, at) },
    recordCount: part.recordCount - first.recordCount,
    partialCount: part.partialCount - first.partialCount,
    bytes: bytes.subarray(at),
  })
}

/** The keys of the rows that a part does not hold whole, each once: values as Postgres' text. */
export function unsentKeys(part: BlockPart): readonly RowKey[] {
  return [...collectKeys(part, (fields) => fields).values()]
}

/**
 * The keys of the rows from which the values come that a part leaves out, each once: of a row that
 * got another key, the one of before.
 */
export function neededKeys(part: BlockPart): readonly RowKey[] {
  const wanted = collectKeys(part, (fields, before) => (fields[0] === 'm' ? before : fields))
  return [...wanted.values()]
}

/** Values of the key columns as Postgres' text. */
export type RowKey = readonly string[]

function collectKeys(
  part: BlockPart,
  choose: (fields: readonly string[], before: readonly string[]) => readonly string[],
): ReadonlyMap<string, RowKey> {
  const keys = new Map<string, RowKey>()
  if (part.partialCount === 0) return keys
  const { bytes, schema } = part
  const keyColumns = schema.key.map((name) =>
    schema.columns.findIndex((column) => column.name === name),
  )
  const fieldsAt = (start: number, end: number): readonly string[] =>
    Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start)
      .toString('utf8')
      .split('\t')
  let before = 0
  for (let at = 0; at < bytes.length; ) {
    const end = lineEnd(bytes, at)
    if (hasUnsent(bytes, at, end)) {
      const fields = choose(fieldsAt(at, end), fieldsAt(before, lineEnd(bytes, before)))
      const key = keyColumns.map((column) =>
        unescapeField(fields[column + FIELDS_BEFORE] as string),
      )
      keys.set(JSON.stringify(key), key)
    }
    before = at
    at = end + 1
  }
  return keys
}

/** The position of the last line of a part that has any. */
export function lastPosition({ bytes }: BlockPart): SourcePosition {
  return positionAt(bytes, lastLine(bytes))
}

/** op, position, time. */
const FIELDS_BEFORE = 3

function lineEnd(bytes: Uint8Array, from: number): number {
  return bytes.indexOf(LINE_FEED, from)
}

/** Where the last line begins. */
function lastLine(bytes: Uint8Array): number {
  return bytes.lastIndexOf(LINE_FEED, bytes.length - 2) + 1
}

/** The position of the line that begins at `at`: the digits between its first two TABs. */
function positionAt(bytes: Uint8Array, at: number): SourcePosition {
  const start = bytes.indexOf(TAB, at) + 1
  const end = bytes.indexOf(TAB, start)
  return BigInt(Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1'))
}

/** True when a field is the mark alone: in values a backslash is always doubled. */
function hasUnsent(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = bytes.indexOf(TAB, start); at >= 0 && at < end; at = bytes.indexOf(TAB, at + 1)) {
    if (bytes[at + 1] !== BACKSLASH || bytes[at + 2] !== UNSENT_MARK) continue
    if (bytes[at + 3] === TAB || at + 3 === end) return true
  }
  return false
}
