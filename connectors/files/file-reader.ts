/** Reads one file from a place on: records or rows as blocks. */

import type { SourceBlock } from '../../src/contracts/index.ts'
import {
  findUnknownMembers,
  LF,
  rejectCodeNumber,
  SluiceError,
  type UnknownMembers,
} from '../../src/model/index.ts'
import { badRecord } from './bad-record.ts'
import { type FileContent, openContent, readFully } from './content.ts'
import { isDebeziumScan } from './debezium-lines.ts'
import type { OpenFile, RowsShape, TextShape } from './file-format.ts'
import { metadataLines } from './metadata.ts'
import {
  blockOf,
  type FolderRead,
  moveTo,
  nextBuffer,
  type Progress,
  scanPiece,
  textPart,
} from './parts.ts'
import { type FolderPlace, TAIL_BYTES_MAX } from './place.ts'
import { type AllRecordsScan, LINE_BYTES_MAX, type RecordScan } from './records.ts'
import { rowRanges, rowsPart } from './rows.ts'

const CR = 0x0d
/** What a packed file is taken to unpack to, for the size of buffers. */
const USUAL_RATIO = 8

/**
 * Yields the records of one file from the place on; moves `progress`. `takeTail`: nothing more is
 * to be written to it. Returns the size of the file. Throws as `readFolder` does.
 */
export async function* readFile(
  read: FolderRead,
  progress: Progress,
  file: string,
  takeTail: boolean,
): AsyncGenerator<SourceBlock, number> {
  await using content = await openContent(read.folder, file, takeTail)
  progress.modifiedAtMs = content.modifiedAtMs
  yield* readContent(read, progress, content, takeTail)
  return content.sizeBytes
}

async function* readContent(
  read: FolderRead,
  progress: Progress,
  content: FileContent,
  takeTail: boolean,
): AsyncGenerator<SourceBlock> {
  if (!content.isPacked) assertNotShrunk(content.sizeBytes, progress.place)
  const opened = { name: content.name, content, isWhole: takeTail }
  const shape = await read.format.begin(opened, read.shape)
  if (shape === null) return
  if (shape.format === 'parquet') return yield* emitRows(read, progress, shape, opened)
  if (progress.place.fileOffsetBytes < shape.prologue.length) {
    const lines = { lineCount: shape.prologueLines }
    progress.place = moveTo(progress.place, shape.prologue, lines)
  }
  let buffer = nextBuffer(read, progress, bytesLeft(content, progress.place))
  let filled = 0
  while (!read.signal.aborted) {
    const from = progress.place.fileOffsetBytes + filled
    const bytesRead = await readFully(content, buffer.subarray(filled), from)
    const atEnd = bytesRead < buffer.length - filled
    filled += bytesRead
    if (filled === 0) return endPacked(progress, content)
    if (progress.place.unended) assertLineEnded(buffer, progress.place)
    const endBytes = yield* emitRecords(read, progress, shape, buffer.subarray(0, filled))
    const rest = buffer.subarray(endBytes, filled)
    if (rest.length >= LINE_BYTES_MAX) {
      if (!read.keepsUnreadable) throw badRecord('too-long', progress.place, shape)
      if (!(yield* passLongLine(read, progress, { shape, content, takeTail }))) return
      filled = 0
      continue
    }
    if (atEnd) {
      if (rest.length > 0 && takeTail) yield* emitTail(read, progress, shape, rest)
      if (rest.length === 0 || takeTail) endPacked(progress, content)
      return
    }
    const wanted = Math.max(rest.length * 2, bytesLeft(content, progress.place))
    buffer = nextBuffer(read, progress, wanted, rest.length * 2)
    // It may be the same buffer, given back already: copying minds the overlap.
    filled = rest.copy(buffer)
  }
}

/** Yields the whole records of a piece; returns where the last one ends. */
function* emitRecords(
  read: FolderRead,
  progress: Progress,
  shape: TextShape,
  piece: Buffer,
): Generator<SourceBlock, number> {
  for (let from = 0; ; ) {
    const bytes = piece.subarray(from)
    const scan = scanPiece(read, shape, bytes)
    if (scan.endBytes > 0) yield* emitWhole(read, progress, shape, bytes, scan)
    if (scan.problem !== null) throw badRecord(scan.problem, progress.place, shape, scan.reason)
    from += scan.endBytes
    // Records that lie in another way are a part of their own.
    if (!isDebeziumScan(scan) || !scan.isEarly) return from
  }
}

/** Yields the rows of a file that are left, in parts. */
async function* emitRows(
  read: FolderRead,
  progress: Progress,
  shape: RowsShape,
  { content }: OpenFile,
): AsyncGenerator<SourceBlock> {
  const { sizeBytes } = content
  const end = Buffer.alloc(Math.min(sizeBytes, TAIL_BYTES_MAX))
  await readFully(content, end, sizeBytes - end.length)
  const { partBytesMax } = read
  for (const range of rowRanges(progress.place, shape, { sizeBytes, end, partBytesMax })) {
    progress.place = range.place
    if (range.rowCount === 0 || read.signal.aborted) return
    const place = { file: content.name, firstLine: range.firstRow + 1, lines: null }
    const told = { ...place, modifiedAtMs: content.modifiedAtMs }
    const metadata = metadataLines(read.metadata, progress.position, told)
    const rows = rowsPart(shape, range, progress.position)
    const part = read.metadata.length === 0 ? rows : { ...rows, metadata }
    progress.position += BigInt(range.rowCount)
    yield blockOf(progress, read.keepsUnreadable ? { ...part, place } : part)
  }
}

/** About how many bytes follow the place. */
function bytesLeft({ sizeBytes, isPacked }: FileContent, { fileOffsetBytes }: FolderPlace): number {
  return (isPacked ? sizeBytes * USUAL_RATIO : sizeBytes) - fileOffsetBytes
}

/** Notes that a packed file was read to its end. Throws SLU-SRC-1403 when it holds less. */
function endPacked(progress: Progress, { end, sizeBytes }: FileContent): void {
  if (end === null) return
  assertNotShrunk(end.bytes, progress.place)
  if (!end.isCut) progress.place = { ...progress.place, packedBytes: sizeBytes }
}

/** Yields scanned records, in two parts where one of them has members without a column. */
function* emitWhole(
  read: FolderRead,
  progress: Progress,
  shape: TextShape,
  buffer: Buffer,
  scan: RecordScan,
): Generator<SourceBlock> {
  const unknown = unknownIn(read, progress, shape, buffer.subarray(0, scan.endBytes))
  if (unknown === null) return yield* emit(read, progress, shape, buffer, scan)
  const { startBytes, columns } = unknown
  if (startBytes > 0) {
    // In memory of its own: each part gives its memory back.
    const before = Buffer.allocUnsafeSlow(startBytes)
    buffer.copy(before)
    yield* emit(read, progress, shape, before, scanPiece(read, shape, before))
  }
  read.shape.add(columns)
  const rest = buffer.subarray(startBytes)
  const restScan = scanPiece(read, shape, rest.subarray(0, scan.endBytes - startBytes))
  yield* emit(read, progress, shape, rest, restScan)
}

/** Members of records that have no column, where they are to be looked for. */
function unknownIn(
  { unknownBefore, shape: { current } }: FolderRead,
  { place, position }: Progress,
  { format }: TextShape,
  bytes: Buffer,
): UnknownMembers | null {
  if (format !== 'json-lines' || unknownBefore === null || position >= unknownBefore) return null
  const columns = current.columns.filter(({ metadata }) => metadata === undefined)
  const known = new Set(columns.map(({ name }) => name))
  const { file, lineCount } = place
  return findUnknownMembers(bytes, known, { file: file ?? '', firstLine: lineCount + 1 })
}

function* emit(
  read: FolderRead,
  progress: Progress,
  shape: TextShape,
  buffer: Buffer,
  scan: RecordScan,
): Generator<SourceBlock> {
  progress.place = moveTo(progress.place, buffer.subarray(0, scan.endBytes), scan)
  if (scan.recordCount === 0) return
  const bytes = shape.records.records(buffer, scan)
  const scanned = buffer.subarray(0, scan.endBytes)
  yield blockOf(progress, textPart(read, progress, { shape, bytes, scan, scanned }))
}

/** Yields what is left of a file that does not end as its records do; its last line gets an LF. */
function* emitTail(
  read: FolderRead,
  progress: Progress,
  shape: TextShape,
  rest: Buffer,
): Generator<SourceBlock> {
  // What an open quote keeps from ending may have its line end all the same.
  const unended = rest.at(-1) !== LF
  const ended = Buffer.allocUnsafeSlow(rest.length + (unended ? 1 : 0))
  rest.copy(ended)
  if (unended) ended[rest.length] = LF
  const scan = scanPiece(read, shape, ended, true)
  const problem = scan.problem ?? (scan.endBytes < ended.length ? 'open-quote' : null)
  if (problem !== null) throw badRecord(problem, progress.place, shape, scan.reason)
  read.shape.add(unknownIn(read, progress, shape, ended)?.columns ?? [])
  progress.place = { ...moveTo(progress.place, rest, scan), unended }
  if (scan.recordCount === 0) return
  const bytes = shape.records.records(ended, scan)
  yield blockOf(progress, textPart(read, progress, { shape, bytes, scan, scanned: ended }))
}

/** Bytes of a line that is too long that are kept. */
const LONG_LINE_KEPT_BYTES = 64 * 1024

/**
 * Passes a line that is too long, in pieces, and yields its beginning. False, with nothing passed,
 * when its end is not there yet.
 */
async function* passLongLine(
  read: FolderRead,
  progress: Progress,
  line: { readonly shape: TextShape; readonly content: FileContent; readonly takeTail: boolean },
): AsyncGenerator<SourceBlock, boolean> {
  const { shape, content, takeTail } = line
  const piece = Buffer.allocUnsafeSlow(LINE_BYTES_MAX)
  let head: Buffer | null = null
  let { place } = progress
  for (let isEnded = false; !isEnded; ) {
    const bytesRead = await readFully(content, piece, place.fileOffsetBytes)
    const atEnd = bytesRead < piece.length
    const end = piece.subarray(0, bytesRead).indexOf(LF) + 1
    isEnded = end > 0 || atEnd
    if (end === 0 && atEnd && !takeTail) return false
    head ??= Buffer.from(piece.subarray(0, LONG_LINE_KEPT_BYTES + 1))
    const passed = piece.subarray(0, end > 0 ? end : bytesRead)
    if (passed.length > 0) place = moveTo(place, passed, { lineCount: isEnded ? 1 : 0 })
    if (isEnded && end === 0) place = { ...place, unended: true }
  }
  const bytes = head as Buffer
  bytes[LONG_LINE_KEPT_BYTES] = LF
  progress.place = place
  const scan: AllRecordsScan = {
    endBytes: bytes.length,
    unreadableEnds: Uint32Array.of(0, bytes.length),
    lineCount: 1,
    recordCount: 1,
    lineBytesMax: bytes.length,
    problem: null,
    unreadable: { rows: Uint32Array.of(0), codes: Uint8Array.of(rejectCodeNumber('too-long')) },
    linesBefore: null,
  }
  const kept = shape.records.records(bytes, scan)
  yield blockOf(progress, textPart(read, progress, { shape, bytes: kept, scan, scanned: bytes }))
  return true
}

function assertNotShrunk(sizeBytes: number, place: FolderPlace): void {
  if (sizeBytes >= place.fileOffsetBytes) return
  throw new SluiceError('SLU-SRC-1403', {
    message: `The file ${place.file} shrank to ${sizeBytes} bytes; more were read.`,
    context: { file: place.file, readBytes: place.fileOffsetBytes, sizeBytes },
  })
}

/** A last line that was taken without LF must not have been continued since. */
function assertLineEnded(buffer: Buffer, place: FolderPlace): void {
  if (buffer[0] === LF || buffer[0] === CR) return
  throw new SluiceError('SLU-SRC-1403', {
    message: `The last line of ${place.file} was continued after it had been read.`,
    context: { file: place.file, line: place.lineCount, fileOffsetBytes: place.fileOffsetBytes },
  })
}
