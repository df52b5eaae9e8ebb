/** `sluice run [PIPELINE]` and `sluice dev`: the pipelines of the configuration, until Ctrl-C. */

import type { DeathWish, Runtime } from '../../compose.ts'
import type { Config } from '../../config/index.ts'
import type { PipelineStatus } from '../../contracts/index.ts'
import { formatDurationMs, type HostPort, parseHostPort, SluiceError } from '../../model/index.ts'
import type { Service, ServiceFacts } from '../../service/index.ts'
import { findPipelines, type VerbContext } from '../context.ts'
import { errorText } from '../errors.ts'
import { countText } from '../format.ts'
import { createLiveView, type LiveView } from '../live-view.ts'
import { exitCodeOfEnds, type PipelineEnd, runPipelines } from '../run-pipelines.ts'

/** Options of the two commands. */
export interface RunVerbOptions {
  readonly once?: boolean
  /** Show the live lines: `dev` always, `run` on a terminal. */
  readonly showsLive: boolean
  readonly death: DeathWish | null
  /** Overrides the setting of every Postgres source for this run. */
  readonly onSlotLost?: string
  /** Where to answer health and metrics; overrides the setting. */
  readonly listen?: string
}

/**
 * Runs until the source ends, `once` has caught up, or a signal drains: the open batch is
 * committed, then exit 0.
 * A second signal ends at once; nothing is lost, the next start goes on from the last commit.
 */
export async function runVerb(
  context: VerbContext,
  name: string | undefined,
  options: RunVerbOptions,
): Promise<number> {
  const { host, output } = context
  const config = await context.loadConfig()
  const pipelines = findPipelines(config, name ?? null)
  const signal = host.interrupts.drain()
  const mode = output.isQuiet
    ? 'quiet'
    : output.isLive
      ? 'live'
      : options.showsLive
        ? 'lines'
        : 'quiet'
  const view = createLiveView(host.stderr, host.clock, mode)
  await using runtime = await context.openRuntime(
    (line) => view.above(line),
    (loaded) => withOnSlotLost(loaded, options.onSlotLost),
  )
  await runtime.probeStore()
  const statuses = new Map<string, PipelineStatus>()
  await using service = await listen(context, addressOf(runtime.config, options), {
    pipelines: pipelines.map((pipeline) => pipeline.name),
    statuses: () => [...statuses.values()],
  })
  greet(context, runtime, view)
  if (service !== null) {
    runtime.telemetry.log('info', 'answers health and metrics', { url: service.url })
  }
  signal.addEventListener('abort', () =>
    view.above('draining: the open batch is committed, then it ends (again: end at once)\n'),
  )
  const startedMs = host.clock.monotonicMs()
  const ends = await runPipelines({
    runtime,
    pipelines,
    signal,
    once: options.once === true,
    onStatus: (status: PipelineStatus) => {
      statuses.set(status.pipeline, status)
      view.show(status)
    },
    ...(options.death && { death: options.death }),
  })
  view.end()
  report(context, ends, host.clock.monotonicMs() - startedMs)
  return exitCodeOfEnds(ends)
}

function withOnSlotLost(config: Config, onSlotLost: string | undefined): Config {
  if (onSlotLost === undefined) return config
  const sources = config.sources.map((source) =>
    source.type === 'postgres'
      ? { ...source, settings: { ...(source.settings as object), onSlotLost } }
      : source,
  )
  return { ...config, sources }
}

/** The option wins. Throws SLU-CLI-8001 when it is no address. */
function addressOf(config: Config, { listen: given }: RunVerbOptions): HostPort | null {
  if (given === undefined) return config.listen
  const address = parseHostPort(given)
  if (address !== null) return address
  throw new SluiceError('SLU-CLI-8001', {
    message: `--listen must be an address, not "${given}"`,
    remedy: 'Write a host and a port: 127.0.0.1:9464, [::1]:9464, or 9464 for this machine only.',
  })
}

/** Before a pipeline starts: an address that is taken ends the command with nothing begun. */
async function listen(
  { host, metrics }: VerbContext,
  address: HostPort | null,
  facts: Pick<ServiceFacts, 'pipelines' | 'statuses'>,
): Promise<Service | null> {
  if (address === null) return null
  const [{ startService }, { packageVersion }] = await Promise.all([
    import('../../service/index.ts'),
    import('./version.ts'),
  ])
  const version = packageVersion()
  return startService(address, { ...facts, metrics, version, usage: () => host.usage() })
}

function greet({ host, output }: VerbContext, runtime: Runtime, view: LiveView): void {
  if (output.isQuiet || output.isJson || !output.isLive) return
  const { config, store } = runtime
  const tables = config.pipelines.flatMap((pipeline) => pipeline.targets)
  const counts = `${config.pipelines.length} pipelines, ${tables.length} tables`
  const query = `select count(*) from ${tables[0]?.table ?? 't'}`
  view.above(
    [
      `${config.name}: ${counts} → ${store.url} (pid ${host.processId})`,
      `in another terminal: sluice status · sluice sql "${query}"`,
      'Ctrl-C ends it after the open batch is committed',
      '',
      '',
    ].join('\n'),
  )
}

function report({ host, output }: VerbContext, ends: readonly PipelineEnd[], tookMs: number): void {
  output.document('run', {
    tookMs: Math.round(tookMs),
    pipelines: ends.map(({ pipeline, end, error, status }) => ({
      pipeline,
      end,
      error:
        error === null ? null : { code: error.code, message: error.message, remedy: error.remedy },
      commits: status?.commits ?? 0,
      recordsRead: status?.recordsRead ?? 0,
      splits: status?.splits ?? [],
    })),
  })
  for (const { pipeline, end, error, status } of ends) {
    if (error !== null) {
      if (!output.isJson) {
        host.stderr.write(`${pipeline} stopped\n`)
        host.stderr.write(errorText(error, { isVerbose: output.isVerbose }))
      }
      continue
    }
    const read = countText(status?.recordsRead ?? 0)
    const commits = countText(status?.commits ?? 0)
    const took = formatDurationMs(tookMs)
    const what = end === 'drained' ? 'drained' : 'the source has ended'
    output.note(`${pipeline}: ${what}; ${read} records read in ${commits} commits, ${took}`)
  }
}
