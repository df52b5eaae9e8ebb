/** A folder of files as a source: one split, one stream, positions are record numbers. */

import { basename } from 'node:path'
import type {
  BlockPart,
  Source,
  SourceBlock,
  SourceCheck,
  SourceContext,
  SourceSession,
  SourceStart,
  SourceView,
} from '../../src/contracts/index.ts'
import {
  assert,
  type Cursor,
  createShape,
  isSluiceError,
  knownColumns,
  onlyCursor,
  printColumnType,
  type Shape,
  SluiceError,
  type SourceColumn,
  type SourcePosition,
  type SplitId,
} from '../../src/model/index.ts'
import { csvFiles } from './csv-file.ts'
import { debeziumFiles } from './debezium-file.ts'
import type { FileFormat } from './file-format.ts'
import type { Folder } from './folder.ts'
import { jsonFiles } from './json-file.ts'
import { countNames, namesAfter } from './listing.ts'
import { metadataColumns } from './metadata.ts'
import { parquetFiles } from './parquet-file.ts'
import { FOLDER_SPLIT, type FolderRead } from './parts.ts'
import { FOLDER_START, placeFromJson } from './place.ts'
import { readFolder } from './reader.ts'
import { DEFAULT_PATTERNS, type FilesSettings } from './spec.ts'

/**
 * Bytes of a part: large enough that what a block costs does not count, small enough to share
 * memory.
 */
const PART_BYTES_MAX = 4 * 1024 * 1024
const PART_BYTES_MIN = 64 * 1024
/** Of a part that is only looked at. */
const PEEK_PART_BYTES = 256 * 1024
/** Beyond every position. */
const EVERYWHERE: SourcePosition = 2n ** 63n

/** What a source reads. */
interface Reading {
  readonly folder: Folder
  readonly stream: string
  readonly settings: FilesSettings
  readonly parquet: SourceContext['parquet']
}

/** The source; nothing is opened before `check`, `discover` or `start`. `path` is absolute. */
export function filesSource(settings: FilesSettings, context: SourceContext): Source {
  const pattern = settings.pattern ?? DEFAULT_PATTERNS[settings.format]
  const { path, maxUnpackRatio: unpackRatioMax } = settings
  const exclude = settings.exclude ?? null
  const folder: Folder = { path, pattern, exclude, unpackRatioMax }
  const stream = settings.stream ?? basename(settings.path)
  const reading: Reading = { folder, stream, settings, parquet: context.parquet }
  return {
    name: context.name,
    check: (streams) => checkFolder(reading, streams),
    discover: async () => [(await discoverShape(reading)).current],
    start: (request) => startSession(reading, request, context),
    peek: (name) => peekParts(reading, name),
    readBack: {
      open: async (streams) => {
        assertOnlyStream(streams, stream)
        return openView(reading)
      },
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

function formatOf(reading: Reading): FileFormat {
  const { settings, folder, parquet } = reading
  const declared = Object.keys(settings.columns ?? {})
  const only = addsColumns(reading) ? null : new Set(declared)
  if (settings.format === 'ndjson') return jsonFiles(new Set(declared))
  if (settings.format === 'debezium-json') return debeziumFiles(settings.debezium)
  if (settings.format === 'parquet') {
    assert(parquet !== undefined, 'SLU-BUG-9001', 'nothing reads Parquet files here')
    return parquetFiles({ reader: parquet, folder, only })
  }
  const { delimiter, quote, nullText, header } = settings.csv
  return csvFiles({
    delimiter,
    quote,
    nullTexts: typeof nullText === 'string' ? [nullText] : nullText,
    names: header ? null : declared,
    addsColumns: only === null,
  })
}

/** True when columns that nobody declared are read too. */
function addsColumns({ settings: { undeclared, columns } }: Reading): boolean {
  return undeclared === 'add' || columns === undefined
}

function declaredColumns({ settings }: Reading): readonly SourceColumn[] {
  return Object.entries(settings.columns ?? {}).map(([name, type]) => {
    return { name, type, sourceType: printColumnType(type), nullable: true }
  })
}

function shapeOf({ stream, settings }: Reading, columns: readonly SourceColumn[]): Shape {
  const metadata = metadataColumns(settings.metadata)
  return createShape(stream, columns, { cutsTimes: settings.nanoseconds === 'cut', metadata })
}

/** The columns as the settings and the first file tell them. Throws SLU-SRC-1402 without any. */
async function discoverShape(reading: Reading): Promise<Shape> {
  const { folder } = reading
  const declared = declaredColumns(reading)
  if (declared.length > 0 && !addsColumns(reading)) return shapeOf(reading, declared)
  const found = await formatOf(reading).infer(folder, await namesAfter(folder, null))
  // In the order of the file; what is declared and not in it comes last.
  const names = new Set(found.map(({ name }) => name))
  const columns = [
    ...found.map((column) => declared.find(({ name }) => name === column.name) ?? column),
    ...declared.filter(({ name }) => !names.has(name)),
  ]
  if (columns.length > 0) return shapeOf(reading, columns)
  throw new SluiceError('SLU-SRC-1402', {
    message: `The folder ${folder.path} has no file with a record that matches ${folder.pattern}.`,
  })
}

/** The columns that a session begins with: declared ones, and those that the table has. */
async function startShape(reading: Reading, request: SourceStart): Promise<Shape> {
  const { stream, settings } = reading
  const declared = declaredColumns(reading)
  const held = request.columns?.get(stream) ?? []
  const known = knownColumns(held.filter(({ isGone }) => !isGone))
  if (known.length === 0) return discoverShape(reading)
  const adds = addsColumns(reading)
  if (settings.format === 'ndjson' && !adds) return shapeOf(reading, declared)
  const names = new Set(declared.map(({ name }) => name))
  const first = [...declared, ...known.filter(({ name }) => !names.has(name))]
  const shape = shapeOf(reading, first)
  if (settings.format === 'ndjson') {
    const { columns } = (await discoverShape(reading)).current
    shape.add(columns.filter(({ metadata }) => metadata === undefined))
  }
  return shape
}

async function checkFolder(
  reading: Reading,
  streams: readonly string[],
): Promise<readonly SourceCheck[]> {
  const { folder, stream } = reading
  const checks: SourceCheck[] = []
  try {
    const count = await countNames(folder)
    checks.push({ name: 'folder', status: 'ok', seen: `${count} files`, remedy: '' })
    const { columns } = (await discoverShape(reading)).current
    checks.push({ name: 'columns', status: 'ok', seen: `${columns.length} columns`, remedy: '' })
  } catch (error) {
    if (!isSluiceError(error)) throw error
    const name = checks.length === 0 ? 'folder' : 'columns'
    checks.push({ name, status: 'fail', seen: error.message, remedy: error.remedy })
  }
  for (const other of streams.filter((name) => name !== stream)) {
    checks.push({
      name: 'stream',
      status: 'fail',
      seen: `there is no stream "${other}"`,
      remedy: `Name the stream "${stream}" in the pipeline, or set \`stream\` of the source.`,
    })
  }
  return checks
}

function assertOnlyStream(streams: Iterable<string>, stream: string): void {
  for (const name of streams) {
    if (name === stream) continue
    throw new SluiceError('SLU-ING-4002', {
      message: `The files source has no stream "${name}"; its only stream is "${stream}".`,
    })
  }
}

async function startSession(
  reading: Reading,
  request: SourceStart,
  context: SourceContext,
): Promise<SourceSession> {
  const { folder, stream, settings } = reading
  assertOnlyStream(request.streams.keys(), stream)
  const shape = await startShape(reading, request)
  const cursor = onlyCursor(request.streams.get(stream))
  const closing = new AbortController()
  const signal = AbortSignal.any([request.signal, closing.signal])
  let endPosition: SourcePosition | null = null
  const { pollIntervalMs, follow } = settings
  const blocks = readFolder({
    ...startOf(cursor),
    folder,
    format: formatOf(reading),
    shape,
    refusesUnknown: addsColumns(reading),
    unknownBefore: lastUnknown(request, stream),
    // Two parts at a time: one is read ahead while the other is taken.
    partBytesMax: clamp(request.bufferBytesMax / 2, PART_BYTES_MIN, PART_BYTES_MAX),
    keepsUnreadable: request.keepsUnreadable?.has(shape.current.stream) === true,
    metadata: settings.metadata,
    late: settings.late,
    onIgnored: (names) => {
      tellIgnored(context, folder, names)
    },
    follow: follow ? { clock: context.clock, pollIntervalMs } : null,
    signal,
    onEnd: (position) => {
      endPosition = position
    },
  })
  const ahead = readAhead(blocks)
  return {
    blocks: () => ahead,
    // Files are the user's: nothing is freed when the table has them.
    acknowledge: () => {},
    progress: () => ({ ends: endsAt(endPosition), copies: [] }),
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      await ahead.return(undefined)
      await blocks.return(undefined)
    },
  }
}

/** Names that a log line shows. */
const NAMES_TOLD_MAX = 5

function tellIgnored(
  { name, telemetry }: SourceContext,
  { path }: Folder,
  names: readonly string[] | null,
): void {
  telemetry.log('warn', 'late files are not read, as `late: ignore` says', {
    source: name,
    folder: path,
    count: names?.length ?? 'too many at once to be told from others',
    files: names?.slice(0, NAMES_TOLD_MAX).join(', '),
  })
}

function startOf(cursor: Cursor | null): Pick<FolderRead, 'place' | 'position'> {
  if (cursor === null) return { place: FOLDER_START, position: 0n }
  return { place: placeFromJson(cursor.identity), position: cursor.nextPosition }
}

function endsAt(position: SourcePosition | null): ReadonlyMap<SplitId, SourcePosition> {
  return new Map(position === null ? [] : [[FOLDER_SPLIT, position]])
}

/** Where the last record is that has members without a column; null when there is none. */
function lastUnknown({ unknownBefore }: SourceStart, stream: string): SourcePosition | null {
  return unknownBefore?.get(stream)?.get(FOLDER_SPLIT) ?? null
}

function clamp(value: number, min: number, max: number): number {
  return Math.floor(Math.min(max, Math.max(min, value)))
}

/** Reads the next block while the one before is being worked on. */
async function* readAhead(blocks: AsyncGenerator<SourceBlock>): AsyncGenerator<SourceBlock> {
  let pending = observed(blocks.next())
  for (;;) {
    const next = await pending
    if (next.done === true) return
    pending = observed(blocks.next())
    yield next.value
  }
}

/** A rejection is met at the next `await`; until then it must not count as unhandled. */
function observed<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => {})
  return promise
}

/** A finite read of the whole folder. */
async function wholeRead(reading: Reading, signal: AbortSignal): Promise<FolderRead> {
  return {
    folder: reading.folder,
    format: formatOf(reading),
    shape: await discoverShape(reading),
    place: FOLDER_START,
    position: 0n,
    partBytesMax: PART_BYTES_MAX,
    metadata: reading.settings.metadata,
    late: 'stop',
    onIgnored: () => {},
    follow: null,
    keepsUnreadable: false,
    refusesUnknown: false,
    unknownBefore: addsColumns(reading) ? EVERYWHERE : null,
    signal,
    onEnd: () => {},
  }
}

async function* peekParts(reading: Reading, stream: string): AsyncGenerator<BlockPart> {
  assertOnlyStream([stream], reading.stream)
  const closing = new AbortController()
  const read = await wholeRead(reading, closing.signal)
  // Records of Debezium end the read where they are none.
  const keepsUnreadable = reading.settings.format !== 'debezium-json'
  const first = { ...read, partBytesMax: PEEK_PART_BYTES, keepsUnreadable }
  for await (const block of readFolder(first)) yield* block.parts
}

/** Counts the records there are now, so that the view can name its position before it is read. */
async function openView(reading: Reading): Promise<SourceView> {
  const closing = new AbortController()
  const read = await wholeRead(reading, closing.signal)
  let position = 0n
  for await (const block of readFolder(read)) position = block.nextPosition
  return {
    position,
    rows: () => partsBefore({ ...read, format: formatOf(reading) }, position),
    [Symbol.asyncDispose]: async () => closing.abort(),
  }
}

async function* partsBefore(read: FolderRead, end: SourcePosition): AsyncGenerator<BlockPart> {
  for await (const block of readFolder(read)) {
    for (const part of block.parts) {
      const left = end - part.firstPosition
      if (left <= 0n) return
      yield left >= BigInt(part.recordCount) ? part : firstRecords(part, Number(left))
    }
  }
}

function firstRecords(part: BlockPart, recordCount: number): BlockPart {
  if (part.file !== undefined) return { ...part, recordCount }
  const bytes = Buffer.from(part.bytes.buffer, part.bytes.byteOffset, part.bytes.byteLength)
  let end = 0
  for (let count = 0; count < recordCount; count++) end = bytes.indexOf(0x0a, end) + 1
  return { ...part, bytes: bytes.subarray(0, end), recordCount }
}
