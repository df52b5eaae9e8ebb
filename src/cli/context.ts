/** What every command is given, and the look-ups that several share. */

import type { Runtime } from '../compose.ts'
import type { Config } from '../config/index.ts'
import type {
  PipelineSettings,
  Snapshot,
  SnapshotAt,
  Table,
  TableTarget,
  WriteMode,
} from '../contracts/index.ts'
import {
  deadLettersOf,
  microsFromMs,
  nearestName,
  SluiceError,
  tableOfDeadLetters,
} from '../model/index.ts'
import type { Metrics } from '../observe/index.ts'
import type { Host } from './host.ts'
import type { Output } from './output.ts'

/** Surroundings of one command. */
export interface VerbContext {
  readonly host: Host
  readonly output: Output
  /** The configuration, found and checked. Throws SLU-CFG-*. */
  loadConfig(): Promise<Config>
  /**
   * Opens the parts behind the configuration; the caller disposes them. Log lines go to stderr or
   * to `onLog`. `change` makes of the configuration what this command runs with.
   */
  openRuntime(onLog?: (line: string) => void, change?: (config: Config) => Config): Promise<Runtime>
  /** What the parts of the runtime count. */
  readonly metrics: Metrics
  /** What --config names. */
  readonly givenConfig: string | null
  /** Puts a question to the person at the terminal; null where nobody may be asked. */
  readonly ask: ((question: string) => Promise<string>) | null
  /** Path of the configuration, not read yet. Throws SLU-CFG-1006. */
  configPath(): Promise<string>
}

/** A table of the configuration and the pipeline that writes it. */
export interface FoundTable {
  readonly pipeline: PipelineSettings
  readonly target: TableTarget
  /** Type of the pipeline's source. */
  readonly sourceType: string | null
}

/** All tables of the configuration, in its order. */
export function listTables(config: Config): readonly FoundTable[] {
  return config.pipelines.flatMap((pipeline) => {
    const source = config.sources.find((candidate) => candidate.name === pipeline.source)
    const sourceType = source?.type ?? null
    return pipeline.targets.map((target) => ({ pipeline, target, sourceType }))
  })
}

/**
 * The table of that name; its last part is enough when only one table has it. Throws SLU-CLI-8002.
 */
export function findTable(config: Config, name: string): FoundTable {
  const all = listTables(config)
  const exact = all.find(({ target }) => target.table === name)
  if (exact !== undefined) return exact
  const of = tableOfDeadLetters(name)
  if (of !== null) return deadLetterTable(findTable(config, of))
  const wanted = name.toLowerCase()
  const near = all.filter(({ target }) => {
    const table = target.table.toLowerCase()
    return table === wanted || table.endsWith(`.${wanted}`)
  })
  if (near.length === 1 && near[0] !== undefined) return near[0]
  const known = all.map(({ target }) => target.table)
  throw new SluiceError('SLU-CLI-8002', {
    message: `there is no table "${name}"`,
    remedy: suggest(name, known, 'tables'),
  })
}

/** The dead-letter table of a table, which may not be there. */
export function deadLetterTable(found: FoundTable): FoundTable {
  const { isModeOpen: _, ...target } = found.target
  const table = deadLettersOf(target.table)
  const root = deadLettersOf(target.root)
  return { ...found, target: { ...target, table, root, mode: 'append' } }
}

/** The pipeline of that name, or all when none is given. Throws SLU-CLI-8003. */
export function findPipelines(config: Config, name: string | null): readonly PipelineSettings[] {
  if (name === null) return config.pipelines
  const found = config.pipelines.filter((pipeline) => pipeline.name === name)
  if (found.length > 0) return found
  throw new SluiceError('SLU-CLI-8003', {
    message: `there is no pipeline "${name}"`,
    remedy: suggest(
      name,
      config.pipelines.map((pipeline) => pipeline.name),
      'pipelines',
    ),
  })
}

/** Opens the table behind a name. Throws SLU-CLI-8004 when nothing was committed yet. */
export async function openTable(runtime: Runtime, found: FoundTable): Promise<Table> {
  const table = await runtime.format.open(found.target.root)
  if (table !== null) return table
  throw new SluiceError('SLU-CLI-8004', {
    message: `table "${found.target.table}" holds nothing yet`,
    remedy: `Start its pipeline: sluice run ${found.pipeline.name}`,
    context: { table: found.target.table, store: runtime.store.url },
  })
}

/** Text of a version number → bigint. Throws SLU-CLI-8001. */
export function parseVersion(text: string, what: string): bigint {
  if (/^\d{1,19}$/.test(text)) return BigInt(text)
  throw new SluiceError('SLU-CLI-8001', {
    message: `${what} must be a version number, not "${text}"`,
    remedy: '`sluice timeline TABLE` lists the versions.',
  })
}

/**
 * A version, or a time as ISO-8601 has it; without a zone it is UTC. Throws SLU-CLI-8001.
 */
export function parseMoment(text: string, what: string): SnapshotAt {
  if (/^\d{1,19}$/.test(text)) return { kind: 'version', version: BigInt(text) }
  const isDay = text.length === 10
  const hasZone = /(Z|[+-]\d{2}:?\d{2})$/i.test(text)
  const isTime = /^\d{4}-\d{2}-\d{2}([T ]|$)/.test(text)
  const ms = isTime ? Date.parse(isDay || hasZone ? text : `${text}Z`) : Number.NaN
  if (!Number.isNaN(ms)) return { kind: 'timestamp', micros: microsFromMs(ms) }
  throw new SluiceError('SLU-CLI-8001', {
    message: `${what} must be a version or a time, not "${text}"`,
    remedy: 'Write a version (`sluice timeline TABLE` lists them) or 2026-01-31T12:00:00Z.',
  })
}

/** The table at the version of that text; the newest without. Throws SLU-CLI-8001, SLU-TAB-3003. */
export async function snapshotAt(table: Table, text: string | undefined): Promise<Snapshot> {
  if (text === undefined) return table.latest()
  return table.snapshot({ kind: 'version', version: parseVersion(text, 'the version') })
}

function suggest(name: string, known: readonly string[], what: string): string {
  const nearest = nearestName(name, known)
  const list = `The configuration has the ${what}: ${known.join(', ')}.`
  return nearest === null ? list : `Did you mean "${nearest}"? ${list}`
}

/** The mode as it holds for the table: a table without key is appended to when nobody chose. */
export function modeOf({ target }: FoundTable, snapshot: Snapshot | null): WriteMode {
  return target.isModeOpen && snapshot?.schema.key.length === 0 ? 'append' : target.mode
}
