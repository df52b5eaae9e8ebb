/**
 * Finds the records in a piece of a CSV file. Pure; no object and no string per record.
 *
 * RFC 4180: records end with LF or CRLF; fields are separated by the delimiter; a field may be
 * enclosed in quotes, and then holds delimiters, line ends and, doubled, quotes. Blank lines are no
 * records. What the RFC does not allow is refused, not guessed at: a quote inside a field that does
 * not begin with one, text after a closing quote, a CR alone, another number of fields.
 */

import { isUtf8 } from 'node:buffer'
import {
  LINE_BYTES_MAX,
  type RecordFormat,
  type RecordProblem,
  type RecordScan,
} from './records.ts'

/** The characters of a CSV file, one ASCII character each. */
export interface CsvDialect {
  readonly delimiter: string
  readonly quote: string
}

/** A field as it stands in a file: its text without quotes, and whether it had some. */
export interface CsvField {
  readonly text: string
  readonly isQuoted: boolean
}

const LF = 0x0a
const CR = 0x0d

const PLAIN = 0
const DELIMITER = 1
const QUOTE = 2
const LINE_FEED = 3
const RETURN = 4

/** The records of CSV files with `fieldCount` fields each. */
export function csvFormat(dialect: CsvDialect, fieldCount: number): RecordFormat {
  const kinds = kindsOf(dialect)
  return {
    scan: (bytes) => {
      const scan = scanRecords(bytes, kinds, fieldCount, false)
      const isText = isUtf8(bytes.subarray(0, scan.endBytes))
      return isText ? scan : scanRecords(bytes, kinds, fieldCount, true)
    },
    records: (bytes, scan) => {
      const whole = bytes.subarray(0, scan.endBytes)
      const isBare = scan.lineCount === scan.recordCount && !whole.includes(CR)
      return isBare ? whole : normalized(whole, kinds)
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

function kindsOf({ delimiter, quote }: CsvDialect): Uint8Array {
  const kinds = new Uint8Array(256)
  kinds[delimiter.charCodeAt(0)] = DELIMITER
  kinds[quote.charCodeAt(0)] = QUOTE
  kinds[LF] = LINE_FEED
  kinds[CR] = RETURN
  return kinds
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

/** What `scanRecord` finds beside the end; one object for all records of a scan. */
interface RecordFacts {
  /** 0 for a blank line. */
  fieldCount: number
  lineCount: number
  problem: RecordProblem | null
}

const newFacts = (): RecordFacts => ({ fieldCount: 0, lineCount: 0, problem: null })

/**
 * The end of the record at `start`, its line end included; 0 when it does not end within the bytes.
 * Fills `facts`.
 */
function scanRecord(bytes: Buffer, start: number, kinds: Uint8Array, facts: RecordFacts): number {
  const { length } = bytes
  facts.fieldCount = 0
  facts.lineCount = 1
  facts.problem = null
  let at = start
  let fieldStart = start
  while (at < length) {
    const kind = kinds[bytes[at] as number]
    if (kind === PLAIN) {
      at++
    } else if (kind === DELIMITER) {
      facts.fieldCount++
      fieldStart = ++at
    } else if (kind === LINE_FEED) {
      if (at > start) facts.fieldCount++
      return at + 1
    } else if (kind === RETURN) {
      if (at + 1 === length) return 0
      if (bytes[at + 1] !== LF) return brokenEnd(bytes, at, 'bad-line-end', facts)
      if (at > start) facts.fieldCount++
      return at + 2
    } else {
      if (at !== fieldStart) return brokenEnd(bytes, at, 'bad-quote', facts)
      at = skipQuoted(bytes, at, kinds, facts)
      if (at < length && kinds[bytes[at] as number] === PLAIN) {
        return brokenEnd(bytes, at, 'bad-quote', facts)
      }
    }
  }
  return 0
}

/**
 * The place after the closing quote of a field that begins at `at`; the end of the bytes when there
 * is none. Counts lines.
 */
function skipQuoted(bytes: Buffer, start: number, kinds: Uint8Array, facts: RecordFacts): number {
  const { length } = bytes
  let at = start + 1
  for (; at < length; at++) {
    const kind = kinds[bytes[at] as number]
    if (kind === LINE_FEED) facts.lineCount++
    else if (kind === QUOTE) {
      // A quote in the last place may be half of a pair.
      if (at + 1 === length || bytes[at + 1] !== bytes[at]) return at + 1
      at++
    }
  }
  return length
}

/** A bad record ends at the next line end, wherever that stands. */
function brokenEnd(bytes: Buffer, at: number, problem: RecordProblem, facts: RecordFacts): number {
  facts.problem = problem
  return bytes.indexOf(LF, at) + 1
}

/** Good records with every line end as LF and without blank lines. */
function normalized(bytes: Buffer, kinds: Uint8Array): Buffer {
  const result = Buffer.allocUnsafeSlow(bytes.length)
  let written = 0
  let recordStart = 0
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
  return result.subarray(0, written)
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
