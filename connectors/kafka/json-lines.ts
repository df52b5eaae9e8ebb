/**
 * JSON values of decoded records as lines, in the very bytes they came in: what stands between two
 * values (lengths, headers, the next key) becomes spaces, and the byte after each value an LF. That
 * byte is there: a record has a header count after its value.
 */

import { isUtf8 } from 'node:buffer'
import type { RecordColumns } from './columns.ts'

/** One line a record, each ended; line i is the record of row i. */
export interface JsonLines {
  /** Part of the columns' bytes; keys and headers in them are gone. */
  readonly bytes: Buffer
  readonly recordCount: number
  /** No line is longer, its LF included. */
  readonly lineBytesMax: number
  /** Rows of records without a value, ascending; their lines are `null`. */
  readonly nullRows: Uint32Array
  /**
   * Rows whose values cannot be a line: empty, not UTF-8, or with an LF and no JSON. Ascending;
   * their lines are `null`, their values as they came stand in `values`, in memory of their own.
   */
  readonly unreadable: { readonly rows: Uint32Array; readonly values: readonly Buffer[] }
}

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const NULL = Buffer.from('null')
/** From here on `fill` costs less than a loop. */
const LONG_GAP_BYTES = 64

/**
 * Writes over the bytes of the columns: take keys and headers before. Rows of values that no line
 * can hold are told; whether the other lines are JSON is for their reader to find out.
 */
export function jsonLines(columns: RecordColumns): JsonLines {
  const { bytes, firstByte, recordCount, valueStarts, valueLengths } = columns
  const rows = blankGaps(columns)
  const end = regionEnd(columns)
  const region = bytes.subarray(firstByte, end)
  const unreadable = new Map<number, Buffer>()
  const reject = (row: number): void => {
    if (!unreadable.has(row)) unreadable.set(row, Buffer.from(valueAt(columns, row)))
  }
  for (const row of rows.blank) if (!isJson(valueAt(columns, row))) reject(row)
  if (!isUtf8(region)) {
    for (let row = 0; row < recordCount; row++) {
      if (!isUtf8(valueAt(columns, row))) reject(row)
    }
  }
  if (region.includes(LF)) {
    for (const row of rowsWithLineFeed(columns)) {
      if (unreadable.has(row)) continue
      const value = valueAt(columns, row)
      if (isJson(value)) blankLineEnds(value)
      else reject(row)
    }
  }
  const unreadableRows = Uint32Array.from(unreadable.keys()).sort()
  for (const row of [...unreadableRows, ...rows.missing]) writeNull(columns, row)

  let lineBytesMax = 0
  let lineStart = firstByte
  for (let row = 0; row < recordCount; row++) {
    const valueEnd = (valueStarts[row] as number) + Math.max(0, valueLengths[row] as number)
    bytes[valueEnd] = LF
    const lineBytes = valueEnd + 1 - lineStart
    if (lineBytes > lineBytesMax) lineBytesMax = lineBytes
    lineStart = valueEnd + 1
  }
  return {
    bytes: bytes.subarray(firstByte, lineStart),
    recordCount,
    lineBytesMax,
    nullRows: Uint32Array.from(rows.missing),
    unreadable: {
      rows: unreadableRows,
      values: Array.from(unreadableRows, (row) => unreadable.get(row) as Buffer),
    },
  }
}

/**
 * Spaces before each value and in the byte after the last. Tells the rows without a value, and
 * those whose value is empty or begins with a space, which might leave their line blank.
 */
function blankGaps(columns: RecordColumns): {
  readonly missing: readonly number[]
  readonly blank: readonly number[]
} {
  const { bytes, recordCount, valueStarts, valueLengths } = columns
  const missing: number[] = []
  const blank: number[] = []
  let gap = columns.firstByte
  for (let row = 0; row < recordCount; row++) {
    const start = valueStarts[row] as number
    if (start - gap > LONG_GAP_BYTES) bytes.fill(SPACE, gap, start)
    else for (let at = gap; at < start; at++) bytes[at] = SPACE
    const length = valueLengths[row] as number
    if (length < 0) missing.push(row)
    else if (length === 0 || (bytes[start] as number) <= SPACE) blank.push(row)
    gap = start + Math.max(0, length)
  }
  if (recordCount > 0) bytes[gap] = SPACE
  return { missing, blank }
}

/** After the byte that will be the last LF. */
function regionEnd({ firstByte, recordCount, valueStarts, valueLengths }: RecordColumns): number {
  const last = recordCount - 1
  if (last < 0) return firstByte
  return (valueStarts[last] as number) + Math.max(0, valueLengths[last] as number) + 1
}

function valueAt({ bytes, valueStarts, valueLengths }: RecordColumns, row: number): Buffer {
  const start = valueStarts[row] as number
  return bytes.subarray(start, start + Math.max(0, valueLengths[row] as number))
}

function* rowsWithLineFeed(columns: RecordColumns): Generator<number> {
  const { bytes, recordCount, valueStarts, valueLengths } = columns
  const end = regionEnd(columns)
  let row = 0
  for (let at = columns.firstByte; row < recordCount; row++) {
    at = bytes.indexOf(LF, at)
    if (at < 0 || at >= end) return
    while ((valueStarts[row] as number) + (valueLengths[row] as number) <= at) row++
    yield row
    at = (valueStarts[row] as number) + (valueLengths[row] as number)
  }
}

/** Outside of strings, where alone JSON has line ends, they mean what a space means. */
function blankLineEnds(value: Buffer): void {
  for (let at = 0; at < value.length; at++) {
    if (value[at] === LF || value[at] === CR) value[at] = SPACE
  }
}

function writeNull({ bytes, valueStarts, valueLengths }: RecordColumns, row: number): void {
  const start = valueStarts[row] as number
  const end = start + Math.max(0, valueLengths[row] as number)
  bytes.fill(SPACE, start, end)
  NULL.copy(bytes, end - NULL.length)
}

function isJson(value: Buffer): boolean {
  try {
    JSON.parse(value.toString())
    return true
  } catch {
    return false
  }
}
