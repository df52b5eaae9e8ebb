/**
 * Takes records out of a landed file of text: their bytes go to a file of rejected records, and in
 * a copy of the landed file empty records stand in their places, so that the numbers of the others
 * stay. Bytes only: no object and no string for a record that stays.
 */

import { type FileHandle, open } from 'node:fs/promises'
import type { LandedSegment } from '../decode/index.ts'
import { assert, wrapError } from '../model/index.ts'

/** What to take out, and where to. */
export interface TakeOutRequest {
  readonly segment: LandedSegment
  /** Number of the segment in its unit. */
  readonly segmentNumber: number
  /** Indexes of the records, ascending. */
  readonly rows: Uint32Array
  readonly cleanPath: string
  /**
   * Appended to, a line a record: segment, row, file, line, bytes of the record; TAB between, file
   * and bytes as hexadecimal digits. Null takes the records out without keeping them.
   */
  readonly rejectedPath: string | null
}

/** How records lie in a landed file. */
interface RecordLayout {
  /** A line feed between two of these ends no record; null where every line feed ends one. */
  readonly quote: number | null
  /** What stands in the place of a record, its line end included. */
  readonly empty: Uint8Array
}

const LF = 0x0a
const SPACE = 0x20
const READ_BYTES = 1024 * 1024
const WRITE_BYTES = 1024 * 1024
const HEX = Buffer.from('0123456789abcdef')

/** Writes both files. Throws SLU-ENG-7003 when the spool cannot be written. */
export async function takeOut(request: TakeOutRequest): Promise<void> {
  try {
    await using source = await open(request.segment.path, 'r')
    await using clean = await openOutput(request.cleanPath, 'w')
    await using rejected =
      request.rejectedPath === null ? null : await openOutput(request.rejectedPath, 'a')
    await copyLines(request, source, clean, rejected)
    await clean.flush()
    await rejected?.flush()
  } catch (error) {
    throw wrapError(error, 'SLU-ENG-7003', `cannot copy the spool file ${request.segment.path}`)
  }
}

async function copyLines(
  { segment, segmentNumber, rows }: TakeOutRequest,
  source: FileHandle,
  clean: Output,
  rejected: Output | null,
): Promise<void> {
  const layout = layoutOf(segment)
  const wrapped = layout.quote === null ? NONE : (segment.unreadable?.rows ?? NONE)
  let unwrapped = 0
  let buffer = Buffer.allocUnsafe(READ_BYTES)
  let filled = 0
  let row = 0
  let taken = 0
  for (;;) {
    if (filled === buffer.length) {
      // One line is longer than the buffer.
      const larger = Buffer.allocUnsafe(buffer.length * 2)
      buffer.copy(larger)
      buffer = larger
    }
    const { bytesRead } = await source.read(buffer, filled, buffer.length - filled)
    filled += bytesRead
    const whole = buffer.subarray(0, filled)
    let start = 0
    let kept = 0
    for (let end = endOf(whole, 0, layout); end >= 0; end = endOf(whole, start, layout)) {
      if (row === rows[taken]) {
        await clean.write(whole.subarray(kept, start))
        await clean.write(layout.empty)
        while ((wrapped[unwrapped] ?? row) < row) unwrapped++
        if (rejected !== null) {
          const record = withoutPadding(whole.subarray(start, end), segment)
          const isWrapped = wrapped[unwrapped] === row
          await rejected.write(Buffer.from(placeText(segment, segmentNumber, row)))
          await rejected.writeHex(
            valueAt(segment, row) ?? (isWrapped ? withoutQuotes(record) : record),
          )
          await rejected.write(Buffer.of(LF))
        }
        taken++
        kept = end + 1
      }
      row++
      start = end + 1
    }
    await clean.write(whole.subarray(kept, start))
    filled = whole.copy(buffer, 0, start)
    if (bytesRead === 0) break
  }
  assert(taken === rows.length && filled === 0, 'SLU-BUG-9001', 'a rejected record was not found')
}

const NONE = new Uint32Array(0)

function layoutOf({ csv }: LandedSegment): RecordLayout {
  if (csv === undefined) return { quote: null, empty: Buffer.from('{}\n') }
  const { quote, delimiter, fields } = csv
  const empty = `${fields.map(() => quote + quote).join(delimiter)}\n`
  return { quote: quote.charCodeAt(0), empty: Buffer.from(empty) }
}

/** Place of the line feed that ends the record at `start`; -1 when it is not in the bytes. */
function endOf(bytes: Buffer, start: number, { quote }: RecordLayout): number {
  if (quote === null) return bytes.indexOf(LF, start)
  let isQuoted = false
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === quote) isQuoted = !isQuoted
    else if (byte === LF && !isQuoted) return at
  }
  return -1
}

/** The text of a quoted field. */
function withoutQuotes(field: Buffer): Buffer {
  const [quote] = field
  const text = Buffer.allocUnsafe(field.length)
  let written = 0
  for (let at = 1; at < field.length - 1; at++) {
    const byte = field[at] as number
    text[written++] = byte
    if (byte === quote) at++
  }
  return text.subarray(0, written)
}

/** Lines with marks may stand behind spaces that are not theirs (`RecordMarks`). */
function withoutPadding(line: Buffer, { marks }: LandedSegment): Buffer {
  if (marks === undefined) return line
  let start = 0
  while (line[start] === SPACE) start++
  return line.subarray(start)
}

/** The bytes of a record that its line could not hold; null where the line is the record. */
function valueAt({ unreadable }: LandedSegment, row: number): Uint8Array | null {
  const { rows, values } = unreadable ?? {}
  return values?.[rows?.indexOf(row) ?? -1] ?? null
}

/** `segment TAB row TAB file TAB line TAB`; file and line are empty where not known. */
function placeText(segment: LandedSegment, segmentNumber: number, row: number): string {
  const run = segment.runs?.findLast(({ firstRow }) => firstRow <= row)
  if (run === undefined) return `${segmentNumber}\t${row}\t\t\t`
  const { file, firstLine, lines } = run.place
  const index = row - run.firstRow
  const line = lines === null ? firstLine + index : (lines[index] as number)
  return `${segmentNumber}\t${row}\t${Buffer.from(file).toString('hex')}\t${line}\t`
}

/** A file that is written in large pieces. */
interface Output extends AsyncDisposable {
  write(bytes: Uint8Array): Promise<void>
  /** Two digits a byte. */
  writeHex(bytes: Uint8Array): Promise<void>
  flush(): Promise<void>
}

async function openOutput(path: string, flags: 'w' | 'a'): Promise<Output> {
  const handle = await open(path, flags)
  const buffer = Buffer.allocUnsafe(WRITE_BYTES)
  let filled = 0
  const writeAll = async (bytes: Uint8Array): Promise<void> => {
    for (let from = 0; from < bytes.length; ) {
      from += (await handle.write(bytes, from)).bytesWritten
    }
  }
  const flush = async (): Promise<void> => {
    await writeAll(buffer.subarray(0, filled))
    filled = 0
  }
  return {
    write: async (bytes) => {
      if (bytes.length > buffer.length - filled) await flush()
      if (bytes.length > buffer.length) return writeAll(bytes)
      buffer.set(bytes, filled)
      filled += bytes.length
    },
    writeHex: async (bytes) => {
      for (const byte of bytes) {
        if (buffer.length - filled < 2) await flush()
        buffer[filled++] = HEX[byte >>> 4] as number
        buffer[filled++] = HEX[byte & 15] as number
      }
    },
    flush,
    [Symbol.asyncDispose]: () => handle.close(),
  }
}
