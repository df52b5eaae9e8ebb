/** `sluice changes TABLE`: what happened to the rows, version by version. */

import type { Runtime } from '../../compose.ts'
import { SluiceError } from '../../model/index.ts'
import type { Reader, SqlCell, SqlColumn } from '../../read/index.ts'
import {
  type FoundTable,
  findTable,
  openTable,
  parseVersion,
  type VerbContext,
} from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { type CellTools, cellText, textColumns } from './sql.ts'

/** Options of the command. */
export interface ChangesOptions {
  readonly from: string
  readonly to?: string
  readonly follow?: boolean
  readonly ndjson?: boolean
  readonly limit?: number
}

/** Versions read in one query: a bound on what one query holds. */
const VERSIONS_PER_QUERY = 100n
/** How often a followed table is asked for new versions. */
const FOLLOW_INTERVAL_MS = 500
/** Rows of a table for people when nothing else is asked. */
const TABLE_ROWS_DEFAULT = 1000

interface Feed {
  readonly found: FoundTable
  readonly reader: Reader
  readonly key: readonly string[]
  /** Rows that may still be printed. */
  left: number
  /** Everything up to this version was printed. */
  doneVersion: bigint
  /** True when the limit cut a version short. */
  isCut: boolean
}

/** Receives rows of one query; `columns` are the same for all rows of a call. */
type Sink = (columns: readonly SqlColumn[], rows: readonly (readonly SqlCell[])[]) => void

/**
 * Prints the changes after version FROM up to TO (default: the newest). `beginning` starts with
 * the first row.
 * The next FROM goes to stderr (and into the JSON document), so that a later call goes on without
 * gap or overlap.
 */
export async function changesVerb(
  context: VerbContext,
  name: string,
  options: ChangesOptions,
): Promise<number> {
  const { output, host } = context
  const streams = options.ndjson === true
  if (options.follow === true && output.isJson && !streams) {
    throw new SluiceError('SLU-CLI-8001', {
      message: '--follow never ends: use --ndjson, not --json',
    })
  }
  const from = options.from === 'beginning' ? -1n : parseVersion(options.from, '--from')
  const signal = options.follow === true ? host.interrupts.drain() : null
  await using runtime = await context.openRuntime()
  const found = findTable(runtime.config, name)
  await using table = await openTable(runtime, found)
  const snapshot = await table.latest()
  const newest = snapshot.version
  const until = options.to === undefined ? newest : parseVersion(options.to, '--to')
  await using open = await runtime.openReader()
  const tools = await import('../../read/index.ts')
  const isTable = !streams && !output.isJson
  const feed: Feed = {
    found,
    reader: open.reader,
    key: snapshot.schema.key,
    left:
      options.limit ?? (isTable && !options.follow ? TABLE_ROWS_DEFAULT : Number.POSITIVE_INFINITY),
    doneVersion: from,
    isCut: false,
  }
  const sink = streams ? ndjsonSink(context, tools) : isTable ? tableSink(context, tools) : null
  if (sink === null) {
    const documents: object[] = []
    await readUntil(feed, until, (columns, rows) => {
      for (const row of rows) documents.push(rowObject(columns, row, tools))
    })
    const next = nextToken(feed)
    output.document('changes', {
      table: found.target.table,
      from,
      to: until,
      next,
      changes: documents,
    })
    return EXIT.ok
  }
  await readUntil(feed, until, sink)
  if (signal !== null) await follow(runtime, feed, sink, signal)
  if (feed.isCut) output.note('… --limit cut the changes of one version; raise it to go on')
  output.note(`next: --from ${nextToken(feed)}`)
  return EXIT.ok
}

function nextToken({ doneVersion }: Feed): string {
  return doneVersion < 0n ? 'beginning' : doneVersion.toString()
}

/** Reads (done, until] in runs of versions. A version is done when all its rows were printed. */
async function readUntil(feed: Feed, until: bigint, sink: Sink): Promise<void> {
  if (until < feed.doneVersion) await readRun(feed, until, sink)
  while (feed.doneVersion < until && feed.left > 0) {
    const bound = feed.doneVersion + VERSIONS_PER_QUERY
    await readRun(feed, bound < until ? bound : until, sink)
  }
}

async function readRun(feed: Feed, to: bigint, sink: Sink): Promise<void> {
  const name = feed.found.target.table.replaceAll("'", "''")
  const key = feed.key.map((column) => `, "${column.replaceAll('"', '""')}"`).join('')
  await using result = await feed.reader.sql(
    `SELECT * FROM changes('${name}', ${feed.doneVersion}, ${to}) ` +
      `ORDER BY _commit_version${key}, ${CHANGE_ORDER}`,
  )
  const versionIndex = result.columns.findIndex(({ name: column }) => column === '_commit_version')
  let lastVersion = feed.doneVersion
  for await (const batch of result.batches()) {
    const rows = batch.slice(0, feed.left)
    feed.left -= rows.length
    sink(result.columns, rows)
    const last = rows.at(-1)?.[versionIndex]
    if (typeof last === 'bigint') lastVersion = last
    if (rows.length < batch.length || feed.left === 0) {
      // The version of the last row may have more rows: it is read again next time.
      feed.isCut = true
      feed.doneVersion = lastVersion - 1n > feed.doneVersion ? lastVersion - 1n : feed.doneVersion
      feed.left = 0
      return
    }
  }
  feed.doneVersion = to
}

/** What was before what is, within one key and version. */
const CHANGE_ORDER =
  "CASE _change_type WHEN 'delete' THEN 0 WHEN 'update_preimage' THEN 1 " +
  "WHEN 'update_postimage' THEN 2 ELSE 3 END"

async function follow(
  runtime: Runtime,
  feed: Feed,
  sink: Sink,
  signal: AbortSignal,
): Promise<void> {
  await using table = await openTable(runtime, feed.found)
  while (!signal.aborted && feed.left > 0) {
    const { version } = await table.latest()
    if (version > feed.doneVersion) await readUntil(feed, version, sink)
    else await runtime.clock.sleep(FOLLOW_INTERVAL_MS, signal)
  }
}

function ndjsonSink({ output }: VerbContext, tools: CellTools): Sink {
  return (columns, rows) => {
    output.data(rows.map((row) => `${JSON.stringify(rowObject(columns, row, tools))}\n`).join(''))
  }
}

function tableSink({ output }: VerbContext, tools: CellTools): Sink {
  return (columns, rows) => {
    // The meta columns first: they say what the rest means.
    const order = columns
      .map((_, index) => index)
      .toSorted((left, right) => Number(isMeta(columns[right])) - Number(isMeta(columns[left])))
    const pick = <T>(items: readonly T[]): readonly T[] => order.map((index) => items[index] as T)
    if (rows.length === 0) return
    output.table(
      textColumns(pick(columns)),
      rows.map((row) => pick(row).map((cell) => cellText(cell, tools))),
    )
  }
}

function isMeta(column: SqlColumn | undefined): boolean {
  return (
    column !== undefined && /^_(change_type|commit_version|commit_timestamp)$/.test(column.name)
  )
}

function rowObject(
  columns: readonly SqlColumn[],
  row: readonly SqlCell[],
  { plainCell }: CellTools,
): object {
  return Object.fromEntries(columns.map(({ name }, index) => [name, plainCell(row[index] ?? null)]))
}
