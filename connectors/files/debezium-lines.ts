/**
 * Finds the records in a piece of a file of Debezium's JSON, and takes their schemas away. Pure but
 * for what it remembers of schemas; no object and no string per record.
 */

import { isUtf8 } from 'node:buffer'
import type { BlockPart } from '../../src/contracts/index.ts'
import {
  bareKind,
  createDebeziumRecords,
  type DebeziumLayout,
  LF,
  OPENING_BRACE,
  type SchemaShape,
  SluiceError,
  type StreamSchema,
  skipSpace,
  unavailableForms,
} from '../../src/model/index.ts'
import { isTooDeep } from './depth.ts'
import {
  LINE_BYTES_MAX,
  type RecordFormat,
  type RecordProblem,
  type RecordScan,
} from './records.ts'

/** How the records of a stretch lie; asked for whenever that changes. */
export interface DebeziumRows {
  readonly layout: DebeziumLayout
  readonly schema: StreamSchema
}

/** Where the lines get to know what they lead to. */
export interface DebeziumRowsOf {
  /** Rows with a schema. */
  withSchema(shape: SchemaShape): DebeziumRows
  /** Rows without one. */
  bare(): DebeziumRows
  /** Before any row: for records that tell of none. */
  none(): DebeziumRows
}

/** A scan, and how its records lie. It ends early where that changes. */
export interface DebeziumScan extends RecordScan {
  readonly rows: DebeziumRows
  /** From and to of each record in the piece; of one that tells of no row they may be equal. */
  readonly spans: Uint32Array
  /** The records are not the lines as they stand. */
  readonly isCut: boolean
  readonly isEarly: boolean
}

/** The records of files of Debezium's JSON. */
export function debeziumLines(rows: DebeziumLayout['rows'], rowsOf: DebeziumRowsOf): RecordFormat {
  const scanning = new Scanning(rows, rowsOf)
  return {
    scan: (bytes) => scanning.scan(bytes),
    // Records of the format are never rejected: the configuration refuses that.
    scanAll: () => {
      throw new SluiceError('SLU-BUG-9001', { message: 'records of Debezium are not rejected' })
    },
    records: (bytes, scan) => withoutSchemas(bytes, scan as DebeziumScan),
  }
}

/** True for scans of `debeziumLines`. */
export function isDebeziumScan(scan: RecordScan): scan is DebeziumScan {
  return 'spans' in scan
}

/** What a part of these records says of them. */
export function debeziumPart(
  { rows: { schema, layout }, recordCount }: DebeziumScan,
  bytes: Buffer,
): Pick<BlockPart, 'schema' | 'debezium' | 'partialCount'> {
  const { text, base64, hex, codes, uuid } = unavailableForms(layout.unavailable)
  const forms = [text, base64, hex, codes.join(','), uuid]
  const isPartial = forms.some((form) => bytes.includes(form))
  return { schema, debezium: layout, partialCount: isPartial ? recordCount : 0 }
}

/** What a line came to. */
type LineResult = 'record' | 'blank' | 'stop'

class Scanning {
  readonly #records = createDebeziumRecords()
  readonly #expected: DebeziumLayout['rows']
  readonly #rowsOf: DebeziumRowsOf
  readonly #known = new Map<SchemaShape, DebeziumRows>()
  #bare: DebeziumRows | null = null
  #current: DebeziumRows | null = null
  /** Of the scan that runs. */
  #spans = new Uint32Array(1024)
  #recordCount = 0
  #rowCount = 0
  #isCut = false
  #isEarly = false
  #problem: RecordProblem | null = null
  #reason = ''

  constructor(expected: DebeziumLayout['rows'], rowsOf: DebeziumRowsOf) {
    this.#expected = expected
    this.#rowsOf = rowsOf
  }

  scan(bytes: Buffer): DebeziumScan {
    const end = bytes.lastIndexOf(LF) + 1
    const whole = bytes.subarray(0, end)
    if (isUtf8(whole)) return this.#scanText(whole)
    let good = 0
    for (let next = end; next > 0; ) {
      next = whole.indexOf(LF, good) + 1
      if (!isUtf8(whole.subarray(good, next))) break
      good = next
    }
    const scan = this.#scanText(whole.subarray(0, good))
    const isDone = scan.problem === null && !scan.isEarly
    return isDone ? { ...scan, problem: 'not-utf8' } : scan
  }

  #scanText(bytes: Buffer): DebeziumScan {
    this.#recordCount = 0
    this.#rowCount = 0
    this.#isCut = false
    this.#isEarly = false
    this.#problem = null
    this.#reason = ''
    let start = 0
    let lineCount = 0
    let lineBytesMax = 0
    while (start < bytes.length) {
      const end = bytes.indexOf(LF, start) + 1
      const result = this.#line(bytes, start, end)
      if (result === 'stop') break
      lineBytesMax = Math.max(lineBytesMax, end - start)
      lineCount++
      start = end
    }
    this.#current ??= this.#rowsOf.none()
    return {
      endBytes: start,
      lineCount,
      recordCount: this.#recordCount,
      lineBytesMax,
      problem: this.#problem,
      ...(this.#reason !== '' && { reason: this.#reason }),
      rows: this.#current,
      spans: this.#spans.slice(0, this.#recordCount * 2),
      isCut: this.#isCut || lineCount > this.#recordCount,
      isEarly: this.#isEarly,
    }
  }

  #line(bytes: Buffer, start: number, end: number): LineResult {
    if (end - start > LINE_BYTES_MAX) return this.#stop('too-long')
    if (isTooDeep(bytes, start, end)) return this.#stop('too-deep')
    const from = skipSpace(bytes, start, end)
    if (from === end) return 'blank'
    let to = end - 1
    while (skipSpace(bytes, to - 1, to) === to) to--
    const kind = this.#records.look(bytes, from, to)
    if (kind === 'unknown') return this.#stop('no-rows', this.#records.reason)
    if (kind === 'null') return this.#tombstone(this.#records.from !== from)
    if (kind === 'aside') return this.#add(from, from, true)
    if (kind === 'bare') return this.#bareLine(bytes, from, to)
    const shape = this.#records.shape as SchemaShape
    if (shape.rows !== this.#expected) return this.#stop('no-rows', OTHER_ROWS[shape.rows])
    let rows = this.#known.get(shape)
    // What the stream knows of its columns may have changed since.
    if (rows === undefined || this.#current !== rows) {
      if (this.#rowCount > 0 && rows !== this.#current) return this.#early()
      const { layout, schema } = this.#rowsOf.withSchema(shape)
      rows = { layout: rows?.layout ?? layout, schema }
      this.#known.set(shape, rows)
    }
    return this.#row(rows, this.#records.from, this.#records.to, true)
  }

  #bareLine(bytes: Buffer, from: number, to: number): LineResult {
    if (bytes[from] !== OPENING_BRACE) return this.#stop('not-an-object')
    if (this.#bare === null) {
      const kind = bareKindOf(bytes.toString('utf8', from, to))
      if (kind === 'aside') return this.#add(from, to, false)
      if (kind !== 'none' && kind !== this.#expected) return this.#stop('no-rows', OTHER_ROWS[kind])
      if (this.#rowCount > 0) return this.#early()
      this.#bare = this.#rowsOf.bare()
    }
    if (this.#rowCount > 0 && this.#bare !== this.#current) return this.#early()
    return this.#row(this.#bare, from, to, false)
  }

  /** In flat records a tombstone may be all that tells of a delete, and does not name the row. */
  #tombstone(isCut: boolean): LineResult {
    const layout = this.#current?.layout
    if (layout?.rows === 'flat' && !layout.values.has('__deleted')) {
      return this.#stop('no-rows', TOMBSTONE)
    }
    return this.#add(this.#records.from, this.#records.to, isCut)
  }

  #row(rows: DebeziumRows, from: number, to: number, isCut: boolean): LineResult {
    this.#current = rows
    this.#rowCount++
    return this.#add(from, to, isCut)
  }

  #add(from: number, to: number, isCut: boolean): LineResult {
    const at = this.#recordCount++ * 2
    if (at === this.#spans.length) {
      const more = new Uint32Array(at * 2)
      more.set(this.#spans)
      this.#spans = more
    }
    this.#spans[at] = from
    this.#spans[at + 1] = to
    this.#isCut ||= isCut
    return 'record'
  }

  #early(): LineResult {
    this.#isEarly = true
    return 'stop'
  }

  #stop(problem: RecordProblem, reason = ''): LineResult {
    this.#problem = problem
    this.#reason = reason
    return 'stop'
  }
}

const TOMBSTONE =
  'it is a tombstone, which in flat records may tell of a delete, but not of which row; ' +
  'set delete.tombstone.handling.mode of ExtractNewRecordState to rewrite'

/** What a record without a schema is; `none` when it is no JSON, which the engine will tell. */
export function bareKindOf(line: string): ReturnType<typeof bareKind> | 'none' {
  try {
    return bareKind(JSON.parse(line) as Readonly<Record<string, unknown>>)
  } catch {
    return 'none'
  }
}

/** Why records that lie in another way than the configuration says are refused. */
export const OTHER_ROWS = {
  flat: 'it is a row and no event; for flat records set `debezium: { rows: flat }`',
  envelope: 'it is an event and no row; remove `debezium: { rows: flat }`',
} as const

const NULL_LINE = Buffer.from('null\n')

/** The records alone, one a line; those that tell of no row are null. */
function withoutSchemas(
  bytes: Buffer,
  { spans, isCut, isEarly, endBytes, recordCount }: DebeziumScan,
): Buffer {
  // The receiver of lines as they stand gives their memory back, which is still looked at then.
  if (!isCut && !isEarly) return bytes.subarray(0, endBytes)
  const result = Buffer.allocUnsafeSlow(endBytes + recordCount * NULL_LINE.length)
  let written = 0
  for (let record = 0; record < recordCount; record++) {
    const from = spans[record * 2] as number
    const to = spans[record * 2 + 1] as number
    if (from === to) {
      written += NULL_LINE.copy(result, written)
      continue
    }
    written += bytes.copy(result, written, from, to)
    result[written++] = LF
  }
  return result.subarray(0, written)
}
