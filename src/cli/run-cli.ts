/** One command from arguments to exit code. */

import type { Config } from '../config/index.ts'
import { SluiceError } from '../model/index.ts'
import { createMetrics, createTelemetry, isLogLevel } from '../observe/index.ts'
import { completeWords } from './complete.ts'
import { listTables, type VerbContext } from './context.ts'
import { asSluiceError, errorDocument, errorText } from './errors.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import type { Host } from './host.ts'
import { createOutput, type GlobalOptions, type Output } from './output.ts'
import { asksForJson, parseArguments } from './program.ts'
import { COMPLETE_COMMAND } from './verb-spec.ts'

/** Threads of the DuckDB that answers a query. */
const READER_THREADS = 4

/** Runs the command; every error that ends it is printed here and nowhere else. */
export async function runCli(args: readonly string[], host: Host): Promise<number> {
  let isVerbose = args.includes('--verbose') || args.includes('-v')
  try {
    if (args[0] === COMPLETE_COMMAND) return await complete(args.slice(1), host)
    const request = await parseArguments(args, host.stdout)
    if (request.kind === 'done') return EXIT.ok
    isVerbose = request.globals.verbose === true
    const { verb, parsed, globals } = request
    return await verb.run(createContext(host, globals, verb.usage), parsed)
  } catch (thrown) {
    const error = asSluiceError(thrown)
    host.stderr.write(asksForJson(args) ? errorDocument(error) : errorText(error, { isVerbose }))
    return exitCodeOf(error)
  }
}

/** Never fails: a shell has no use for an error in the middle of a word. */
async function complete(words: readonly string[], host: Host): Promise<number> {
  const found = await completeWords(words, async (config) => {
    const context = createContext(host, config === null ? {} : { config }, COMPLETE_COMMAND)
    const loaded = await context.loadConfig().catch(() => null)
    if (loaded === null) return { pipelines: [], tables: [], sources: [] }
    return {
      pipelines: loaded.pipelines.map(({ name }) => name),
      sources: loaded.sources.map(({ name }) => name),
      tables: listTables(loaded).map(({ target }) => target.table),
    }
  })
  const lines = found.map(([word, meaning]) => (meaning === '' ? word : `${word}\t${meaning}`))
  host.stdout.write(lines.map((line) => `${line}\n`).join(''))
  return EXIT.ok
}

function createContext(host: Host, globals: GlobalOptions, usage: string): VerbContext {
  const output = createOutput(host, globals)
  let config: Promise<Config> | null = null
  const configPath = async (): Promise<string> => {
    const { findConfig } = await import('../config/index.ts')
    const path = findConfig(globals.config ?? null, host.folder)
    if (path !== null) return path
    throw new SluiceError('SLU-CFG-1006', {
      message: `there is no sluice.yaml in ${host.folder}, and --config names none`,
    })
  }
  const load = async (): Promise<Config> => {
    const [{ sourceSpecs }, { loadConfig }] = await Promise.all([
      import('../compose.ts'),
      import('../config/index.ts'),
    ])
    return loadConfig(await configPath(), await sourceSpecs())
  }
  const loadOnce = (): Promise<Config> => {
    config ??= load()
    return config
  }
  const isLong = /^(run|dev)\b/.test(usage)
  const metrics = createMetrics()
  const level = logLevel(host.environment.logLevel, output, isLong)
  const openRuntimeOnce: VerbContext['openRuntime'] = async (onLog, change) => {
    const stream = onLog === undefined ? host.stderr : { write: onLog }
    const format = host.stderr.isTTY === true ? 'text' : 'json'
    const telemetry = createTelemetry({ level, format, stream, clock: host.clock, metrics })
    const readerThreads = READER_THREADS
    const [config, { openRuntime }] = await Promise.all([loadOnce(), import('../compose.ts')])
    return openRuntime(change?.(config) ?? config, { clock: host.clock, telemetry, readerThreads })
  }
  return {
    host,
    output,
    givenConfig: globals.config ?? null,
    metrics,
    ask: globals.input === false || output.isJson ? null : host.ask,
    configPath,
    loadConfig: loadOnce,
    openRuntime: openRuntimeOnce,
  }
}

/** SLUICE_LOG_LEVEL wins, then --verbose and --quiet; commands that run for long tell more. */
function logLevel(named: string | null, output: Output, isLong: boolean) {
  if (named !== null) {
    if (isLogLevel(named)) return named
    throw new SluiceError('SLU-CLI-8001', {
      message: `SLUICE_LOG_LEVEL=${named} is no level`,
      remedy: 'Set it to debug, info, warn, error or silent.',
    })
  }
  if (output.isVerbose) return 'debug'
  if (output.isQuiet) return 'error'
  return isLong ? 'info' : 'warn'
}
