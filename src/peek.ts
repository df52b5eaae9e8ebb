/**
 * The first records of a source, as a table would have them: `source peek`.
 * Comes in: a runtime and a stream of a source. Goes out: columns, rows, what cannot be decoded.
 * Must never: write to a table or a source, or read more than a bounded sample.
 */

import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Runtime } from './compose.ts'
import { ownFolder } from './config/index.ts'
import type { BlockPart, PipelineSettings, Source } from './contracts/index.ts'
import type { PartPreview, PreviewRow } from './ingest/index.ts'
import { SluiceError, type StreamSchema } from './model/index.ts'

/** What was seen of a stream. */
export interface Peek {
  /** The stream as it is known after the sample. */
  readonly schema: StreamSchema
  readonly rows: readonly PreviewRow[]
  readonly rejected: PartPreview['rejected']
  readonly sampled: {
    /** Records looked at, those among them that tell of no row or cannot be decoded too. */
    readonly records: number
    readonly rejected: number
    /** Files that they stand in, in order; none of a source without files. */
    readonly files: readonly string[]
    /** The sample is all there is. */
    readonly isAll: boolean
  }
}

/** Records that are looked at, at most; columns are inferred from as many. */
export const PEEK_RECORDS_MAX = 1000
/** Bytes of records that are looked at, at most, but for the part that goes beyond. */
const PEEK_BYTES_MAX = 8 * 1024 * 1024
/** Records that cannot be decoded of which more is told than their number. */
const REJECTED_MAX = 20
/** What the DuckDB of a look may use. */
const PEEK_MEMORY_BYTES = 256 * 1024 ** 2

/** What to look at. */
export interface PeekRequest {
  readonly stream: string
  /** Whom the source is read for. */
  readonly pipeline: Pick<PipelineSettings, 'name' | 'source'>
  /** Columns by which deletes name their rows. */
  readonly key: readonly string[]
}

/** Looks at a stream of a source. Throws SLU-SRC-*. */
export async function peekStream(
  runtime: Runtime,
  { stream, pipeline, key }: PeekRequest,
): Promise<Peek> {
  await using source = await runtime.openSource(pipeline)
  const [{ createEngine }, { previewPart }] = await Promise.all([
    import('./engine/index.ts'),
    import('./ingest/index.ts'),
  ])
  const folder = ownFolder(runtime.config.workFolder, 'peek')
  try {
    await using engine = await createEngine({
      memoryBytes: PEEK_MEMORY_BYTES,
      threads: 1,
      temporaryFolder: resolve(folder, 'engine'),
    })
    await using session = await engine.session()
    return await look(source, stream, (part, rowsMax) =>
      previewPart(part, { session, folder, key, rowsMax, rejectedMax: REJECTED_MAX }),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function look(
  source: Source,
  stream: string,
  preview: (part: BlockPart, rowsMax: number) => Promise<PartPreview>,
): Promise<Peek> {
  let schema: StreamSchema | null = null
  const rows: PreviewRow[] = []
  const rejected: PartPreview['rejected'][number][] = []
  const files = new Set<string>()
  let records = 0
  let rejectedCount = 0
  let bytes = 0
  let isAll = true
  for await (const part of firstParts(source, stream)) {
    if (records >= PEEK_RECORDS_MAX || bytes >= PEEK_BYTES_MAX) {
      isAll = false
      break
    }
    const left = PEEK_RECORDS_MAX - records
    const found = await preview(part, left)
    schema = part.schema
    rows.push(...found.rows)
    rejected.push(...found.rejected.slice(0, REJECTED_MAX - rejected.length))
    if (part.place !== undefined) files.add(part.place.file)
    records += found.rows.length + found.rejectedCount
    rejectedCount += found.rejectedCount
    bytes += part.bytes.byteLength
    if (found.rows.length + found.rejectedCount < part.recordCount) isAll = false
  }
  if (schema === null) schema = await schemaOf(source, stream)
  const sampled = { records, rejected: rejectedCount, files: [...files], isAll }
  return { schema, rows, rejected, sampled }
}

/** The records of a stream from the first one on; what is not taken is not read. */
async function* firstParts(source: Source, stream: string): AsyncGenerator<BlockPart> {
  if (source.peek !== undefined) {
    yield* source.peek(stream)
    return
  }
  if (source.readBack === null) {
    throw new SluiceError('SLU-CLI-8006', { message: `${source.name} cannot be looked at` })
  }
  await using view = await source.readBack.open([stream])
  yield* view.rows(stream)
}

/** Of a stream without records. */
async function schemaOf(source: Source, stream: string): Promise<StreamSchema> {
  const found = (await source.discover()).find((schema) => schema.stream === stream)
  if (found !== undefined) return found
  throw new SluiceError('SLU-ING-4002', { message: `${source.name} has no stream "${stream}"` })
}
