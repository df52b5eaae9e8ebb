/**
 * Finds the records in a piece of a CSV file. Pure; no object and no string per record.
 *
 * RFC 4180: records end with LF or CRLF; fields are separated by the delimiter; a field may be
 * enclosed in quotes, and then holds delimiters, line ends and, doubled, quotes. Blank lines are no
 * records. What the RFC does not allow is refused, not guessed at: a quote inside a field that does
 * not begin with one, text after a closing quote, a CR alone, another number of fields.
 */

import { isUtf8 } from 'node:buffer'
import { landedRecords, scanAllRecords } from './all-csv-records.ts'
import {
  CR,
  type CsvDialect,
  DELIMITER,
  kindsOf,
  newFacts,
  PLAIN,
  QUOTE,
  scanRecord,
  skipQuoted,
} from './csv-record.ts'
import {
  type AllRecordsScan,
  LINE_BYTES_MAX,
  type RecordFormat,
  type RecordProblem,
  type RecordScan,
} from './records.ts'

/** A field as it stands in a file: its text without quotes, and whether it had some. */
export interface CsvField {
  readonly text: string
  readonly isQuoted: boolean
}

/** The records of CSV files with `fieldCount` fields each. */
export function csvFormat(dialect: CsvDialect, fieldCount: number): RecordFormat {
  const kinds = kindsOf(dialect)
  return {
    scan: (bytes) => {
      const scan = scanRecords(bytes, kinds, fieldCount, false)
      const isText = isUtf8(bytes.subarray(0, scan.endBytes))
      return isText ? scan : scanRecords(bytes, kinds, fieldCount, true)
    },
    scanAll: (bytes, isWhole) => scanAllRecords(bytes, { kinds, fieldCount }, isWhole),
    records: (bytes, scan) => {
      const whole = bytes.subarray(0, scan.endBytes)
      const isBare = scan.lineCount === scan.recordCount && !whole.includes(CR)
      const { unreadableEnds = null } = scan as Partial<AllRecordsScan>
      return isBare && unreadableEnds === null ? whole : landedRecords(whole, kinds, unreadableEnds)
    },
  }
}

/**
 * Length of the first record that is no blank line, with all before it; null when it does not end
 * within `bytes`.
 */
export function firstRecordEnd(bytes: Buffer, dialect: CsvDialect): number | null {
  const kinds = kindsOf(dialect)
  const facts = newFacts()
  let start = 0
  for (;;) {
    const end = scanRecord(bytes, start, kinds, facts)
    if (end === 0) return null
    if (facts.problem !== null || facts.fieldCount > 0) return end
    start = end
  }
}

/**
 * Fields of the first records of `bytes`, for headers and samples; a record that is cut or broken
 * ends the list. Makes objects: not for whole files.
 */
export function parseRecords(
  bytes: Buffer,
  dialect: CsvDialect,
  countMax: number,
): readonly (readonly CsvField[])[] {
  const kinds = kindsOf(dialect)
  const records: (readonly CsvField[])[] = []
  const facts = newFacts()
  let start = 0
  while (records.length < countMax) {
    const end = scanRecord(bytes, start, kinds, facts)
    if (end === 0 || facts.problem !== null) return records
    if (facts.fieldCount > 0) records.push(splitFields(bytes.subarray(start, end), kinds, dialect))
    start = end
  }
  return records
}

function scanRecords(
  bytes: Buffer,
  kinds: Uint8Array,
  fieldCount: number,
  checksText: boolean,
): RecordScan {
  let endBytes = 0
  let lineCount = 0
  let recordCount = 0
  let lineBytesMax = 0
  let problem: RecordProblem | null = null
  const facts = newFacts()
  while (endBytes < bytes.length) {
    const end = scanRecord(bytes, endBytes, kinds, facts)
    if (end === 0) break
    const length = end - endBytes
    const isRagged = facts.fieldCount > 0 && facts.fieldCount !== fieldCount
    problem = facts.problem ?? (isRagged ? 'ragged' : null)
    if (length > LINE_BYTES_MAX) problem = 'too-long'
    if (checksText && !isUtf8(bytes.subarray(endBytes, end))) problem = 'not-utf8'
    if (problem !== null) break
    if (facts.fieldCount > 0) recordCount++
    lineCount += facts.lineCount
    lineBytesMax = Math.max(lineBytesMax, length)
    endBytes = end
  }
  return { endBytes, lineCount, recordCount, lineBytesMax, problem }
}

function splitFields(
  record: Buffer,
  kinds: Uint8Array,
  { quote }: CsvDialect,
): readonly CsvField[] {
  const fields: CsvField[] = []
  const counted = newFacts()
  let start = 0
  let at = 0
  while (at < record.length) {
    const kind = kinds[record[at] as number]
    if (kind === QUOTE) at = skipQuoted(record, at, kinds, counted)
    else if (kind === PLAIN) at++
    else {
      const text = record.toString('utf8', start, at)
      const isQuoted = text.startsWith(quote)
      const plain = isQuoted ? text.slice(1, -1).replaceAll(quote + quote, quote) : text
      fields.push({ text: plain, isQuoted })
      if (kind !== DELIMITER) return fields
      start = ++at
    }
  }
  return fields
}
