/**
 * From checked settings to working parts: the only file that names concrete connectors, formats
 * and stores.
 * Comes in: a `Config`. Goes out: a `Runtime` whose parts open when they are asked for.
 * Must never: decide what a setting means, or load DuckDB or a driver for a command that does not
 * need it.
 */

import { rmSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FilesSettings } from '../connectors/files/index.ts'
import type { PostgresSettings } from '../connectors/postgres/index.ts'
import { type Config, ownFolder, type SourceSettings, type SourceSpec } from './config/index.ts'
import type {
  BlockPart,
  Clock,
  ObjectStore,
  ParquetPort,
  PipelineSettings,
  PipelineStatus,
  Snapshot,
  Source,
  SourceContext,
  Table,
  TableFormat,
  TableTarget,
  Telemetry,
} from './contracts/index.ts'
import type { Engine } from './engine/index.ts'
import type { FailpointName, Pipeline, RunEnd } from './ingest/index.ts'
import { SluiceError } from './model/index.ts'
import { writeStatus } from './observe/index.ts'
import type { Reader, VerifyResult } from './read/index.ts'

/** Name that commits carry as their engine. */
const WRITER_NAME = 'sluice'
/** What a reader's DuckDB may use; beyond it spills to the work folder. */
const READER_MEMORY_BYTES = 1024 ** 3

/** What the DuckDB for checkpoints may use: metadata only. */
const CHECKPOINT_MEMORY_BYTES = 256 * 1024 ** 2

/** Parts of the process that everything else is given. */
export interface RuntimeOptions {
  readonly clock: Clock
  readonly telemetry: Telemetry
  /** Threads of a reader's DuckDB. */
  readonly readerThreads: number
}

/** A place in the journey of a batch where this process shall die; for tests. */
export interface DeathWish {
  readonly failpoint: FailpointName
  /** At which passing, from 1. */
  readonly occurrence: number
  die(): void
}

/** A reader together with the engine it works in. */
export interface OpenReader extends AsyncDisposable {
  readonly engine: Engine
  readonly reader: Reader
}

/** Everything behind one configuration. Disposing it closes what was opened through it. */
export interface Runtime extends AsyncDisposable {
  readonly config: Config
  readonly clock: Clock
  readonly telemetry: Telemetry
  readonly store: ObjectStore
  readonly format: TableFormat
  /**
   * Tries that the store can be written and honours conditional writes. Throws SLU-STO-2001, 2004.
   */
  probeStore(): Promise<void>
  /** The source of a pipeline; the caller closes it. Constructing connects to nothing. */
  openSource(pipeline: PipelineSettings): Promise<Source>
  /** A pipeline over its source, which the caller closes after the run. */
  openPipeline(pipeline: PipelineSettings, source: Source, death?: DeathWish): Promise<Pipeline>
  /** Starts an engine for SQL over the tables of the configuration and any Delta table by path. */
  openReader(): Promise<OpenReader>
}

/** How to run a pipeline. */
export interface RunOptions {
  /** Aborting drains: what was read is committed, then the run ends. */
  readonly signal: AbortSignal
  /** Called about once a second, and at the end, with what was written to the status file. */
  readonly onStatus?: (status: PipelineStatus) => void
  readonly death?: DeathWish
}

/** How often the status file is written. */
const STATUS_INTERVAL_MS = 1000

/**
 * Runs one pipeline to its end and keeps its status file (`<work folder>/run/<pipeline>.json`) up
 * to date.
 * Throws the SluiceError that stopped it; the file then says so.
 */
export async function runPipeline(
  runtime: Runtime,
  settings: PipelineSettings,
  { signal, onStatus, death }: RunOptions,
): Promise<RunEnd> {
  await using source = await runtime.openSource(settings)
  const pipeline = await runtime.openPipeline(settings, source, death)
  const publish = (): void => {
    const status = pipeline.status()
    writeStatus(runtime.config.workFolder, { processId: process.pid, status })
    onStatus?.(status)
  }
  publish()
  const ended = new AbortController()
  const publishing = publishUntil(ended.signal, runtime, publish)
  try {
    return await pipeline.run(signal)
  } finally {
    ended.abort()
    await publishing
  }
}

/**
 * Publishes until the end, and at the end once more. A status that cannot be written is told once;
 * it stops no pipeline and takes the place of no error.
 */
async function publishUntil(
  ended: AbortSignal,
  { clock, telemetry }: Runtime,
  publish: () => void,
): Promise<void> {
  let told = false
  while (!ended.aborted) {
    await clock.sleep(STATUS_INTERVAL_MS, ended)
    try {
      publish()
    } catch (error) {
      if (!told)
        telemetry.log('warn', 'the status file cannot be written', { reason: String(error) })
      told = true
    }
  }
}

/** The types of sources there are, for the check of a configuration. */
export async function sourceSpecs(): Promise<readonly SourceSpec[]> {
  const [{ POSTGRES_SPEC, lintPostgresSettings }, { filesSpec }] = await Promise.all([
    import('../connectors/postgres/index.ts'),
    import('../connectors/files/index.ts'),
  ])
  const lint = (settings: unknown) => lintPostgresSettings(settings as PostgresSettings)
  return [{ ...POSTGRES_SPEC, lint }, filesSpec]
}

/** Opens the store and the format; everything else opens on demand. Throws SLU-STO-*. */
export async function openRuntime(config: Config, options: RuntimeOptions): Promise<Runtime> {
  const { createLocalObjectStore } = await import('../table-format/object-store/index.ts')
  const { clock, telemetry } = options
  const store = await createLocalObjectStore(config.store.folder, clock)
  const parquet = parquetOnDemand(config, clock)
  const { createDeltaFormat } = await import('../table-format/delta/index.ts')
  const openFormat = (over: ObjectStore): TableFormat =>
    createDeltaFormat({ store: over, clock, writerName: WRITER_NAME, parquet, telemetry })
  const format = openFormat(store)
  return {
    config,
    clock,
    telemetry,
    store,
    format,
    probeStore: async () => {
      const { probeConditionalWrites } = await import('../table-format/object-store/index.ts')
      await probeConditionalWrites(store, clock)
    },
    openSource: (pipeline) =>
      openSource(config, pipeline, {
        name: pipeline.source,
        pipeline: pipeline.name,
        clock,
        telemetry,
      }),
    openPipeline: async (settings, source, death) => {
      const { createPipeline, failAt } = await import('./ingest/index.ts')
      return createPipeline({
        settings,
        source,
        store,
        openFormat,
        clock,
        telemetry,
        workFolder: ownFolder(config.workFolder, 'pipelines', settings.name),
        ...(death && { failpoints: failAt(death.failpoint, death.occurrence, death.die) }),
      })
    },
    openReader: () => openReader(config, { store, format, openFormat }, options),
    [Symbol.asyncDispose]: async () => {
      await parquet[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
    },
  }
}

/** The engine behind checkpoints; started by the first one that is read or written. */
function parquetOnDemand(config: Config, clock: Clock): ParquetPort & AsyncDisposable {
  let engine: Promise<Engine> | null = null
  const open = async (): Promise<ParquetPort> => {
    const folder = ownFolder(config.workFolder, 'checkpoints')
    const { createEngine, createParquetPort } = await import('./engine/index.ts')
    engine ??= createEngine({
      memoryBytes: CHECKPOINT_MEMORY_BYTES,
      threads: 1,
      temporaryFolder: resolve(folder, 'engine'),
    })
    const { session } = await engine
    return createParquetPort({ openSession: session, spoolFolder: folder, clock })
  }
  let port: Promise<ParquetPort> | null = null
  const opened = (): Promise<ParquetPort> => {
    port ??= open()
    return port
  }
  return {
    readRows: async function* (url, columns) {
      yield* (await opened()).readRows(url, columns)
    },
    writeRows: async (request) => (await opened()).writeRows(request),
    [Symbol.asyncDispose]: async () => {
      await (await engine)?.[Symbol.asyncDispose]()
    },
  }
}

async function openSource(
  config: Config,
  pipeline: PipelineSettings,
  context: SourceContext,
): Promise<Source> {
  const source = config.sources.find((candidate) => candidate.name === pipeline.source)
  if (source === undefined) {
    throw new SluiceError('SLU-BUG-9001', { message: `no source ${pipeline.source}` })
  }
  return createSource(config, source, context)
}

/** A new type of source is one more case here and one more entry in `sourceSpecs`. */
async function createSource(
  config: Config,
  { type, settings }: SourceSettings,
  context: SourceContext,
): Promise<Source> {
  switch (type) {
    case 'postgres': {
      const { createPostgresSource } = await import('../connectors/postgres/index.ts')
      return createPostgresSource(settings as PostgresSettings, context)
    }
    case 'files': {
      const { createFilesSource } = await import('../connectors/files/index.ts')
      const { path, ...rest } = settings as FilesSettings
      return createFilesSource({ ...rest, path: resolve(config.baseFolder, path) }, context)
    }
    default:
      throw new SluiceError('SLU-BUG-9001', { message: `no connector for ${type}` })
  }
}

interface Storage {
  readonly store: ObjectStore
  readonly format: TableFormat
  readonly openFormat: (store: ObjectStore) => TableFormat
}

/** True when a table was begun at `root`: cheaper than opening it. */
async function hasLog(store: ObjectStore, root: string): Promise<boolean> {
  for await (const _ of store.list(`${root}/_delta_log/`)) return true
  return false
}

async function openReader(
  config: Config,
  { store, format, openFormat }: Storage,
  { clock, readerThreads }: RuntimeOptions,
): Promise<OpenReader> {
  const [{ createEngine }, { createReader }, { createLocalObjectStore }] = await Promise.all([
    import('./engine/index.ts'),
    import('./read/index.ts'),
    import('../table-format/object-store/index.ts'),
  ])
  const engine = await createEngine({
    memoryBytes: READER_MEMORY_BYTES,
    threads: readerThreads,
    temporaryFolder: resolve(config.workFolder, 'read'),
  })
  const targets = config.pipelines.flatMap((pipeline) => pipeline.targets)
  const byRoot = async (root: string): Promise<Table | null> => format.open(root)
  const tables = {
    names: async () => {
      const begun = await Promise.all(targets.map((target) => hasLog(store, target.root)))
      return targets.filter((_, index) => begun[index]).map((target) => target.table)
    },
    byName: async (name: string) => {
      const target = targets.find((candidate) => candidate.table === name)
      return target === undefined ? null : byRoot(target.root)
    },
    byPath: async (path: string) => {
      const folder = resolve(path.startsWith('file:') ? fileURLToPath(path) : path)
      const parent = await createLocalObjectStore(dirname(folder), clock)
      return openFormat(parent).open(basename(folder))
    },
  }
  return {
    engine,
    reader: createReader({ engine, tables, clock }),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

/** A table and its source, compared at one position. */
export interface Comparison {
  readonly result: VerifyResult
  /** The version also holds changes after `position`: its commit reached beyond it. */
  readonly isBeyond: boolean
  /** Everything before it is compared, nothing after. */
  readonly position: bigint
  /** Version of the table that holds everything before `position`. */
  readonly version: bigint
}

/** How to compare. */
export interface CompareOptions {
  readonly sampleMax: number
  /** How long the table may take to reach the position of the source. */
  readonly timeoutMs: number
  /** True while somebody ingests: else waiting is in vain. */
  isIngesting(): boolean
}

/** How often a table that has not reached the position yet is asked again. */
const REACH_INTERVAL_MS = 200
/** A pipeline that does not live gets this long, for the time between two looks. */
const REACH_GRACE_MS = 1000

/** Looks at a table that a running pipeline moves on meanwhile, at most. */
const COMPARISONS_MAX = 4

/**
 * Compares every row of a table with its source. Opens a view of the source, waits until the table
 * holds everything before the view's position, then compares the first version that does. Throws
 * SLU-CLI-8004 without a table, 8006 when the source cannot be read again, 8007 when the table
 * differs and has not reached that position.
 */
export async function compareWithSource(
  runtime: Runtime,
  settings: PipelineSettings,
  target: TableTarget,
  options: CompareOptions,
): Promise<Comparison> {
  let before: ReadonlySet<string> = new Set()
  for (let attempt = 1; ; attempt++) {
    const comparison = await compareOnce(runtime, settings, target, options)
    const { result, isBeyond } = comparison
    const keys = new Set(result.sample.map(({ key }) => key.map(String).join('\0')))
    const isEqual = result.missingRows + result.extraRows === 0n
    // A row that came before the position and went after it, both in one commit, is in no version:
    // it looks missing once. What is really missing is so again.
    const isSeenAgain = [...keys].some((key) => before.has(key))
    if (isEqual || !isBeyond || isSeenAgain || attempt === COMPARISONS_MAX) return comparison
    before = keys
  }
}

/** One comparison, at the source's position of now. */
async function compareOnce(
  runtime: Runtime,
  settings: PipelineSettings,
  target: TableTarget,
  options: CompareOptions,
): Promise<Comparison> {
  await using source = await runtime.openSource(settings)
  if (source.readBack === null) {
    throw new SluiceError('SLU-CLI-8006', { message: `${source.name} cannot be read again` })
  }
  await using view = await source.readBack.open([target.stream])
  const table = await runtime.format.open(target.root)
  if (table === null) {
    throw new SluiceError('SLU-CLI-8004', { message: `table "${target.table}" holds nothing yet` })
  }
  await using opened = table
  const { snapshot, isReached } = await waitForPosition(runtime, settings, opened, {
    ...options,
    position: view.position,
  })
  const [{ createEngine }, { landPart }, { verifyAgainst }, decode, { userColumns }] =
    await Promise.all([
      import('./engine/index.ts'),
      import('./ingest/index.ts'),
      import('./read/index.ts'),
      import('./decode/index.ts'),
      import('./model/index.ts'),
    ])
  const cursor = snapshot.cursors(settings.name)[0]?.cursor
  const isBeyond = cursor !== undefined && cursor.nextPosition > view.position
  const folder = ownFolder(runtime.config.workFolder, 'verify')
  try {
    await using engine = await createEngine({
      memoryBytes: READER_MEMORY_BYTES,
      threads: settings.engineThreads,
      temporaryFolder: resolve(folder, 'engine'),
    })
    const path = resolve(folder, 'part.landed')
    const result = await verifyAgainst({
      engine,
      table: opened,
      snapshot,
      parts: view.rows(target.stream),
      land: async (part) => {
        checkComparable(target, part)
        const columns = userColumns(snapshot.schema)
        return decode.changeSql({
          segment: await landPart(part, path),
          columns,
          places: decode.columnPlaces(decode.matchColumns(columns, part.schema)),
          withMasks: false,
          deleteWhen: target.deleteWhen,
        })
      },
      sampleMax: options.sampleMax,
      ...(isBeyond && { position: view.position }),
    })
    // Equal is equal; a difference may only be what nobody has ingested yet.
    if (!isReached && result.missingRows + result.extraRows > 0n) {
      throw behind(target.table, view.position, cursor?.nextPosition ?? null)
    }
    return { result, isBeyond, position: view.position, version: snapshot.version }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A log of changes is not what an upsert makes of it. */
function checkComparable(target: TableTarget, part: BlockPart): void {
  if (target.mode === 'append' || part.format !== 'json-lines') return
  throw new SluiceError('SLU-CLI-8006', {
    message: `${target.stream} is a log of changes: only append tables equal it row for row`,
  })
}

function behind(table: string, position: bigint, reached: bigint | null): SluiceError {
  return new SluiceError('SLU-CLI-8007', {
    message: `${table} differs, but has not reached the position of the source it is compared at`,
    context: { position, reached },
  })
}

/** The first version that holds everything before `position`, or the newest when nobody goes on. */
async function waitForPosition(
  runtime: Runtime,
  settings: PipelineSettings,
  table: Table,
  options: CompareOptions & { readonly position: bigint },
): Promise<{ readonly snapshot: Snapshot; readonly isReached: boolean }> {
  const { clock, store } = runtime
  const { position } = options
  const { openPipelineLog } = await import('./ingest/index.ts')
  const startMs = clock.monotonicMs()
  for (;;) {
    const latest = await table.latest()
    const cursor = latest.cursors(settings.name)[0]?.cursor ?? null
    const { floors } = (await openPipelineLog(store, settings.name, clock.uuid())).notes
    const floor = floors.get(cursor?.split ?? '') ?? 0n
    const isComplete = cursor?.phase === 'stream'
    if (isComplete && cursor.nextPosition >= position) {
      const snapshot = await firstReaching(table, latest, settings.name, position)
      return { snapshot, isReached: true }
    }
    if (isComplete && floor >= position) return { snapshot: latest, isReached: true }
    const waitedMs = clock.monotonicMs() - startMs
    const isInVain = waitedMs > REACH_GRACE_MS && !options.isIngesting()
    if (isInVain || waitedMs > options.timeoutMs) return { snapshot: latest, isReached: false }
    await clock.sleep(REACH_INTERVAL_MS)
  }
}

/** Goes back from `latest` while the version before holds everything before `position` too. */
async function firstReaching(
  table: Table,
  latest: Snapshot,
  pipeline: string,
  position: bigint,
): Promise<Snapshot> {
  let first = latest
  while (first.version > 0n) {
    const before = await table.snapshot({ kind: 'version', version: first.version - 1n })
    const cursor = before.cursors(pipeline)[0]?.cursor
    if (cursor === undefined || cursor.phase === 'copy' || cursor.nextPosition < position) break
    first = before
  }
  return first
}
