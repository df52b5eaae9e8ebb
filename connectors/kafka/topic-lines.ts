/** Records of a partition as a part of a block: lines, and where each stands. */

import type { BlockPart, UnreadableRecords } from '../../src/contracts/index.ts'
import {
  findUnknownMembers,
  rejectCodeNumber,
  type Shape,
  type SluiceError,
} from '../../src/model/index.ts'
import type { RecordChunk } from './decode-records.ts'
import { type JsonLines, jsonLines } from './json-lines.ts'
import { copyKeys, type KeyColumn } from './keys.ts'
import { recordError, type TopicPartition } from './place.ts'
import type { KafkaSettings } from './spec.ts'

/** How records of a topic become lines. */
export interface TopicLines {
  readonly settings: Pick<KafkaSettings, 'nullRecords' | 'messageKey'>
  readonly shape: Shape
  /** Members without a column end the decoding. */
  readonly refusesUnknown: boolean
  /** What cannot be read is yielded and marked; else it ends the read. */
  readonly keepsUnreadable: boolean
}

/**
 * The part; null when no record is left. Overwrites the bytes of the records. `unknownBefore`: look
 * for members without a column. Throws SLU-SRC-1519 and 1520.
 */
export function partOf(
  topic: TopicLines,
  place: TopicPartition,
  records: RecordChunk,
  unknownBefore: boolean,
): BlockPart | null {
  const { settings, shape, keepsUnreadable } = topic
  const keys = settings.nullRecords === 'delete' && hasNulls(records) ? copyKeys(records) : null
  const lines = jsonLines(records)
  checkReadable(topic, place, records, lines)
  const kept =
    lines.nullRows.length === 0
      ? wholeLines(records, lines)
      : rewritten(topic, { records, lines, keys, place })
  if (kept.recordCount === 0) return null
  if (unknownBefore) {
    const known = new Set(shape.current.columns.map(({ name }) => name))
    const named = { file: `${place.topic}/${place.partition}`, firstLine: 0 }
    const found = findUnknownMembers(kept.bytes, known, named)
    if (found !== null) shape.add(found.columns)
  }
  const { unreadable, ...part } = kept
  return {
    schema: shape.current,
    format: 'json-lines',
    ...part,
    partialCount: 0,
    ...(topic.refusesUnknown && { refusesUnknown: true }),
    ...(keepsUnreadable && unreadable.rows.length > 0 && { unreadable }),
  }
}

type KeptLines = Pick<
  BlockPart,
  'bytes' | 'recordCount' | 'lineBytesMax' | 'firstPosition' | 'marks'
> & { readonly bytes: Buffer; readonly unreadable: UnreadableRecords }

function hasNulls({ valueLengths }: RecordChunk): boolean {
  return valueLengths.some((length) => length < 0)
}

function checkReadable(
  { settings, keepsUnreadable }: TopicLines,
  place: TopicPartition,
  { offsets }: RecordChunk,
  { nullRows, unreadable }: JsonLines,
): void {
  const [firstNull] = nullRows
  if (firstNull !== undefined && settings.nullRecords === 'stop') {
    const message = `the record at offset ${offsets[firstNull]} has no value`
    throw recordError('SLU-SRC-1519', place, message)
  }
  const [firstBad] = unreadable.rows
  if (firstBad !== undefined && !keepsUnreadable) {
    const message = `the value at offset ${offsets[firstBad]} is no JSON text`
    throw recordError('SLU-SRC-1520', place, message)
  }
}

function wholeLines({ offsets, timestamps }: RecordChunk, lines: JsonLines): KeptLines {
  const { bytes, recordCount, lineBytesMax } = lines
  return {
    ...{ bytes, recordCount, lineBytesMax },
    firstPosition: offsets[0] ?? 0n,
    marks: { positions: offsets, timesMs: timestamps, deletes: null },
    unreadable: unreadableOf(lines, lines.unreadable.rows),
  }
}

function unreadableOf({ unreadable }: JsonLines, rows: Uint32Array): UnreadableRecords {
  const codes = new Uint8Array(rows.length).fill(rejectCodeNumber('invalid-json'))
  return { rows, codes, values: unreadable.values }
}

/** Lines of which some are left out, or name the row that a record deletes. */
function rewritten(
  { settings }: TopicLines,
  read: {
    readonly records: RecordChunk
    readonly lines: JsonLines
    readonly keys: KeyColumn | null
    readonly place: TopicPartition
  },
): KeptLines {
  const { records, lines, keys, place } = read
  const pieces: Buffer[] = []
  const rows: number[] = []
  const deletes: number[] = []
  let lineBytesMax = lines.lineBytesMax
  let nextNull = 0
  let from = 0
  for (let row = 0; row < lines.recordCount; row++) {
    const end = lines.bytes.indexOf(LF, from) + 1
    if (lines.nullRows[nextNull] !== row) {
      pieces.push(lines.bytes.subarray(from, end))
      rows.push(row)
      deletes.push(0)
    } else {
      nextNull++
      if (keys !== null) {
        const line = keyLine(settings, keys, row, place)
        lineBytesMax = Math.max(lineBytesMax, line.length)
        pieces.push(line)
        rows.push(row)
        deletes.push(1)
      }
    }
    from = end
  }
  const positions = BigInt64Array.from(rows, (row) => records.offsets[row] as bigint)
  const places = new Map(rows.map((row, index) => [row, index]))
  const unreadable = lines.unreadable.rows.map((row) => places.get(row) as number)
  return {
    bytes: Buffer.concat(pieces),
    recordCount: rows.length,
    lineBytesMax,
    firstPosition: positions[0] ?? 0n,
    marks: {
      positions,
      timesMs: BigInt64Array.from(rows, (row) => records.timestamps[row] as bigint),
      deletes: keys === null ? null : Uint8Array.from(deletes),
    },
    unreadable: unreadableOf(lines, unreadable),
  }
}

const LF = 0x0a

/** The row that a record without a value deletes, as a line with its key columns. */
function keyLine(
  { messageKey }: TopicLines['settings'],
  { bytes, ends, nulls }: KeyColumn,
  row: number,
  place: TopicPartition,
): Buffer {
  const text = bytes.toString('utf8', ends[row - 1] ?? 0, ends[row])
  const refuse = (why: string): SluiceError =>
    recordError('SLU-SRC-1521', place, `a record without a value has a key that ${why}`)
  if (nulls[row] === 1) throw refuse('is null')
  const { format, column } = messageKey ?? {}
  // The text itself goes on the line: printing what was parsed would round long numbers.
  const value = format === 'json' ? text.replaceAll(/[\r\n]/g, ' ').trim() : JSON.stringify(text)
  if (!isJson(value)) throw refuse('is no JSON')
  if (value.startsWith('{')) return Buffer.from(`${value}\n`)
  if (column === undefined) throw refuse('is no object, and no column is named for it')
  return Buffer.from(`{${JSON.stringify(column)}:${value}}\n`)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
