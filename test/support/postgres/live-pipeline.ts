/** A whole pipeline over a real Postgres, in this process: configuration text in, tables out. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compareWithSource } from '../../../src/compare.ts'
import { openRuntime, type Runtime, sourceSpecs } from '../../../src/compose.ts'
import { loadConfig } from '../../../src/config/index.ts'
import type {
  LogFields,
  PipelineSettings,
  PipelineStatus,
  TableStatus,
  Telemetry,
} from '../../../src/contracts/index.ts'
import { createSystemClock } from '../../../src/observe/system-clock.ts'

/** How often the status is looked at; nothing depends on it. */
const POLL_MS = 5
const clock = createSystemClock()

/** A folder with a configuration, whose pipeline can be run again and again. */
export interface LivePipeline extends AsyncDisposable {
  /** Log lines of level warn and above, as `code or message`. */
  readonly warned: string[]
  /** Begins a life. */
  start(): Promise<PipelineLife>
  /** Writes the configuration anew; counts from the next start. */
  configure(pipeline: string, source?: string): void
  /** Compares a table with its source; how many rows differ. */
  differences(table: string): Promise<bigint>
  runtime(): Promise<Runtime>
}

/** One life of a pipeline. */
export interface PipelineLife {
  status(): PipelineStatus
  /** Waits until the condition holds; throws what ended the pipeline. */
  reach(isReached: (status: PipelineStatus) => boolean): Promise<void>
  /** The table of that name in the status. */
  table(name: string): TableStatus | undefined
  /** Everything that is committed in Postgres now is in every table then. */
  catchUp(position: bigint): Promise<void>
  drain(): Promise<void>
  /** The error that ended the pipeline. */
  failure(): Promise<unknown>
}

/** Makes the folder; the settings of pipeline, source and commits are YAML for within braces. */
export function createLivePipeline(
  url: string,
  pipeline: string,
  source = '',
  commit = 'every: 100ms',
): LivePipeline {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-live-'))
  const path = join(folder, 'sluice.yaml')
  const warned: string[] = []
  const telemetry: Telemetry = {
    log: (level, message, fields?: LogFields) => {
      if (level === 'warn' || level === 'error') warned.push(String(fields?.code ?? message))
    },
    count: () => undefined,
    gauge: () => undefined,
    observe: () => undefined,
  }
  const configure: LivePipeline['configure'] = (text, more = '') => {
    writeFileSync(
      path,
      `apiVersion: v1
store: { url: ./lake }
sources: { pg: { postgres: { url: '${url}', ${more} } } }
pipelines: [{ name: live, from: pg, commit: { ${commit} }, ${text} }]
`,
    )
  }
  configure(pipeline, source)
  const runtime = async (): Promise<Runtime> =>
    openRuntime(loadConfig(path, await sourceSpecs()), { clock, telemetry, readerThreads: 1 })
  return {
    warned,
    configure,
    runtime,
    start: async () => startLife(await runtime()),
    differences: async (name) => {
      await using opened = await runtime()
      const settings = opened.config.pipelines[0] as PipelineSettings
      const target = settings.targets.find(({ table }) => table === name)
      if (target === undefined) throw new Error(`no table ${name}`)
      const options = { sampleMax: 5, timeoutMs: 60_000, isIngesting: () => true }
      const { result } = await compareWithSource(opened, settings, target, options)
      return result.missingRows + result.extraRows
    },
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  }
}

async function startLife(runtime: Runtime): Promise<PipelineLife> {
  const settings = runtime.config.pipelines[0] as PipelineSettings
  const source = await runtime.openSource(settings)
  const pipeline = await runtime.openPipeline(settings, source)
  const stop = new AbortController()
  const running = pipeline.run(stop.signal)
  let failure: unknown = null
  running.catch((error: unknown) => {
    failure = error
  })
  const end = async (): Promise<void> => {
    await source[Symbol.asyncDispose]()
    await runtime[Symbol.asyncDispose]()
  }
  const reach: PipelineLife['reach'] = async (isReached) => {
    while (!isReached(pipeline.status())) {
      if (failure !== null) throw failure
      await clock.sleep(POLL_MS)
    }
  }
  return {
    status: () => pipeline.status(),
    table: (name) => pipeline.status().tables.find(({ table }) => table === name),
    reach,
    catchUp: (position) => reach(({ splits: [slot] }) => (slot?.floorPosition ?? 0n) >= position),
    drain: async () => {
      stop.abort()
      await running
      await end()
    },
    failure: async () => {
      const thrown = await running.then(
        () => null,
        (error: unknown) => error,
      )
      await end()
      return thrown
    },
  }
}
