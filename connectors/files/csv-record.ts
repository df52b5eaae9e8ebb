/**
 * Where one CSV record ends. Pure; no object and no string per record.
 *
 * RFC 4180: records end with LF or CRLF; fields are separated by the delimiter; a field may be
 * enclosed in quotes, and then holds delimiters, line ends and, doubled, quotes.
 */

import type { RecordProblem } from './records.ts'

/** The characters of a CSV file, one ASCII character each. */
export interface CsvDialect {
  readonly delimiter: string
  readonly quote: string
}

/** Ends a line. */
export const LF = 0x0a
/** May stand before it. */
export const CR = 0x0d

/** Kinds of bytes: one that is none of the others. */
export const PLAIN = 0
/** Ends a field. */
export const DELIMITER = 1
/** Encloses a field. */
export const QUOTE = 2
/** LF. */
export const LINE_FEED = 3
/** CR. */
export const RETURN = 4

/** The kind of each byte. */
export function kindsOf({ delimiter, quote }: CsvDialect): Uint8Array {
  const kinds = new Uint8Array(256)
  kinds[delimiter.charCodeAt(0)] = DELIMITER
  kinds[quote.charCodeAt(0)] = QUOTE
  kinds[LF] = LINE_FEED
  kinds[CR] = RETURN
  return kinds
}

/** What `scanRecord` finds beside the end; one object for all records of a scan. */
export interface RecordFacts {
  /** 0 for a blank line. */
  fieldCount: number
  lineCount: number
  problem: RecordProblem | null
}

/** Facts of nothing. */
export const newFacts = (): RecordFacts => ({ fieldCount: 0, lineCount: 0, problem: null })

/**
 * The end of the record at `start`, its line end included; 0 when it does not end within the bytes.
 * Fills `facts`.
 */
export function scanRecord(
  bytes: Buffer,
  start: number,
  kinds: Uint8Array,
  facts: RecordFacts,
): number {
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
export function skipQuoted(
  bytes: Buffer,
  start: number,
  kinds: Uint8Array,
  facts: RecordFacts,
): number {
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
