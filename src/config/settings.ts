/**
 * Checked values → the plain settings that rooms are built from; what must hold between settings.
 */

import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { PipelineSettings, SchemaPolicies, TableTarget } from '../contracts/index.ts'
import { suggestName } from '../model/index.ts'
import type { ConfigProblem } from './problems.ts'
import {
  type CheckedConfig,
  type CheckedPipeline,
  type CheckedTuning,
  type SourceSpec,
  TABLE_PATTERN,
  TUNING_DEFAULTS,
  TUNING_SCHEMA,
} from './spec.ts'
import type { ConfigTree, SettingPath } from './tree.ts'
import { isUnknown, problemAt, validateAt } from './validate.ts'

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
  readonly sources: readonly SourceSettings[]
  readonly pipelines: readonly PipelineSettings[]
}

/** What the check of sources needs beside the values. */
export interface SourceContext {
  readonly specs: readonly SourceSpec[]
  readonly tree: ConfigTree
  /** Problems are appended here. */
  readonly problems: ConfigProblem[]
}

/** What resolution needs beside the values. */
export interface ResolveContext extends SourceContext {
  readonly path: string
  readonly baseFolder: string
  readonly coreCount: number
}

/**
 * Builds the settings. Adds to `context.problems` what cannot be; the result is of use only
 * without problems.
 */
export function resolveConfig(checked: CheckedConfig, context: ResolveContext): Config {
  const sources = resolveSources(checked.sources, context)
  const defaults = TUNING_SCHEMA.parse(TUNING_DEFAULTS)
  const pipelines = checked.pipelines.map((pipeline, index) => {
    checkStreams(pipeline, index, context)
    const type = sourceType(checked, pipeline, index, context)
    const tuning = mergeTuning(defaults, checked.defaults ?? {}, pipeline)
    const targets = resolveTargets(pipeline, index, { type, tuning }, context)
    return toPipeline(pipeline, targets, tuning, context.coreCount)
  })
  checkPipelineNames(checked, context)
  checkTables(pipelines, context)
  return {
    path: context.path,
    baseFolder: context.baseFolder,
    name: checked.name ?? 'sluice',
    workFolder: resolve(context.baseFolder, checked.workFolder ?? '.sluice'),
    store: resolveStore(checked.store.url, context),
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
  if (entry === undefined) {
    const rule = `there is no source "${pipeline.from}"`
    addProblem(context, path, rule, suggestName(pipeline.from, Object.keys(checked.sources)))
    return null
  }
  const [type] = Object.keys(entry)
  return context.specs.find((spec) => spec.type === type) ?? null
}

function checkStreams(pipeline: CheckedPipeline, index: number, context: ResolveContext): void {
  const seen = new Set<string>()
  for (const [position, stream] of pipeline.tables.entries()) {
    const path = ['pipelines', index, 'tables', position]
    if (seen.has(stream)) {
      addProblem(context, path, 'the stream is in this list twice', 'remove one')
    }
    if (isPattern(stream)) {
      const rule = 'patterns are not supported yet'
      addProblem(context, path, rule, 'name each stream', 'SLU-CFG-1005')
    }
    seen.add(stream)
  }
  for (const stream of Object.keys(pipeline.overrides ?? {})) {
    if (seen.has(stream)) continue
    const path = ['pipelines', index, 'overrides', stream]
    const rule = `"${stream}" is not among the tables of this pipeline`
    addProblem(context, path, rule, suggestName(stream, [...seen]), 'SLU-CFG-1004', 'key')
  }
  if (pipeline.to?.table !== undefined && pipeline.tables.length > 1) {
    const path = ['pipelines', index, 'to', 'table']
    const rule = 'one table name for several streams'
    addProblem(context, path, rule, 'set it per stream under overrides, or use namespace')
  }
}

function resolveTargets(
  pipeline: CheckedPipeline,
  index: number,
  { type, tuning }: { readonly type: SourceSpec | null; readonly tuning: CheckedTuning },
  context: ResolveContext,
): readonly TableTarget[] {
  return pipeline.tables.map((stream, position) => {
    const shared = pipeline.tables.length === 1 ? pipeline.to : { ...pipeline.to, table: undefined }
    const merged = { ...shared, ...pipeline.overrides?.[stream] }
    const path = ['pipelines', index, 'tables', position]
    const own = stream.split('.').at(-1) ?? stream
    const namespace = pipeline.to?.namespace
    const table = merged.table ?? (namespace === undefined ? own : `${namespace}.${own}`)
    if (!TABLE_PATTERN.test(table) && !isPattern(stream)) {
      const rule = `"${table}" cannot be the name of a table`
      addProblem(context, path, rule, `set overrides["${stream}"].table`)
    }
    const hasKey = merged.key !== undefined || type?.hasKeys !== false
    const mode = merged.mode ?? (hasKey ? 'upsert' : 'append')
    if (mode === 'upsert' && !hasKey) {
      const rule = 'mode upsert needs a key, and this type of source names none'
      addProblem(context, path, rule, 'add `key: [column]` under `to`, or set `mode: append`')
    }
    if (mode === 'append' && (merged.key ?? merged.ordering ?? merged.deleteWhen) !== undefined) {
      const rule = 'mode append keeps every record: key, ordering and deleteWhen have no effect'
      addProblem(context, path, rule, 'remove them, or set `mode: upsert`')
    }
    return {
      stream,
      table,
      root: table.replaceAll('.', '/'),
      mode,
      ...(merged.mode === undefined && mode === 'upsert' ? { isModeOpen: true as const } : {}),
      key: merged.key ?? null,
      orderingColumn: merged.ordering ?? null,
      partitionBy: merged.partitionBy ?? [],
      deleteWhen: merged.deleteWhen ?? null,
      schema: { ...tuning.schema, ...dropUndefined(merged.schema ?? {}) } as SchemaPolicies,
    }
  })
}

function mergeTuning(...layers: readonly CheckedTuning[]): CheckedTuning {
  let result: CheckedTuning = {}
  for (const layer of layers) {
    result = {
      ...result,
      ...dropUndefined(layer),
      commit: { ...result.commit, ...layer.commit },
      schema: { ...result.schema, ...dropUndefined(layer.schema ?? {}) },
      index: { ...result.index, ...dropUndefined(layer.index ?? {}) },
    }
  }
  return result
}

function dropUndefined<T extends object>(value: T): T {
  return Object.fromEntries(
    Object.entries(value).filter(([, entry]) => entry !== undefined),
  ) as unknown as T
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
  targets: readonly TableTarget[],
  tuning: CheckedTuning,
  coreCount: number,
): PipelineSettings {
  const { commit, index } = tuning
  return {
    name: pipeline.name,
    source: pipeline.from,
    targets,
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
function checkTables(pipelines: readonly PipelineSettings[], context: ResolveContext): void {
  const taken = new Map<string, string>()
  for (const [index, pipeline] of pipelines.entries()) {
    for (const [position, target] of pipeline.targets.entries()) {
      if (isRepeated(pipeline, position)) continue
      const root = target.root.toLowerCase()
      const path = ['pipelines', index, 'tables', position]
      for (const [other, stream] of taken) {
        const same = other === root
        if (!same && !other.startsWith(`${root}/`) && !root.startsWith(`${other}/`)) continue
        const rule = same
          ? `table "${target.table}" is written by ${stream} already (case does not count)`
          : `table "${target.table}" and the one of ${stream} would lie inside each other`
        addProblem(context, path, rule, `set overrides["${target.stream}"].table, or namespace`)
      }
      taken.set(root, target.stream)
    }
  }
}

/** True when the same stream stands earlier in the list, which is a problem of its own. */
function isRepeated(pipeline: PipelineSettings, position: number): boolean {
  const stream = pipeline.targets[position]?.stream
  return pipeline.targets.findIndex((target) => target.stream === stream) < position
}

/** A star outside of quotes. */
function isPattern(stream: string): boolean {
  return stream.replaceAll(/"[^"]*"/g, '').includes('*')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function addProblem(
  context: SourceContext,
  path: SettingPath,
  rule: string,
  fix: string,
  code: ConfigProblem['code'] = 'SLU-CFG-1004',
  part: 'key' | 'value' = 'value',
): void {
  if (isUnknown(context.tree, path)) return
  context.problems.push(problemAt(context.tree, path, { code, part, rule, fix }))
}
