/**
 * Checked values → the plain settings that rooms are built from; what must hold between settings.
 */

import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { PipelineSettings } from '../contracts/index.ts'
import { formatSizeBytes, type HostPort, suggestName, tableOfDeadLetters } from '../model/index.ts'
import { leastMemory, shareMemory } from './memory-shares.ts'
import type { ConfigProblem } from './problems.ts'
import { addProblem, type ResolveContext, type SourceContext } from './resolve-context.ts'
import {
  type CheckedConfig,
  type CheckedPipeline,
  type CheckedTuning,
  type SourceSpec,
  TUNING_DEFAULTS,
  TUNING_SCHEMA,
} from './spec.ts'
import { dropUndefined, overrideText, type ResolvedStreams, resolveStreams } from './streams.ts'
import { pathKey } from './tree.ts'
import { problemAt, validateAt } from './validate.ts'

/** Where the tables are. */
export interface StoreSettings {
  readonly kind: 'local'
  /** `file:///data/lake`. */
  readonly url: string
  /** The folder as an absolute path. */
  readonly folder: string
}

/** One source: the type names the connector, which knows the shape of `settings`. */
export interface SourceSettings {
  readonly name: string
  readonly type: string
  readonly settings: unknown
}

/** A configuration that is checked and complete. */
export interface Config {
  /** Absolute path of the file or folder. */
  readonly path: string
  /** Folder that relative paths in the configuration start from. */
  readonly baseFolder: string
  readonly name: string
  /** Folder for temporary and status files, absolute. */
  readonly workFolder: string
  readonly store: StoreSettings
  /** Where health and metrics are answered; null: nowhere. */
  readonly listen: HostPort | null
  readonly sources: readonly SourceSettings[]
  readonly pipelines: readonly PipelineSettings[]
}

/**
 * Builds the settings. Adds to `context.problems` what cannot be; the result is of use only
 * without problems.
 */
export function resolveConfig(checked: CheckedConfig, context: ResolveContext): Config {
  const sources = resolveSources(checked.sources, context)
  const defaults = mergeTuning(TUNING_SCHEMA.parse(TUNING_DEFAULTS), memoryOf(checked, context))
  const pipelines = checked.pipelines.map((pipeline, index) => {
    const type = sourceType(checked, pipeline, index, context)
    const settings = sources.find(({ name }) => name === pipeline.from)?.settings
    const traits = settings === undefined ? null : (type?.traits?.(settings) ?? null)
    const tuning = mergeTuning(defaults, checked.defaults ?? {}, pipeline)
    const streams = resolveStreams(pipeline, index, { type, traits, tuning }, context)
    return toPipeline(pipeline, streams, tuning, context.coreCount)
  })
  checkPipelineNames(checked, context)
  checkTables(checked, pipelines, context)
  return {
    path: context.path,
    baseFolder: context.baseFolder,
    name: checked.name ?? 'sluice',
    workFolder: resolve(context.baseFolder, checked.workFolder ?? '.sluice'),
    store: resolveStore(checked.store.url, context),
    listen: checked.server?.listen ?? null,
    sources,
    pipelines,
  }
}

function resolveStore(url: string, context: ResolveContext): StoreSettings {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase()
  let folder = resolve(context.baseFolder, url)
  if (scheme === 'file') {
    try {
      folder = fileURLToPath(url)
    } catch {
      addStoreProblem(context, 'SLU-CFG-1002', 'a file URL has an absolute path: file:///data/lake')
    }
  } else if (scheme !== undefined && !isAbsolute(url)) {
    const rule = `stores of kind ${scheme}:// are not supported yet`
    addStoreProblem(context, 'SLU-CFG-1005', rule)
  }
  return { kind: 'local', url: pathToFileURL(folder).href, folder }
}

function addStoreProblem(context: ResolveContext, code: ConfigProblem['code'], rule: string): void {
  const fix = 'write a folder of this machine, such as ./lake or file:///data/lake'
  context.problems.push(problemAt(context.tree, ['store', 'url'], { code, rule, fix }))
}

/**
 * Checks every source against the spec of its type; problems are appended to `context.problems`.
 */
export function resolveSources(
  sources: Readonly<Record<string, unknown>>,
  context: SourceContext,
): readonly SourceSettings[] {
  const known = context.specs.map((spec) => spec.type)
  const result: SourceSettings[] = []
  for (const [name, entry] of Object.entries(sources)) {
    const path = ['sources', name]
    if (!isRecord(entry)) continue
    const types = Object.keys(entry)
    const [type] = types
    if (type === undefined || types.length > 1) {
      const rule = 'a source has exactly one type'
      addProblem(context, path, rule, `write one of: ${known.join(', ')}`, 'SLU-CFG-1002', 'key')
      continue
    }
    const spec = context.specs.find((candidate) => candidate.type === type)
    if (spec === undefined) {
      const rule = `there is no type of source "${type}"`
      addProblem(context, [...path, type], rule, suggestName(type, known), 'SLU-CFG-1002', 'key')
      continue
    }
    const settings = validateAt(spec.schema, context.tree, [...path, type], entry[type])
    if (settings.kind === 'invalid') {
      context.problems.push(...settings.problems)
      continue
    }
    for (const { setting, problem, remedy } of spec.lint?.(settings.value) ?? []) {
      addProblem(context, [...path, type, setting], `"${setting}" ${problem}`, remedy)
    }
    result.push({ name, type, settings: settings.value })
  }
  return result
}

function sourceType(
  checked: CheckedConfig,
  pipeline: CheckedPipeline,
  index: number,
  context: ResolveContext,
): SourceSpec | null {
  const entry = checked.sources[pipeline.from]
  const path = ['pipelines', index, 'from']
  if (entry === undefined && context.tree.origins.has(pathKey(['sources', pipeline.from]))) {
    const sourcePath = ['sources', pipeline.from]
    const known = context.specs.map((spec) => `${spec.type}:`).join(' or ')
    const rule = `the source "${pipeline.from}" is empty`
    addProblem(context, sourcePath, rule, `write ${known} below it`, 'SLU-CFG-1002', 'key')
    return null
  }
  if (entry === undefined) {
    const rule = `there is no source "${pipeline.from}"`
    addProblem(context, path, rule, suggestName(pipeline.from, Object.keys(checked.sources)))
    return null
  }
  const [type] = Object.keys(entry)
  return context.specs.find((spec) => spec.type === type) ?? null
}

function mergeTuning(...layers: readonly CheckedTuning[]): CheckedTuning {
  let result: CheckedTuning = {}
  for (const layer of layers) {
    result = {
      ...result,
      ...dropUndefined(layer),
      commit: { ...result.commit, ...layer.commit },
      schema: { ...result.schema, ...dropUndefined(layer.schema ?? {}) },
      dlq: { ...result.dlq, ...dropUndefined(layer.dlq ?? {}) },
      index: { ...result.index, ...dropUndefined(layer.index ?? {}) },
    }
  }
  return result
}

/** What each pipeline may use: of what is set for all of the process, else of what there is. */
function memoryOf({ processMemory, pipelines }: CheckedConfig, context: ResolveContext) {
  const least = leastMemory(pipelines.length)
  if (processMemory !== undefined && processMemory < least) {
    const whose = pipelines.length === 1 ? 'a pipeline needs' : `${pipelines.length} pipelines need`
    const rule = `${whose} ${formatSizeBytes(least)} or more`
    addProblem(context, ['processMemory'], rule, `write ${formatSizeBytes(least)} or more`)
  }
  const share = shareMemory(processMemory ?? context.memoryBytes, pipelines.length)
  const { memory, index, inFlight } = TUNING_SCHEMA.parse(TUNING_DEFAULTS)
  const most = (bytes: number, byDefault = 0): number =>
    processMemory === undefined ? Math.min(bytes, byDefault) : bytes
  return {
    memory: most(share.engineBytes, memory),
    index: { memory: most(share.indexBytes, index?.memory) },
    inFlight: most(share.inFlightBytes, inFlight),
  }
}

/**
 * Threads of DuckDB when none are set: half of the cores. Up to three batches overlap, each with a
 * thread of its own that DuckDB's come on top of; more threads only wait for each other (measured
 * on two cores: one thread takes 20 to 28 % less CPU time than two, for upserts and appends).
 */
function defaultThreads(coreCount: number): number {
  return Math.max(1, Math.floor(coreCount / 2))
}

function toPipeline(
  pipeline: CheckedPipeline,
  streams: ResolvedStreams,
  tuning: CheckedTuning,
  coreCount: number,
): PipelineSettings {
  const { commit, index } = tuning
  return {
    name: pipeline.name,
    source: pipeline.from,
    ...streams,
    commit: {
      intervalMs: commit?.every ?? 0,
      rowsMax: commit?.maxRows ?? 0,
      bytesMax: commit?.maxBytes ?? 0,
      partRowsMax: commit?.partRows ?? 0,
      partBytesMax: commit?.partBytes ?? 0,
    },
    engineMemoryBytes: tuning.memory ?? 0,
    index: { memoryBytes: index?.memory ?? 0, spill: index?.spill ?? 'disk' },
    engineThreads: tuning.threads ?? defaultThreads(coreCount),
    inFlightBytesMax: tuning.inFlight ?? 0,
    tombstoneTtlMs: tuning.tombstones ?? 0,
    compressionLevel: tuning.compression ?? 0,
  }
}

function checkPipelineNames(checked: CheckedConfig, context: ResolveContext): void {
  const seen = new Set<string>()
  for (const [index, { name }] of checked.pipelines.entries()) {
    const path = ['pipelines', index, 'name']
    if (seen.has(name)) addProblem(context, path, 'two pipelines have this name', 'rename one')
    seen.add(name)
  }
}

/**
 * Two streams must not meet in one table, nor a table lie inside another; case does not make names
 * differ.
 */
function checkTables(
  checked: CheckedConfig,
  pipelines: readonly PipelineSettings[],
  context: ResolveContext,
): void {
  const taken = new Map<string, string>()
  for (const [index, pipeline] of pipelines.entries()) {
    for (const target of pipeline.targets) {
      const root = target.root.toLowerCase()
      const position = checked.pipelines[index]?.tables.indexOf(target.stream) ?? 0
      const path = ['pipelines', index, 'tables', position]
      if (tableOfDeadLetters(root) !== null) {
        const rule = `the name "${target.table}" is kept for dead letters`
        addProblem(context, path, rule, `set overrides["${target.stream}"].table`)
      }
      for (const [other, stream] of taken) {
        const same = other === root
        if (!same && !other.startsWith(`${root}/`) && !root.startsWith(`${other}/`)) continue
        const rule = same
          ? `table "${target.table}" is written by ${stream} already (case does not count)`
          : `table "${target.table}" and the one of ${stream} would lie inside each other`
        const fix = `give it another name: ${overrideText(target.stream)}, or a namespace`
        addProblem(context, path, rule, fix)
      }
      taken.set(root, target.stream)
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
