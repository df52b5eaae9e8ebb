/** `sluice source peek`: columns and first records of a source, before a table is made of it. */

import type { Config, SourceSettings } from '../../config/index.ts'
import { nearestName, SluiceError, type SourceColumn } from '../../model/index.ts'
import type { Peek } from '../../peek.ts'
import type { VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { countText } from '../format.ts'

/** Options of the command. */
export interface SourceOptions {
  readonly stream?: string
  /** Records to print. */
  readonly limit: number
}

/** Values of a column that are shown. */
const EXAMPLES_MAX = 3
/** Characters of each. */
const EXAMPLE_LENGTH_MAX = 24
/** Files that are named. */
const FILES_SHOWN_MAX = 3

/** Looks at one stream of a source. Throws SLU-CLI-8001, SLU-SRC-*. */
export async function sourceVerb(
  context: VerbContext,
  action: string,
  name: string | undefined,
  options: SourceOptions,
): Promise<number> {
  if (action !== 'peek') {
    throw new SluiceError('SLU-CLI-8001', {
      message: `there is no "source ${action}"`,
      remedy: 'Write `sluice source peek [SOURCE]`.',
    })
  }
  await using runtime = await context.openRuntime()
  const { config } = runtime
  const source = findSource(config, name)
  const stream = streamOf(config, source, options.stream)
  const readers = config.pipelines.filter((pipeline) => pipeline.source === source.name)
  const targets = readers.flatMap((pipeline) => pipeline.targets)
  const { peekStream } = await import('../../peek.ts')
  const peek = await peekStream(runtime, {
    stream,
    pipeline: { name: readers[0]?.name ?? source.name, source: source.name },
    key: targets.find((target) => target.stream === stream)?.key ?? [],
  })
  tell(context, source, peek, options.limit)
  return EXIT.ok
}

function findSource(config: Config, name: string | undefined): SourceSettings {
  const names = config.sources.map((source) => source.name)
  const found =
    name === undefined && config.sources.length === 1
      ? config.sources[0]
      : config.sources.find((source) => source.name === name)
  if (found !== undefined) return found
  const nearest = name === undefined ? null : nearestName(name, names)
  throw new SluiceError('SLU-CLI-8001', {
    message: name === undefined ? 'which source?' : `there is no source "${name}"`,
    remedy:
      (nearest === null ? '' : `Did you mean "${nearest}"? `) +
      `The configuration has the sources: ${names.join(', ')}.`,
  })
}

/** The stream that is asked for, else the only one that pipelines read. */
function streamOf(config: Config, { name }: SourceSettings, asked: string | undefined): string {
  if (asked !== undefined) return asked
  const streams = config.pipelines
    .filter(({ source }) => source === name)
    .flatMap(({ targets }) => targets.map(({ stream }) => stream))
  const [only, ...others] = new Set(streams)
  if (only !== undefined && others.length === 0) return only
  throw new SluiceError('SLU-CLI-8001', {
    message:
      only === undefined
        ? `no pipeline names a stream of ${name}`
        : `pipelines read several streams of ${name}`,
    remedy:
      only === undefined
        ? 'Name one: --stream public.orders'
        : `Name one with --stream: ${[only, ...others].join(', ')}.`,
  })
}

function tell(
  { output }: VerbContext,
  { name, type }: SourceSettings,
  { schema, rows, rejected, sampled }: Peek,
  limit: number,
): void {
  const columns = schema.columns.map((column) => describe(column, rows))
  const shown = rows.slice(0, limit)
  output.document('source-peek', {
    source: name,
    type,
    stream: schema.stream,
    key: schema.key,
    sampled,
    columns,
    rows: shown.map(({ position, place, op, values }) => {
      return { position, place, op, values: Object.fromEntries(values) }
    }),
    rejected,
  })
  output.facts([
    ['source', `${name} (${type}), stream ${schema.stream}`],
    ['key', schema.key.join(', ') || 'none'],
    ['sampled', sampledText(sampled)],
  ])
  output.text('\n')
  output.table(
    ['column', 'type', 'nullable', 'NULL', 'examples'].map((title) => {
      return { title, align: title === 'NULL' ? 'right' : 'left' }
    }),
    columns.map(({ name: column, sourceType, nullable, nulls, examples }) => [
      column,
      sourceType,
      nullable ? 'yes' : 'no',
      countText(nulls),
      examples.map(cut).join(' · '),
    ]),
  )
  output.text('\n')
  // Only logs of changes have others.
  const isLog = rows.some(({ op }) => op !== 'insert')
  output.table(
    [...(isLog ? ['op'] : []), ...schema.columns.map((column) => column.name)].map((title) => {
      return { title, align: 'left' }
    }),
    shown.map(({ op, values }) => [
      ...(isLog ? [op] : []),
      ...schema.columns.map((column) => values.get(column.name) ?? ''),
    ]),
  )
  if (rejected.length === 0) return
  output.text(`\ncannot be decoded (see onError): ${countText(sampled.rejected)}\n`)
  output.table(
    ['where', 'code', 'column', 'value'].map((title) => ({ title, align: 'left' })),
    rejected.map(({ position, place, code, column, value }) => [
      place ?? String(position),
      code,
      column ?? '',
      value ?? '',
    ]),
  )
}

function describe({ name, sourceType, nullable }: SourceColumn, rows: Peek['rows']) {
  const seen = rows.map(({ values }) => values.get(name) ?? null)
  const texts = new Set(seen.filter((text) => text !== null))
  return {
    name,
    sourceType,
    nullable,
    nulls: seen.filter((text) => text === null).length,
    examples: [...texts].slice(0, EXAMPLES_MAX),
  }
}

function cut(text: string): string {
  return text.length > EXAMPLE_LENGTH_MAX ? `${text.slice(0, EXAMPLE_LENGTH_MAX)}…` : text
}

function sampledText({ records, files, isAll }: Peek['sampled']): string {
  const count = `${countText(records)} ${records === 1 ? 'record' : 'records'}`
  const named = files.slice(0, FILES_SHOWN_MAX).join(', ')
  const more = files.length > FILES_SHOWN_MAX ? `, … (${files.length} files)` : ''
  const where = files.length === 0 ? '' : ` of ${named}${more}`
  return isAll ? `all there is: ${count}${where}` : `the first ${count}${where}; there are more`
}
