/**
 * Finds the records in a piece of an NDJSON file. Pure; no object and no string per line.
 * A record is a line whose first character other than JSON white space is `{`; blank lines are no
 * records.
 */

import { isUtf8 } from 'node:buffer'
import { LF, OPENING_BRACE, skipSpace } from '../../src/model/index.ts'
import { scanAllLines } from './all-lines.ts'
import { isTooDeep } from './depth.ts'
import {
  LINE_BYTES_MAX,
  type RecordFormat,
  type RecordProblem,
  type RecordScan,
} from './records.ts'

/** NDJSON: one JSON object a line. */
export const JSON_LINES: RecordFormat = {
  scan: scanLines,
  scanAll: scanAllLines,
  records: withoutBlankLines,
}

/** Scans whole lines from the start of `bytes`. */
export function scanLines(bytes: Buffer): RecordScan {
  const scan = scanShapes(bytes)
  const whole = bytes.subarray(0, scan.endBytes)
  return isUtf8(whole) ? scan : scanUntilNotUtf8(whole)
}

/** The bytes of the records alone: `bytes` itself when there are no blank lines. */
export function withoutBlankLines(bytes: Buffer, scan: RecordScan): Buffer {
  const whole = bytes.subarray(0, scan.endBytes)
  if (scan.lineCount === scan.recordCount) return whole
  const result = Buffer.allocUnsafeSlow(scan.endBytes)
  let written = 0
  let start = 0
  while (start < scan.endBytes) {
    const end = whole.indexOf(LF, start) + 1
    if (!isBlank(whole, start, end)) written += whole.copy(result, written, start, end)
    start = end
  }
  return result.subarray(0, written)
}

function scanShapes(bytes: Buffer): RecordScan {
  let start = 0
  let lineCount = 0
  let recordCount = 0
  let lineBytesMax = 0
  for (;;) {
    const end = bytes.indexOf(LF, start) + 1
    const problem = end === 0 ? null : problemOf(bytes, start, end)
    if (end === 0 || problem !== null) {
      return { endBytes: start, lineCount, recordCount, lineBytesMax, problem }
    }
    if (bytes[start] === OPENING_BRACE || !isBlank(bytes, start, end)) recordCount++
    lineBytesMax = Math.max(lineBytesMax, end - start)
    lineCount++
    start = end
  }
}

function problemOf(bytes: Buffer, start: number, end: number): RecordProblem | null {
  if (end - start > LINE_BYTES_MAX) return 'too-long'
  if (isTooDeep(bytes, start, end)) return 'too-deep'
  if (bytes[start] === OPENING_BRACE) return null
  const at = skipSpace(bytes, start, end)
  return at === end || bytes[at] === OPENING_BRACE ? null : 'not-an-object'
}

function scanUntilNotUtf8(bytes: Buffer): RecordScan {
  let start = 0
  let lineCount = 0
  let recordCount = 0
  let lineBytesMax = 0
  for (;;) {
    const end = bytes.indexOf(LF, start) + 1
    if (end === 0 || !isUtf8(bytes.subarray(start, end))) {
      const problem = end === 0 ? null : 'not-utf8'
      return { endBytes: start, lineCount, recordCount, lineBytesMax, problem }
    }
    if (!isBlank(bytes, start, end)) recordCount++
    lineBytesMax = Math.max(lineBytesMax, end - start)
    lineCount++
    start = end
  }
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  return skipSpace(bytes, start, end) === end
}
