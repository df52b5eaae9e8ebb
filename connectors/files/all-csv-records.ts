/**
 * Finds all records in a piece of a CSV file, the unreadable ones too, for receivers that reject
 * those. Pure; no object and no string per record.
 *
 * A record that is not well formed hides where it ends. The line on which it begins is rejected,
 * and the next line is the next record: a quote that is never closed takes no other line with it.
 */

import { isUtf8 } from 'node:buffer'
import { type RejectCode, rejectCodeNumber } from '../../src/model/index.ts'
import {
  LF,
  LINE_FEED,
  newFacts,
  QUOTE,
  RETURN,
  type RecordFacts,
  scanRecord,
} from './csv-record.ts'
import { type AllRecordsScan, LINE_BYTES_MAX } from './records.ts'

/** How the records of a file are told. */
export interface CsvRecords {
  readonly kinds: Uint8Array
  readonly fieldCount: number
}

/**
 * Scans whole records from the start of `bytes`; ends before a line that is longer than any may
 * be, and, unless nothing follows, before a record that does not end.
 */
export function scanAllRecords(
  bytes: Buffer,
  { kinds, fieldCount }: CsvRecords,
  isWhole: boolean,
): AllRecordsScan {
  const isText = isUtf8(bytes)
  const found = createFindings(bytes)
  const facts = newFacts()
  for (;;) {
    const start = found.end()
    if (start === bytes.length) break
    let end = scanRecord(bytes, start, kinds, facts)
    let code: RejectCode | null = null
    if (end > 0 && facts.problem === null && end - start <= LINE_BYTES_MAX) {
      if (!isText && !isUtf8(bytes.subarray(start, end))) code = 'invalid-utf8'
      else if (facts.fieldCount > 0 && facts.fieldCount !== fieldCount) code = 'field-count'
    } else {
      const mayEnd = end === 0 && facts.problem === null && bytes.length - start < LINE_BYTES_MAX
      if (mayEnd && !isWhole) break
      end = bytes.indexOf(LF, start) + 1
      if (end === 0 || end - start > LINE_BYTES_MAX) break
      code = illFormed(facts)
      facts.lineCount = 1
      facts.fieldCount = 1
    }
    found.add(end, facts, code)
  }
  return found.scan()
}

function illFormed({ problem }: RecordFacts): RejectCode {
  return problem === 'bad-quote' || problem === 'bad-line-end' ? problem : 'open-quote'
}

/** Collects what is said of records; nothing is allocated for one. */
function createFindings(bytes: Buffer) {
  const linesMax = countLines(bytes)
  const recordLines = new Uint32Array(linesMax)
  let rows = new Uint32Array(0)
  let codes = new Uint8Array(0)
  let ends = new Uint32Array(0)
  let endBytes = 0
  let lineCount = 0
  let recordCount = 0
  let lineBytesMax = 0
  let unreadableCount = 0
  return {
    end: () => endBytes,
    add: (end: number, facts: RecordFacts, code: RejectCode | null): void => {
      if (code !== null) {
        if (rows.length === 0) {
          rows = new Uint32Array(linesMax)
          codes = new Uint8Array(linesMax)
          ends = new Uint32Array(linesMax * 2)
        }
        rows[unreadableCount] = recordCount
        codes[unreadableCount] = rejectCodeNumber(code)
        ends[unreadableCount * 2] = endBytes
        ends[unreadableCount * 2 + 1] = end
        unreadableCount++
      }
      if (facts.fieldCount > 0) recordLines[recordCount++] = lineCount
      lineCount += facts.lineCount
      lineBytesMax = Math.max(lineBytesMax, end - endBytes)
      endBytes = end
    },
    scan: (): AllRecordsScan => ({
      endBytes,
      lineCount,
      recordCount,
      lineBytesMax,
      problem: null,
      linesBefore: recordCount === lineCount ? null : recordLines.slice(0, recordCount),
      unreadable:
        unreadableCount === 0
          ? null
          : { rows: rows.slice(0, unreadableCount), codes: codes.slice(0, unreadableCount) },
      ...(unreadableCount > 0 && { unreadableEnds: ends.slice(0, unreadableCount * 2) }),
    }),
  }
}

/** Each record ends with one at least. */
function countLines(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) count++
  return count
}

/**
 * The records with every line end as LF and without blank lines. An unreadable one becomes one
 * quoted field that holds its bytes, so that all records end at the first LF outside of quotes.
 * `unreadableEnds` are start and end of each of those.
 */
export function landedRecords(
  bytes: Buffer,
  kinds: Uint8Array,
  unreadableEnds: Uint32Array | null,
): Buffer {
  if (unreadableEnds === null) {
    const result = Buffer.allocUnsafeSlow(bytes.length)
    return result.subarray(0, normalize(bytes, kinds, result, 0))
  }
  // Each of their bytes may be a quote.
  const result = Buffer.allocUnsafeSlow(bytes.length * 2 + unreadableEnds.length)
  let written = 0
  let from = 0
  for (let at = 0; at < unreadableEnds.length; at += 2) {
    const start = unreadableEnds[at] as number
    const end = unreadableEnds[at + 1] as number
    written = normalize(bytes.subarray(from, start), kinds, result, written)
    written = enclose(bytes.subarray(start, end), kinds, result, written)
    from = end
  }
  return result.subarray(0, normalize(bytes.subarray(from), kinds, result, written))
}

/** Writes well-formed records; returns the place behind them. */
function normalize(bytes: Buffer, kinds: Uint8Array, result: Buffer, from: number): number {
  let written = from
  let recordStart = from
  let isQuoted = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    const kind = kinds[byte]
    // A doubled quote leaves the field and enters it again.
    if (kind === QUOTE) isQuoted = !isQuoted
    else if (kind === RETURN && !isQuoted) continue
    else if (kind === LINE_FEED && !isQuoted) {
      if (written > recordStart) {
        result[written++] = byte
        recordStart = written
      }
      continue
    }
    result[written++] = byte
  }
  return written
}

/** Writes an unreadable record without its line end, between quotes. */
function enclose(record: Buffer, kinds: Uint8Array, result: Buffer, from: number): number {
  const quote = kinds.indexOf(QUOTE)
  const hasReturn = kinds[record.at(-2) ?? 0] === RETURN
  let written = from
  result[written++] = quote
  for (let at = 0; at < record.length - (hasReturn ? 2 : 1); at++) {
    const byte = record[at] as number
    if (byte === quote) result[written++] = quote
    result[written++] = byte
  }
  result[written++] = quote
  result[written++] = LF
  return written
}
