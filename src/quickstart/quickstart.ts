/**
 * `sluice quickstart`: Postgres, shop, traffic, pipeline and picture, from one start to one end.
 */

import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { openRuntime, runPipeline, sourceSpecs } from '../compose.ts'
import { type Config, loadConfig } from '../config/index.ts'
import type { Clock, PipelineStatus, Telemetry } from '../contracts/index.ts'
import { assert, wrapError } from '../model/index.ts'
import { createTelemetry } from '../observe/index.ts'
import { createScreen, type ScreenStream } from './display.ts'
import { startEmbeddedPostgres } from './embedded-postgres.ts'
import { createShop, DEFAULT_SHOP_SIZE, SHOP_TABLES } from './shop-schema.ts'
import { startShopTraffic } from './shop-traffic.ts'

/** What the demo is started with. */
export interface QuickstartOptions {
  /** The demo lives in `.sluice/quickstart` below this folder. */
  readonly folder: string
  /** Aborting ends it clean: the traffic stops, the pipeline drains, Postgres shuts down. */
  readonly signal: AbortSignal
  readonly output: ScreenStream
  readonly clock: Clock
  /** Shown to the user as the process to kill. */
  readonly processId: number
  /** Default 40. */
  readonly transactionsPerSecond?: number
}

const TRANSACTIONS_PER_SECOND = 40
const DATABASE = 'shop'
const READER_THREADS = 2

/**
 * Runs the demo until the signal aborts. A second start on the folder goes on where the first one
 * was,
 * however it ended. Throws SLU-SRC-1290, SLU-SRC-1291 and what stops a pipeline.
 */
export async function runQuickstart(options: QuickstartOptions): Promise<void> {
  const { clock, output } = options
  const folder = path.join(options.folder, '.sluice', 'quickstart')
  const telemetry = openLog(folder, clock)
  output.write(`Starting a private Postgres 18 in ${path.join(folder, 'postgres')}\n`)
  await using postgres = await startEmbeddedPostgres({
    folder: path.join(folder, 'postgres'),
    clock,
    database: DATABASE,
    telemetry,
  })
  const isNew = await prepareShop(postgres.url)
  output.write(`${isNew ? 'Created the shop' : 'Found the shop of an earlier run'}\n\n`)
  const config = loadConfig(writeConfig(folder, postgres.url), await sourceSpecs())

  const ending = new AbortController()
  const signal = AbortSignal.any([options.signal, ending.signal])
  const traffic = await startShopTraffic({
    url: postgres.url,
    clock,
    signal,
    transactionsPerSecond: options.transactionsPerSecond ?? TRANSACTIONS_PER_SECOND,
  })
  const screen = createScreen(output, clock)
  const show = (status: PipelineStatus): void =>
    screen.show({
      folder: path.relative(options.folder, folder) || folder,
      sourceAddress: `127.0.0.1:${postgres.port}`,
      transactions: traffic.counts().transactions,
      status,
      processId: options.processId,
    })
  const pipeline = runShopPipeline(config, { clock, telemetry, signal, show })
  // Whichever fails first ends the other one too, and its error is the one that is told.
  await Promise.all([pipeline, traffic.done].map((part) => part.finally(() => ending.abort())))
    .catch(async (error: unknown) => {
      await Promise.allSettled([pipeline, traffic.done])
      throw error
    })
    .finally(() => screen.end())
  output.write('Stopped. The same command goes on where this run was.\n')
}

interface PipelineSurroundings {
  readonly clock: Clock
  readonly telemetry: Telemetry
  readonly signal: AbortSignal
  readonly show: (status: PipelineStatus) => void
}

async function runShopPipeline(
  config: Config,
  { clock, telemetry, signal, show }: PipelineSurroundings,
): Promise<void> {
  await using runtime = await openRuntime(config, {
    clock,
    telemetry,
    readerThreads: READER_THREADS,
  })
  const [settings] = config.pipelines
  assert(settings !== undefined, 'SLU-BUG-9001', 'the quickstart has no pipeline')
  await runPipeline(runtime, settings, { signal, onStatus: show })
}

async function prepareShop(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, application_name: 'shop' })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await createShop(client, DEFAULT_SHOP_SIZE)
  } catch (error) {
    throw wrapError(error, 'SLU-SRC-1200', 'the shop could not be created')
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** Written at each start: the port may be another one. */
function writeConfig(folder: string, url: string): string {
  const file = path.join(folder, 'sluice.yaml')
  const tables = SHOP_TABLES.map((table) => `public.${table}`).join(', ')
  const lines = [
    '# Written by `sluice quickstart` at each start.',
    'apiVersion: v1',
    'name: quickstart',
    'store:',
    '  url: ./lake',
    'workFolder: ./work',
    'sources:',
    '  shop:',
    '    postgres:',
    `      url: ${JSON.stringify(url)}`,
    'pipelines:',
    '  - name: shop',
    '    from: shop',
    `    tables: [${tables}]`,
    '    commit: { every: 1s }',
    '    memory: 256MiB',
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}

/**
 * Log lines would tear the picture apart, so they go to a file that begins anew with each start.
 */
function openLog(folder: string, clock: Clock): Telemetry {
  const file = path.join(folder, 'sluice.log')
  try {
    mkdirSync(folder, { recursive: true })
    writeFileSync(file, '')
  } catch (error) {
    throw wrapError(error, 'SLU-STO-2001', `cannot write ${folder}`)
  }
  const stream = { write: (text: string) => appendFileSync(file, text) }
  return createTelemetry({ level: 'info', format: 'text', stream, clock })
}
