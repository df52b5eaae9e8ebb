/**
 * Reads a folder from a place on: whole lines as blocks, file after file, then, when following, as
 * they come.
 */

import type { FileHandle } from 'node:fs/promises'
import type { BlockPart, Clock, SourceBlock } from '../../src/contracts/index.ts'
import {
  rejectCodeNumber,
  SluiceError,
  type SourcePosition,
  wrapError,
} from '../../src/model/index.ts'
import { badRecord } from './bad-record.ts'
import type { FileFormat, OpenFile, RowsShape, TextShape } from './file-format.ts'
import { checkBefore, checkPlace, type Folder, listNames, openFile, sizeOf } from './folder.ts'
import { findUnknownMembers, type UnknownMembers } from './json-columns.ts'
import { mayHaveLongNumber } from './long-numbers.ts'
import { type FolderPlace, hashTail, nextFile, placeToJson, TAIL_BYTES_MAX } from './place.ts'
import { type AllRecordsScan, LINE_BYTES_MAX, type RecordScan } from './records.ts'
import { rowRanges, rowsPart } from './rows.ts'
import type { Shape } from './shape.ts'

/** Name of the one split of a files source. */
export const FOLDER_SPLIT = 'folder'

/** What a read needs. */
export interface FolderRead {
  readonly folder: Folder
  readonly format: FileFormat
  /** Grows with the columns that are found. */
  readonly shape: Shape
  readonly place: FolderPlace
  readonly position: SourcePosition
  /** Bytes of a part, at most, unless one line is longer. */
  readonly partBytesMax: number
  /** Yields lines that are no records among the others, marked, instead of ending at them. */
  readonly keepsUnreadable: boolean
  /** The receiver must meet no member of a JSON line that has no column. */
  readonly refusesUnknown: boolean
  /** Members of JSON lines without a column are looked for up to here; null: nowhere. */
  readonly unknownBefore: SourcePosition | null
  /** Null ends at the end of the files there are at the start. */
  readonly follow: { readonly clock: Clock; readonly pollIntervalMs: number } | null
  readonly signal: AbortSignal
  /** Told whenever the end is reached: the position after the last whole line there is. */
  readonly onEnd: (position: SourcePosition) => void
}

/** What is read, as it moves. */
interface Progress {
  place: FolderPlace
  position: SourcePosition
  /** Buffers that receivers gave back, the smallest first. */
  readonly spare: Buffer[]
}

/** A file before the current one; its size when it was read in this session. */
interface FileRead {
  readonly name: string
  readonly sizeBytes?: number
}

const LF = 0x0a
const CR = 0x0d
/** Smallest read: appended lines come in little pieces. */
const READ_BYTES_MIN = 64 * 1024
/** Buffers kept for reuse: one is filled and one is read ahead while others are being landed. */
const SPARE_BUFFERS_MAX = 4

/**
 * Yields blocks from `place` on, in order; each is a transaction of its own.
 * Throws SLU-SRC-1401, 1403, 1404, 1408, 1409, and 1405 to 1407, 1410 and 1412 after everything
 * before the bad record was yielded.
 */
export async function* readFolder(read: FolderRead): AsyncGenerator<SourceBlock> {
  const progress: Progress = { place: read.place, position: read.position, spare: [] }
  let names = await listNames(read.folder)
  await checkPlace(read.folder, names, read.place)
  let before: readonly FileRead[] = namesBefore(names, read.place.file).map((name) => ({ name }))
  let lastSize: number | null = null
  while (!read.signal.aborted) {
    const { file } = progress.place
    const next = file === null ? names[0] : names[names.indexOf(file) + 1]
    if (file !== null) {
      const size = await sizeOf(read.folder, file)
      // The last line may lack its LF because it is being written. It counts as whole when the read
      // is finite, or when a later file is there and this one has stopped growing.
      const takeTail = read.follow === null || (next !== undefined && size === lastSize)
      lastSize = size
      yield* readFile(read, progress, file, takeTail)
      if (read.signal.aborted) return
    }
    if (next !== undefined && (await isReadWhole(read.folder, progress.place))) {
      if (file !== null)
        before = [...before, { name: file, sizeBytes: progress.place.fileOffsetBytes }]
      progress.place = nextFile(progress.place, next)
      lastSize = null
      continue
    }
    // A file that grew while it was read finitely: what comes after it must wait for the rest of
    // it.
    if (next !== undefined && read.follow === null) continue
    read.onEnd(progress.position)
    if (read.follow === null) return
    await read.follow.clock.sleep(read.follow.pollIntervalMs, read.signal)
    if (read.signal.aborted) return
    names = await listNames(read.folder)
    await checkNames(read.folder, names, before, progress.place)
  }
}

async function isReadWhole(folder: Folder, place: FolderPlace): Promise<boolean> {
  if (place.file === null) return true
  return place.row === undefined && (await sizeOf(folder, place.file)) === place.fileOffsetBytes
}

function namesBefore(names: readonly string[], file: string | null): readonly string[] {
  return file === null ? [] : names.filter((name) => name < file)
}

/** Checks a later listing against what was read since `checkPlace`. */
async function checkNames(
  folder: Folder,
  names: readonly string[],
  before: readonly FileRead[],
  place: FolderPlace,
): Promise<void> {
  if (place.file === null) return
  const found = namesBefore(names, place.file)
  checkBefore(found.length, place)
  const isSame = found.every((name, index) => name === before[index]?.name)
  if (!isSame || !names.includes(place.file)) return checkPlace(folder, names, place)
  // The file before this one is the likeliest to be written to by mistake; the others are checked
  // on resume.
  const last = before.at(-1)
  if (last?.sizeBytes === undefined) return
  if ((await sizeOf(folder, last.name)) !== last.sizeBytes) await checkPlace(folder, names, place)
}

/** Yields the lines of one file from the place on; moves `progress`. */
async function* readFile(
  read: FolderRead,
  progress: Progress,
  file: string,
  takeTail: boolean,
): AsyncGenerator<SourceBlock> {
  await using handle = await openFile(read.folder, file)
  const { size } = await reading(handle.stat(), file)
  assertNotShrunk(size, progress.place)
  const opened = { name: file, handle, sizeBytes: size, isWhole: takeTail }
  const shape = await read.format.begin(opened, read.shape)
  if (shape === null) return
  if (shape.format === 'parquet') return yield* emitRows(read, progress, shape, opened)
  if (progress.place.fileOffsetBytes < shape.prologue.length) {
    const lines = { lineCount: shape.prologueLines }
    progress.place = moveTo(progress.place, shape.prologue, lines)
  }
  let buffer = nextBuffer(read, progress, size - progress.place.fileOffsetBytes)
  let filled = 0
  while (!read.signal.aborted) {
    const from = progress.place.fileOffsetBytes + filled
    const added = await fillBuffer(handle, buffer, filled, from, file)
    filled += added.bytesRead
    if (filled === 0) return
    if (progress.place.unended) assertLineEnded(buffer, progress.place)
    const scan = scanPiece(read, shape, buffer.subarray(0, filled))
    if (scan.endBytes > 0) yield* emitWhole(read, progress, shape, buffer, scan)
    if (scan.problem !== null) throw badRecord(scan.problem, progress.place, shape)
    const rest = buffer.subarray(scan.endBytes, filled)
    if (rest.length >= LINE_BYTES_MAX) {
      if (!read.keepsUnreadable) throw badRecord('too-long', progress.place, shape)
      if (!(yield* passLongLine(read, progress, { shape, handle, takeTail }))) return
      filled = 0
      continue
    }
    if (added.atEnd) {
      if (rest.length > 0 && takeTail) yield* emitTail(read, progress, shape, rest)
      return
    }
    const wanted = Math.max(rest.length * 2, size - progress.place.fileOffsetBytes)
    buffer = nextBuffer(read, progress, wanted, rest.length * 2)
    // It may be the same buffer, given back already: copying minds the overlap.
    filled = rest.copy(buffer)
  }
}

/** Yields the rows of a file that are left, in parts. */
async function* emitRows(
  read: FolderRead,
  progress: Progress,
  shape: RowsShape,
  { handle, sizeBytes, name }: OpenFile,
): AsyncGenerator<SourceBlock> {
  const end = Buffer.alloc(Math.min(sizeBytes, TAIL_BYTES_MAX))
  await fillBuffer(handle, end, 0, sizeBytes - end.length, name)
  const { partBytesMax } = read
  for (const range of rowRanges(progress.place, shape, { sizeBytes, end, partBytesMax })) {
    progress.place = range.place
    if (range.rowCount === 0 || read.signal.aborted) return
    const place = { file: name, firstLine: range.firstRow + 1, lines: null }
    const part = rowsPart(shape, range, progress.position)
    progress.position += BigInt(range.rowCount)
    yield blockOf(progress, read.keepsUnreadable ? { ...part, place } : part)
  }
}

/**
 * A buffer for the next part: one that a receiver gave back, else a new one. New ones make the
 * collector run every few parts, since it counts them as garbage to be.
 */
function nextBuffer(
  read: FolderRead,
  progress: Progress,
  wantedBytes: number,
  atLeastBytes = 0,
): Buffer {
  const wanted = Math.min(read.partBytesMax, Math.max(wantedBytes + 1, READ_BYTES_MIN))
  const size = Math.max(wanted, atLeastBytes)
  const { spare } = progress
  const found = spare.findIndex((buffer) => buffer.length >= size)
  if (found >= 0) return spare.splice(found, 1)[0] as Buffer
  // Files of like size ask for the same power of two, and so for the same buffers.
  const roomy = Math.min(2 ** Math.ceil(Math.log2(size)), read.partBytesMax)
  return Buffer.allocUnsafeSlow(Math.max(size, roomy))
}

/** Keeps a part's memory for later reads; of too many, the smallest goes. */
function keepSpare(read: FolderRead, { spare }: Progress, bytes: Buffer): void {
  const { buffer } = bytes
  if (buffer.byteLength < READ_BYTES_MIN || buffer.byteLength > read.partBytesMax) return
  spare.push(Buffer.from(buffer))
  spare.sort((left, right) => left.length - right.length)
  if (spare.length > SPARE_BUFFERS_MAX) spare.shift()
}

async function fillBuffer(
  handle: FileHandle,
  buffer: Buffer,
  filled: number,
  fromBytes: number,
  file: string,
): Promise<{ readonly bytesRead: number; readonly atEnd: boolean }> {
  let at = filled
  while (at < buffer.length) {
    const length = buffer.length - at
    const { bytesRead } = await reading(
      handle.read(buffer, at, length, fromBytes + at - filled),
      file,
    )
    if (bytesRead === 0) return { bytesRead: at - filled, atEnd: true }
    at += bytesRead
  }
  return { bytesRead: at - filled, atEnd: false }
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
  const known = new Set(current.columns.map(({ name }) => name))
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
  yield blockOf(progress, textPart(read, progress, { shape, bytes, scan }))
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
  if (problem !== null) throw badRecord(problem, progress.place, shape)
  read.shape.add(unknownIn(read, progress, shape, ended)?.columns ?? [])
  progress.place = { ...moveTo(progress.place, rest, scan), unended }
  if (scan.recordCount === 0) return
  const bytes = shape.records.records(ended, scan)
  yield blockOf(progress, textPart(read, progress, { shape, bytes, scan }))
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
  line: { readonly shape: TextShape; readonly handle: FileHandle; readonly takeTail: boolean },
): AsyncGenerator<SourceBlock, boolean> {
  const { shape, handle, takeTail } = line
  const { file } = progress.place
  const piece = Buffer.allocUnsafeSlow(LINE_BYTES_MAX)
  let head: Buffer | null = null
  let { place } = progress
  for (let isEnded = false; !isEnded; ) {
    const added = await fillBuffer(handle, piece, 0, place.fileOffsetBytes, file as string)
    const end = piece.subarray(0, added.bytesRead).indexOf(LF) + 1
    isEnded = end > 0 || added.atEnd
    if (end === 0 && added.atEnd && !takeTail) return false
    head ??= Buffer.from(piece.subarray(0, LONG_LINE_KEPT_BYTES + 1))
    const passed = piece.subarray(0, end > 0 ? end : added.bytesRead)
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
  yield blockOf(progress, textPart(read, progress, { shape, bytes: kept, scan }))
  return true
}

function scanPiece(
  read: FolderRead,
  { records }: TextShape,
  bytes: Buffer,
  isWhole = false,
): RecordScan | AllRecordsScan {
  return read.keepsUnreadable ? records.scanAll(bytes, isWhole) : records.scan(bytes)
}

const isOfAll = (scan: RecordScan | AllRecordsScan): scan is AllRecordsScan => 'unreadable' in scan

/** What is said of single records; `place` is the one behind the scanned lines. */
function findingsOf(
  { lineCount, unreadable, linesBefore }: AllRecordsScan,
  place: FolderPlace,
): Pick<BlockPart, 'unreadable' | 'place'> {
  const firstLine = place.lineCount - lineCount + 1
  const lines = linesBefore?.map((before) => firstLine + before) ?? null
  return {
    ...(unreadable !== null && { unreadable }),
    place: { file: place.file ?? '', firstLine, lines },
  }
}

function moveTo(
  place: FolderPlace,
  bytes: Buffer,
  lines: { readonly lineCount: number },
): FolderPlace {
  const tail = bytes.subarray(Math.max(0, bytes.length - TAIL_BYTES_MAX))
  return {
    ...place,
    fileOffsetBytes: place.fileOffsetBytes + bytes.length,
    lineCount: place.lineCount + lines.lineCount,
    unended: false,
    tailBytes: tail.length,
    tailHash: hashTail(tail),
  }
}

/** True where numbers become decimals: others need not be known. */
function needsShortNumbers({ format, schema }: TextShape): boolean {
  if (format !== 'json-lines') return false
  return schema.columns.some(({ type }) => typeof type !== 'string' && type.kind === 'decimal')
}

interface ScannedPart {
  readonly shape: TextShape
  readonly bytes: Buffer
  readonly scan: RecordScan | AllRecordsScan
}

/** The next part; `progress.place` is behind its lines already, the position moves here. */
function textPart(
  read: FolderRead,
  progress: Progress,
  { shape, bytes, scan }: ScannedPart,
): BlockPart {
  const { schema, format, csv } = shape
  const firstPosition = progress.position
  progress.position += BigInt(scan.recordCount)
  return {
    schema,
    format,
    ...(csv && { csv }),
    bytes,
    release: () => keepSpare(read, progress, bytes),
    recordCount: scan.recordCount,
    lineBytesMax: scan.lineBytesMax,
    ...(format === 'json-lines' && read.refusesUnknown && { refusesUnknown: true }),
    ...(needsShortNumbers(shape) && { hasShortNumbers: !mayHaveLongNumber(bytes) }),
    firstPosition,
    partialCount: 0,
    ...(isOfAll(scan) ? findingsOf(scan, progress.place) : {}),
  }
}

function blockOf({ place, position }: Progress, part: BlockPart): SourceBlock {
  return {
    split: FOLDER_SPLIT,
    splitNumber: 0,
    parts: [part],
    nextPosition: position,
    endsTransaction: true,
    copy: null,
    identity: placeToJson(place),
    sourceTimeMicros: null,
  }
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

async function reading<Result>(work: Promise<Result>, file: string): Promise<Result> {
  try {
    return await work
  } catch (error) {
    throw wrapError(error, 'SLU-SRC-1408', `The file ${file} cannot be read`)
  }
}
