/**
 * Streams of a pipeline → its targets: those that are named, and what becomes of those that
 * patterns choose.
 */

import type {
  RejectPolicy,
  SchemaPolicies,
  StreamSelection,
  TableTarget,
  TargetTemplate,
} from '../contracts/index.ts'
import {
  matchesPatterns,
  parseStreamPattern,
  propertyProblem,
  type StreamPattern,
  suggestName,
  TABLE_NAME,
} from '../model/index.ts'
import { addProblem, type ResolveContext } from './resolve-context.ts'
import type { CheckedPipeline, CheckedTuning, SourceSpec, SourceTraits } from './spec.ts'

/** What a pipeline reads, as far as it can be known before the source is asked. */
export interface ResolvedStreams {
  readonly targets: readonly TableTarget[]
  readonly selection: StreamSelection | null
}

/** What decides about targets beside the pipeline itself. */
interface TargetFacts {
  readonly type: SourceSpec | null
  readonly traits: SourceTraits | null
  readonly tuning: CheckedTuning
}

/** The entries of `tables`, taken apart. */
interface StreamList {
  /** Stream → its place in the list. */
  readonly names: ReadonlyMap<string, number>
  /** Patterns and exclusions. */
  readonly patterns: readonly StreamPattern[]
  readonly patternTexts: readonly string[]
}

/** Adds to `context.problems` what cannot be; the result is of use only without problems. */
export function resolveStreams(
  pipeline: CheckedPipeline,
  index: number,
  facts: TargetFacts,
  context: ResolveContext,
): ResolvedStreams {
  const list = readList(pipeline, index, facts.type, context)
  checkOverrides(pipeline, index, list, context)
  const hasPatterns = list.patterns.length > 0
  if (pipeline.to?.table !== undefined && (hasPatterns || list.names.size > 1)) {
    const path = ['pipelines', index, 'to', 'table']
    const rule = 'one table name for several streams'
    addProblem(context, path, rule, 'set it per stream under overrides, or use namespace')
  }
  const shared =
    list.names.size === 1 && !hasPatterns ? pipeline.to : { ...pipeline.to, table: undefined }
  const targets = [...list.names].map(([stream, position]) => {
    const path = ['pipelines', index, 'tables', position]
    const merged = mergeTarget(shared, pipeline.overrides?.[stream])
    const template = templateOf(merged, facts, (rule, fix) => addProblem(context, path, rule, fix))
    const target = nameTarget(stream, template, pipeline.to?.namespace ?? null)
    if (!TABLE_NAME.test(target.table)) {
      const rule = `"${target.table}" cannot be the name of a table`
      addProblem(context, path, rule, `give it a name: ${overrideText(stream)}`)
    }
    return target
  })
  return {
    targets,
    selection: hasPatterns ? selectionOf(pipeline, index, { list, facts }, context) : null,
  }
}

function readList(
  pipeline: CheckedPipeline,
  index: number,
  type: SourceSpec | null,
  context: ResolveContext,
): StreamList {
  const names = new Map<string, number>()
  const patterns: StreamPattern[] = []
  const patternTexts: string[] = []
  const seen = new Set<string>()
  for (const [position, text] of pipeline.tables.entries()) {
    const path = ['pipelines', index, 'tables', position]
    if (seen.has(text)) {
      addProblem(context, path, 'the stream is in this list twice', 'remove one')
      continue
    }
    seen.add(text)
    if (!isPattern(text)) {
      names.set(text, position)
      continue
    }
    const pattern = parseStreamPattern(text)
    if (type !== null && type.hasPatterns !== true) {
      const rule = `a source of type ${type.type} has no patterns`
      addProblem(context, path, rule, 'name each stream', 'SLU-CFG-1005')
    } else if (pattern === null || pattern.parts.length !== 2) {
      const rule = `"${text}" is no pattern of tables`
      addProblem(context, path, rule, 'write schema.table, such as public.* or !public.tmp_*')
    } else {
      patterns.push(pattern)
      patternTexts.push(text)
    }
  }
  checkExclusions(pipeline, index, { names, patterns, patternTexts }, context)
  return { names, patterns, patternTexts }
}

/** A name that is taken away again, or exclusions from nothing, are mistakes. */
function checkExclusions(
  pipeline: CheckedPipeline,
  index: number,
  { names, patterns, patternTexts }: StreamList,
  context: ResolveContext,
): void {
  const excluding = patterns.filter(({ excludes }) => excludes)
  if (excluding.length === 0) return
  if (excluding.length === patterns.length) {
    const position = pipeline.tables.indexOf(patternTexts[0] as string)
    const rule = 'there is nothing that it could be left out of'
    const path = ['pipelines', index, 'tables', position]
    addProblem(context, path, rule, 'add a pattern that chooses tables, such as public.*')
  }
  const choosing = excluding.map((pattern) => ({ ...pattern, excludes: false }))
  for (const [name, position] of names) {
    if (!matchesPatterns(choosing, name)) continue
    const rule = `"${name}" is named and left out`
    const path = ['pipelines', index, 'tables', position]
    addProblem(context, path, rule, 'remove the name, or what leaves it out')
  }
}

function checkOverrides(
  pipeline: CheckedPipeline,
  index: number,
  { names, patterns }: StreamList,
  context: ResolveContext,
): void {
  for (const stream of Object.keys(pipeline.overrides ?? {})) {
    if (names.has(stream) || matchesPatterns(patterns, stream)) continue
    const path = ['pipelines', index, 'overrides', stream]
    const rule = `"${stream}" is not among the tables of this pipeline`
    addProblem(context, path, rule, suggestName(stream, [...names.keys()]), 'SLU-CFG-1004', 'key')
  }
}

function selectionOf(
  pipeline: CheckedPipeline,
  index: number,
  { list, facts }: { readonly list: StreamList; readonly facts: TargetFacts },
  context: ResolveContext,
): StreamSelection {
  const shared = { ...pipeline.to, table: undefined }
  const problemAt =
    (...path: readonly string[]) =>
    (rule: string, fix: string): void =>
      addProblem(context, ['pipelines', index, ...path], rule, fix)
  const overrides = Object.entries(pipeline.overrides ?? {}).filter(
    ([stream]) => !list.names.has(stream),
  )
  const choosing = list.patterns.filter(({ excludes }) => !excludes)
  const schemas = new Set(choosing.map(({ parts }) => parts[0]?.text))
  const reachesAll = choosing.some(({ parts }) => parts[0]?.text.includes('*'))
  return {
    patterns: list.patternTexts,
    namespace: pipeline.to?.namespace ?? null,
    namesSchema: schemas.size > 1 || reachesAll,
    template: templateOf(shared, facts, problemAt('to')),
    overrides: new Map(
      overrides.map(([stream, own]) => [
        stream,
        templateOf(mergeTarget(shared, own), facts, problemAt('overrides', stream)),
      ]),
    ),
  }
}

/** `to` and what overrides it. */
type TargetSettings = NonNullable<CheckedPipeline['overrides']>[string]

/** Some of them. */
type SomeSettings = { readonly [Name in keyof TargetSettings]: TargetSettings[Name] | undefined }

/** What overrides takes the place of what it overrides; of properties each on its own. */
function mergeTarget(
  shared: SomeSettings | undefined,
  own: SomeSettings | undefined,
): SomeSettings {
  return { ...shared, ...own, properties: { ...shared?.properties, ...own?.properties } }
}

function templateOf(
  merged: SomeSettings,
  { type, traits, tuning }: TargetFacts,
  report: (rule: string, fix: string) => void,
): TargetTemplate {
  const hasKey = merged.key !== undefined || (traits ?? type)?.hasKeys !== false
  const mode = merged.mode ?? (hasKey ? 'upsert' : 'append')
  if (mode === 'upsert' && !hasKey) {
    const rule = 'mode upsert needs a key, and this type of source names none'
    report(rule, 'add `key: [column]` under `to`, or set `mode: append`')
  }
  if (mode === 'append' && (merged.key ?? merged.ordering ?? merged.deleteWhen) !== undefined) {
    const rule = 'mode append keeps every record: key, ordering and deleteWhen have no effect'
    report(rule, 'remove them, or set `mode: upsert`')
  }
  const properties = merged.properties ?? {}
  for (const [name, value] of Object.entries(properties)) {
    const rule = propertyProblem(name, value)
    if (rule !== null) report(rule, 'correct it under `properties`')
  }
  return {
    table: merged.table ?? null,
    mode,
    ...(merged.mode === undefined && mode === 'upsert' ? { isModeOpen: true as const } : {}),
    key: merged.key ?? null,
    orderingColumn: merged.ordering ?? null,
    partitionBy: merged.partitionBy ?? [],
    deleteWhen: merged.deleteWhen ?? null,
    properties,
    schema: { ...tuning.schema, ...dropUndefined(merged.schema ?? {}) } as SchemaPolicies,
    rejects: rejectsOf(merged, { type, traits, tuning }, report),
  }
}

/** What holds for the table, else for the pipeline. */
function rejectsOf(
  own: { readonly [Name in 'onError' | 'dlq']?: CheckedTuning[Name] | undefined },
  { type, traits, tuning }: TargetFacts,
  report: (rule: string, fix: string) => void,
): RejectPolicy {
  const onError = own.onError ?? tuning.onError ?? 'stop'
  if (onError !== 'stop' && (traits ?? type)?.hasWholeRecords === false) {
    const of = traits?.because ?? `type ${type?.type}`
    const rule = `onError: ${onError} is not supported for sources of ${of}`
    report(rule, 'set onError: stop for this pipeline, or for the table under overrides')
  }
  const stopAfter = own.dlq?.stopAfter === undefined ? tuning.dlq?.stopAfter : own.dlq.stopAfter
  return { onError, stopAfter: stopAfter ?? null }
}

function nameTarget(
  stream: string,
  { table: given, ...template }: TargetTemplate,
  namespace: string | null,
): TableTarget {
  const own = stream.split('.').at(-1) ?? stream
  const table = given ?? (namespace === null ? own : `${namespace}.${own}`)
  return { stream, table, root: table.replaceAll('.', '/'), ...template }
}

/** A star outside of quotes, or an exclusion. */
function isPattern(stream: string): boolean {
  return stream.startsWith('!') || stream.replaceAll(/"[^"]*"/g, '').includes('*')
}

/** How a stream gets a table name of its own, as YAML. */
export function overrideText(stream: string): string {
  const key = /^[\w.-]+$/.test(stream) ? stream : `'${stream.replaceAll("'", "''")}'`
  return `overrides: { ${key}: { table: NAME } }`
}

/** The entries that are set. */
export function dropUndefined<T extends object>(value: T): T {
  return Object.fromEntries(
    Object.entries(value).filter(([, entry]) => entry !== undefined),
  ) as unknown as T
}
