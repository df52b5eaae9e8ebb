/** A folder of NDJSON files as a source: one split, one stream, positions are record numbers. */

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
  type Cursor,
  isSluiceError,
  SluiceError,
  type SourceColumn,
  type SourcePosition,
  type StreamSchema,
} from '../../src/model/index.ts'
import { inferColumns, printColumnType } from './column-types.ts'
import { type Folder, listNames, openFile, sizeOf } from './folder.ts'
import { LINE_BYTES_MAX } from './lines.ts'
import { FOLDER_START, placeFromJson } from './place.ts'
import { type FolderRead, readFolder } from './reader.ts'
import type { FilesSettings } from './spec.ts'

/**
 * Bytes of a part: large enough that what a block costs does not count, small enough to share
 * memory.
 */
const PART_BYTES_MAX = 4 * 1024 * 1024
const PART_BYTES_MIN = 64 * 1024
/** Lines of the first file from which columns are inferred. */
const SAMPLE_LINES_MAX = 1000
/** Bytes of the first file that are looked at for them; a first line may be longer. */
const SAMPLE_BYTES = 4 * 1024 * 1024

/** The source; nothing is opened before `check`, `discover` or `start`. `path` is absolute. */
export function filesSource(settings: FilesSettings, context: SourceContext): Source {
  const folder: Folder = { path: settings.path, pattern: settings.pattern }
  const stream = settings.stream ?? basename(settings.path)
  const describe = (): Promise<StreamSchema> => describeStream(folder, stream, settings)
  return {
    name: context.name,
    check: (streams) => checkFolder(folder, stream, streams, describe),
    discover: async () => [await describe()],
    start: async (request) => {
      const schema = await describe()
      return startSession(folder, schema, request, settings, context)
    },
    readBack: {
      open: async (streams) => {
        assertOnlyStream(streams, stream)
        return openView(folder, await describe())
      },
    },
    [Symbol.asyncDispose]: async () => {},
  }
}

async function describeStream(
  folder: Folder,
  stream: string,
  settings: FilesSettings,
): Promise<StreamSchema> {
  const declared = settings.columns
  const columns =
    declared === undefined
      ? await inferFromFirstFile(folder)
      : Object.entries(declared).map(([name, type]) => ({
          name,
          type,
          sourceType: printColumnType(type),
          nullable: true,
        }))
  return { stream, schemaId: 1, columns, key: [] }
}

async function inferFromFirstFile(folder: Folder): Promise<readonly SourceColumn[]> {
  for (const name of await listNames(folder)) {
    const lines = await readSample(folder, name)
    if (lines.length > 0) return inferColumns(lines, name)
  }
  throw new SluiceError('SLU-SRC-1402', {
    message: `The folder ${folder.path} has no file with a record that matches ${folder.pattern}.`,
  })
}

/** The first records of a file; a line that is cut by the end of the sample is left out. */
async function readSample(folder: Folder, name: string): Promise<readonly string[]> {
  const size = (await sizeOf(folder, name)) ?? 0
  await using handle = await openFile(folder, name)
  for (let wanted = SAMPLE_BYTES; ; wanted *= 2) {
    const bytes = Buffer.alloc(Math.min(size, wanted))
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0)
    const isWhole = bytesRead === size
    const text = bytes.toString('utf8', 0, bytesRead).replace(/^\uFEFF/, '')
    const lines = text.split('\n', SAMPLE_LINES_MAX + 1)
    if (!isWhole || lines.length > SAMPLE_LINES_MAX) lines.pop()
    const records = lines.filter((line) => line.trim() !== '')
    if (records.length > 0 || isWhole || wanted > LINE_BYTES_MAX) return records
  }
}

async function checkFolder(
  folder: Folder,
  stream: string,
  streams: readonly string[],
  describe: () => Promise<StreamSchema>,
): Promise<readonly SourceCheck[]> {
  const checks: SourceCheck[] = []
  try {
    const names = await listNames(folder)
    checks.push({ name: 'folder', status: 'ok', seen: `${names.length} files`, remedy: '' })
    const { columns } = await describe()
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
  folder: Folder,
  schema: StreamSchema,
  request: SourceStart,
  settings: FilesSettings,
  context: SourceContext,
): Promise<SourceSession> {
  assertOnlyStream(request.streams.keys(), schema.stream)
  const cursor = request.streams.get(schema.stream) ?? null
  const closing = new AbortController()
  const signal = AbortSignal.any([request.signal, closing.signal])
  let endPosition: SourcePosition | null = null
  const { pollIntervalMs, follow } = settings
  const blocks = readFolder({
    ...startOf(cursor),
    folder,
    schema,
    // Two parts at a time: one is read ahead while the other is taken.
    partBytesMax: clamp(request.bufferBytesMax / 2, PART_BYTES_MIN, PART_BYTES_MAX),
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
    progress: () => ({ endPosition, copies: [] }),
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      await ahead.return(undefined)
      await blocks.return(undefined)
    },
  }
}

function startOf(cursor: Cursor | null): Pick<FolderRead, 'place' | 'position'> {
  if (cursor === null) return { place: FOLDER_START, position: 0n }
  return { place: placeFromJson(cursor.identity), position: cursor.nextPosition }
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

/** Counts the records there are now, so that the view can name its position before it is read. */
async function openView(folder: Folder, schema: StreamSchema): Promise<SourceView> {
  const closing = new AbortController()
  const read: FolderRead = {
    folder,
    schema,
    place: FOLDER_START,
    position: 0n,
    partBytesMax: PART_BYTES_MAX,
    follow: null,
    signal: closing.signal,
    onEnd: () => {},
  }
  let position = 0n
  for await (const block of readFolder(read)) position = block.nextPosition
  return {
    position,
    rows: () => partsBefore(read, position),
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
  const bytes = Buffer.from(part.bytes.buffer, part.bytes.byteOffset, part.bytes.byteLength)
  let end = 0
  for (let count = 0; count < recordCount; count++) end = bytes.indexOf(0x0a, end) + 1
  return { ...part, bytes: bytes.subarray(0, end), recordCount }
}
