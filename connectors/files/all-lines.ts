/**
 * Finds all records in a piece of an NDJSON file, the unreadable ones too, for receivers that
 * reject those. Pure; no object and no string per line.
 */

import { isUtf8 } from 'node:buffer'
import {
  LF,
  OPENING_BRACE,
  type RejectCode,
  rejectCodeNumber,
  skipSpace,
} from '../../src/model/index.ts'
import { isTooDeep } from './depth.ts'
import { type AllRecordsScan, LINE_BYTES_MAX } from './records.ts'

/** Scans whole lines from the start of `bytes`; ends before one that is longer than any may be. */
export function scanAllLines(bytes: Buffer): AllRecordsScan {
  const lineStarts = startsOf(bytes)
  const lineCount = lineStarts.length - 1
  const endBytes = lineStarts[lineCount] as number
  const isWhole = isUtf8(bytes.subarray(0, endBytes))
  const recordLines = new Uint32Array(lineCount)
  const rows = new Uint32Array(lineCount)
  const codes = new Uint8Array(lineCount)
  let recordCount = 0
  let unreadableCount = 0
  let lineBytesMax = 0
  for (let line = 0; line < lineCount; line++) {
    const start = lineStarts[line] as number
    const end = lineStarts[line + 1] as number
    const first = skipSpace(bytes, start, end)
    if (first === end) continue
    lineBytesMax = Math.max(lineBytesMax, end - start)
    const code = codeOf(bytes, { start, first, end, isUtf8: isWhole })
    if (code !== null) {
      rows[unreadableCount] = recordCount
      codes[unreadableCount++] = rejectCodeNumber(code)
    }
    recordLines[recordCount++] = line
  }
  const unreadable = {
    rows: rows.slice(0, unreadableCount),
    codes: codes.slice(0, unreadableCount),
  }
  return {
    endBytes,
    lineCount,
    recordCount,
    lineBytesMax,
    problem: null,
    unreadable: unreadableCount === 0 ? null : unreadable,
    linesBefore: recordCount === lineCount ? null : recordLines.slice(0, recordCount),
  }
}

/** Start of every line, and the end of the last one. */
function startsOf(bytes: Buffer): Uint32Array {
  let starts = new Uint32Array(1024)
  let count = 0
  for (let end = 0; ; ) {
    if (count === starts.length) {
      const more = new Uint32Array(count * 2)
      more.set(starts)
      starts = more
    }
    starts[count++] = end
    const next = bytes.indexOf(LF, end) + 1
    if (next === 0 || next - end > LINE_BYTES_MAX) return starts.subarray(0, count)
    end = next
  }
}

function codeOf(
  bytes: Buffer,
  line: {
    readonly start: number
    readonly first: number
    readonly end: number
    readonly isUtf8: boolean
  },
): RejectCode | null {
  const { start, first, end } = line
  if (!line.isUtf8 && !isUtf8(bytes.subarray(start, end))) return 'invalid-utf8'
  if (bytes[first] !== OPENING_BRACE) return 'not-an-object'
  return isTooDeep(bytes, start, end) ? 'too-deep' : null
}
