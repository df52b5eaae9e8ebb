/** Pieces of files as parts of blocks, and the memory they are read into. */

import type { BlockPart, Clock, SourceBlock } from '../../src/contracts/index.ts'
import {
  isWholeNumber,
  type Shape,
  type SourcePosition,
  type StreamSchema,
} from '../../src/model/index.ts'
import { debeziumPart, isDebeziumScan } from './debezium-lines.ts'
import type { FileFormat, TextShape } from './file-format.ts'
import type { Folder } from './folder.ts'
import { mayHaveLongNumber } from './long-numbers.ts'
import { type MetadataField, metadataLines } from './metadata.ts'
import { type FolderPlace, hashTail, placeToJson, TAIL_BYTES_MAX } from './place.ts'
import type { LatePolicy } from './reading-order.ts'
import type { AllRecordsScan, RecordScan } from './records.ts'

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
  /** What is told of each record beside its values. */
  readonly metadata: readonly MetadataField[]
  readonly late: LatePolicy
  readonly onIgnored: (names: readonly string[] | null) => void
  /** Null ends at the end of the files there are at the start. */
  readonly follow: { readonly clock: Clock; readonly pollIntervalMs: number } | null
  readonly signal: AbortSignal
  /** Told whenever the end is reached: the position after the last whole line there is. */
  readonly onEnd: (position: SourcePosition) => void
}

/** What is read, as it moves. */
export interface Progress {
  place: FolderPlace
  position: SourcePosition
  /** Of the file that is open. */
  modifiedAtMs: number
  /** Buffers that receivers gave back, the smallest first. */
  readonly spare: Buffer[]
}

/** Smallest read: appended lines come in little pieces. */
const READ_BYTES_MIN = 64 * 1024
/** Buffers kept for reuse: one is filled and one is read ahead while others are being landed. */
const SPARE_BUFFERS_MAX = 4

/**
 * A buffer for the next part: one that a receiver gave back, else a new one. New ones make the
 * collector run every few parts, since it counts them as garbage to be.
 */
export function nextBuffer(
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

/**
 * Scans whole records from the start of `bytes`, as the read wants them. `isWhole`: nothing
 * follows.
 */
export function scanPiece(
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

/** The place behind `bytes`, which hold so many lines. */
export function moveTo(
  place: FolderPlace,
  bytes: Buffer,
  lines: { readonly lineCount: number },
): FolderPlace {
  const tail = bytes.subarray(Math.max(0, bytes.length - TAIL_BYTES_MAX))
  const { packedBytes: _, ...moved } = place
  return {
    ...moved,
    fileOffsetBytes: place.fileOffsetBytes + bytes.length,
    lineCount: place.lineCount + lines.lineCount,
    unended: false,
    tailBytes: tail.length,
    tailHash: hashTail(tail),
  }
}

/** The columns of a schema that must hold numbers exactly. */
const exactNames = new WeakMap<StreamSchema, ReadonlySet<string>>()

function exactNamesOf(schema: StreamSchema): ReadonlySet<string> {
  const known = exactNames.get(schema)
  if (known !== undefined) return known
  const exact = schema.columns.filter(
    ({ type, metadata }) =>
      metadata === undefined &&
      (isWholeNumber(type) || (typeof type !== 'string' && type.kind === 'decimal')),
  )
  const names = new Set(exact.map(({ name }) => name))
  exactNames.set(schema, names)
  return names
}

/** Says of JSON lines whether their numbers may be read as doubles. */
function numbersOf(
  { format, schema }: TextShape,
  bytes: Buffer,
): Pick<BlockPart, 'hasShortNumbers'> {
  if (format !== 'json-lines') return {}
  const names = exactNamesOf(schema)
  return names.size === 0 ? {} : { hasShortNumbers: !mayHaveLongNumber(bytes, names) }
}

/** Scanned records. */
export interface ScannedPart {
  readonly shape: TextShape
  readonly bytes: Buffer
  readonly scan: RecordScan | AllRecordsScan
  /** The lines that were scanned, with those that are no records. */
  readonly scanned: Buffer
}

/** The next part; `progress.place` is behind its lines already, the position moves here. */
export function textPart(
  read: FolderRead,
  progress: Progress,
  { shape, bytes, scan, scanned }: ScannedPart,
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
    ...numbersOf(shape, bytes),
    firstPosition,
    partialCount: 0,
    ...(isDebeziumScan(scan) && debeziumPart(scan, bytes)),
    ...(isOfAll(scan) ? findingsOf(scan, progress.place) : {}),
    ...(read.metadata.length > 0 && {
      metadata: toldOf(read, progress, { shape, scan, scanned }, firstPosition),
    }),
  }
}

/** What is told of scanned records; `progress.place` is behind them. */
function toldOf(
  { metadata }: FolderRead,
  { place, modifiedAtMs }: Progress,
  { shape, scan, scanned }: Pick<ScannedPart, 'shape' | 'scan' | 'scanned'>,
  firstPosition: SourcePosition,
): Uint8Array {
  const firstLine = place.lineCount - scan.lineCount + 1
  const isDense = scan.lineCount === scan.recordCount
  const all = isDense ? null : isOfAll(scan) ? scan : shape.records.scanAll(scanned, true)
  const lines = all?.linesBefore?.map((before) => firstLine + before) ?? null
  return metadataLines(metadata, firstPosition, {
    file: place.file ?? '',
    firstLine,
    lines,
    modifiedAtMs,
  })
}

/** The block of a part; `progress` is behind it already. */
export function blockOf({ place, position }: Progress, part: BlockPart): SourceBlock {
  return {
    split: FOLDER_SPLIT,
    splitNumber: 0,
    parts: [part],
    nextPosition: position,
    endsTransaction: true,
    copy: null,
    // Made when it is asked for: of the blocks of a batch only the last one's is.
    get identity() {
      return placeToJson(place)
    },
    sourceTimeMicros: null,
  }
}
