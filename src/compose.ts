/**
 * From checked settings to working parts: the only file that names concrete connectors, formats
 * and stores.
 * Comes in: a `Config`. Goes out: a `Runtime` whose parts open when they are asked for.
 * Must never: decide what a setting means, or load DuckDB or a driver for a command that does not
 * need it.
 */

import { basename, dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FilesSettings } from '../connectors/files/index.ts'
import type { KafkaSettings } from '../connectors/kafka/index.ts'
import type { PostgresSettings } from '../connectors/postgres/index.ts'
import { type Config, ownFolder, type SourceSettings, type SourceSpec } from './config/index.ts'
import type {
  Clock,
  ObjectStore,
  ParquetPort,
  PipelineSettings,
  PipelineStatus,
  Source,
  SourceContext,
  Table,
  TableFormat,
  TableTarget,
  Telemetry,
} from './contracts/index.ts'
import type { Engine } from './engine/index.ts'
import type { FailpointName, Pipeline, RunEnd } from './ingest/index.ts'
import { deadLettersOf, SluiceError } from './model/index.ts'
import { writeStatus } from './observe/index.ts'
import type { Reader } from './read/index.ts'

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
  openSource(pipeline: Pick<PipelineSettings, 'name' | 'source'>): Promise<Source>
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
  const [{ POSTGRES_SPEC, lintPostgresSettings }, { filesSpec }, { kafkaSpec }] = await Promise.all(
    [
      import('../connectors/postgres/index.ts'),
      import('../connectors/files/index.ts'),
      import('../connectors/kafka/index.ts'),
    ],
  )
  const lint = (settings: unknown) => lintPostgresSettings(settings as PostgresSettings)
  return [{ ...POSTGRES_SPEC, lint }, filesSpec, kafkaSpec]
}

/** Opens the store and the format; everything else opens on demand. Throws SLU-STO-*. */
export async function openRuntime(given: Config, options: RuntimeOptions): Promise<Runtime> {
  const { createLocalObjectStore } = await import('../table-format/object-store/index.ts')
  const { clock, telemetry } = options
  const store = await createLocalObjectStore(given.store.folder, clock)
  const config = await withKnownStreams(given, store)
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
        parquet,
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

/** Patterns have no tables; the logs of the pipelines tell which they came to. */
async function withKnownStreams(config: Config, store: ObjectStore): Promise<Config> {
  if (config.pipelines.every(({ selection }) => selection === null)) return config
  const { withKnownTargets } = await import('./ingest/index.ts')
  const pipelines = config.pipelines.map((settings) => withKnownTargets(settings, store))
  return { ...config, pipelines: await Promise.all(pipelines) }
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
    describe: async (path) => (await opened()).describe(path),
    [Symbol.asyncDispose]: async () => {
      await (await engine)?.[Symbol.asyncDispose]()
    },
  }
}

/** A source by itself, without store and tables; the caller closes it. */
export async function openSource(
  config: Config,
  pipeline: Pick<PipelineSettings, 'source'>,
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
    case 'kafka': {
      const { createKafkaSource } = await import('../connectors/kafka/index.ts')
      return createKafkaSource(settings as KafkaSettings, context)
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

/** A table and, where records go there, its dead-letter table. */
function withDeadLetters({ table, root, rejects }: TableTarget): readonly TableName[] {
  const dead = { table: deadLettersOf(table), root: deadLettersOf(root) }
  return rejects?.onError === 'dlq' ? [{ table, root }, dead] : [{ table, root }]
}

type TableName = Pick<TableTarget, 'table' | 'root'>

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
      const tables = targets.flatMap(withDeadLetters)
      const begun = await Promise.all(tables.map(({ root }) => hasLog(store, root)))
      return tables.filter((_, index) => begun[index]).map(({ table }) => table)
    },
    byName: async (name: string) => {
      const target = targets.find((candidate) => candidate.table === name)
      if (target !== undefined) return byRoot(target.root)
      const of = targets.find(({ table }) => deadLettersOf(table) === name)
      return of === undefined ? null : byRoot(deadLettersOf(of.root))
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
