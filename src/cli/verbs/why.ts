/** `sluice why TABLE KEY`: every commit that made a row what it is. */

import type { Snapshot } from '../../contracts/index.ts'
import { type JsonObject, SluiceError, type TimelineEntry } from '../../model/index.ts'
import type { RowEvent, RowHistory, RowImage } from '../../read/index.ts'
import { type FoundTable, findTable, openTable, parseMoment, type VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { positionText, timeJson, timeText, UNKNOWN } from '../format.ts'
import { parseRowKey } from '../row-key.ts'
import { type CellTools, cellText } from './sql.ts'

/** Options of the command. */
export interface WhyOptions {
  readonly limit: number
  /** A version or a time. */
  readonly since?: string
}

/** An event with the commit that it came with. */
interface Told {
  readonly event: RowEvent
  readonly entry: TimelineEntry | null
  readonly op: 'insert' | 'update' | 'delete' | 'copy'
  readonly changes: readonly ColumnChange[]
}

interface ColumnChange {
  readonly column: string
  readonly before: string | null
  readonly after: string | null
}

/** Surroundings of the events that are printed. */
interface Telling {
  readonly found: FoundTable
  readonly history: RowHistory
  readonly tools: CellTools
}

/**
 * Prints the events of a row, newest first, then the row as it is. Throws SLU-CLI-8008 when the key
 * was never seen, SLU-CLI-8009 for a table without key, SLU-SQL-6007.
 */
export async function whyVerb(
  context: VerbContext,
  name: string,
  keyText: string,
  options: WhyOptions,
): Promise<number> {
  const since = options.since === undefined ? null : parseMoment(options.since, '--since')
  await using runtime = await context.openRuntime()
  const found = findTable(runtime.config, name)
  await using table = await openTable(runtime, found)
  const { schema } = await table.latest()
  if (schema.key.length === 0) {
    throw new SluiceError('SLU-CLI-8009', { message: `${found.target.table} has no key` })
  }
  const key = parseRowKey(keyText, schema.key)
  await using open = await runtime.openReader()
  const { rowHistory, ...tools } = await import('../../read/index.ts')
  const history = await rowHistory({
    engine: open.engine,
    table,
    key,
    limit: options.limit,
    since,
  })
  if (history.live.length === 0 && history.events.length === 0) throw neverSeen(found, key, history)
  const told: Told[] = []
  for (const event of history.events) {
    told.push(tell(event, await table.entry(event.version), { found, history, tools }))
  }
  print(context, told, { found, history, tools }, key)
  return EXIT.ok
}

function neverSeen(
  { target }: FoundTable,
  key: ReadonlyMap<string, string>,
  { end, oldestVersion }: RowHistory,
): SluiceError {
  const where = [...key].map(([column, text]) => `${column} = ${text}`).join(', ')
  const from = end === 'beginning' ? '' : ` from version ${oldestVersion} on`
  return new SluiceError('SLU-CLI-8008', {
    message: `${target.table} has no row ${where}, and had none${from}`,
    context: { table: target.table },
  })
}

function tell(event: RowEvent, entry: TimelineEntry | null, telling: Telling): Told {
  const { before, after } = event
  const { columns } = telling.history
  const text = (image: RowImage | null, index: number): string | null =>
    image === null ? null : cellText(image.values[index] ?? null, telling.tools)
  const jsonOf = (image: RowImage | null, index: number): string | null =>
    image === null ? null : telling.tools.cellJson(image.values[index] ?? null)
  const changes = columns
    .map((column, index) => ({ column, before: text(before, index), after: text(after, index) }))
    .filter((_, index) => jsonOf(before, index) !== jsonOf(after, index))
  const op =
    after === null
      ? 'delete'
      : entry?.operation === 'copy'
        ? 'copy'
        : before === null
          ? 'insert'
          : 'update'
  return { event, entry, op, changes }
}

function print(
  context: VerbContext,
  told: readonly Told[],
  telling: Telling,
  key: ReadonlyMap<string, string>,
): void {
  const { output } = context
  const { found, history } = telling
  output.document('why', {
    table: found.target.table,
    key: Object.fromEntries(key),
    version: history.snapshot.version,
    live: history.live.map((image) => imageJson(image, telling)),
    events: told.map((one) => eventJson(one, telling)),
    end: history.end,
    oldestVersion: history.oldestVersion,
  })
  output.table(
    [
      { title: 'version', align: 'right' },
      { title: 'time', align: 'left' },
      { title: 'op', align: 'left' },
      { title: 'split', align: 'left' },
      { title: 'position', align: 'left' },
      { title: 'what changed', align: 'left' },
      { title: 'file', align: 'left' },
      { title: 'writer', align: 'left' },
    ],
    told.flatMap((one) => eventRows(one, telling)),
  )
  output.text(`\n${nowText(telling)}\n`)
  const note = endNote(history)
  if (note !== null) output.note(note)
}

function eventRows(told: Told, telling: Telling): readonly (readonly string[])[] {
  const { event, op, changes } = told
  const image = event.after ?? event.before
  const head = [
    event.version.toString(),
    timeText(event.timestampMicros),
    op,
    splitOf(image, telling.history.snapshot) ?? UNKNOWN,
    placeText(told, telling),
  ]
  const tail = [image?.path ?? UNKNOWN, writerOf(told) ?? UNKNOWN]
  const texts = changes.map((change) => changeText(change, event))
  if (op === 'delete') return [[...head, 'the row was deleted', ...tail]]
  if (texts.length === 0) return [[...head, 'written again, the same values', ...tail]]
  return texts.map((text, index) =>
    index === 0 ? [...head, text, ...tail] : ['', '', '', '', '', text],
  )
}

function changeText({ column, before, after }: ColumnChange, event: RowEvent): string {
  return event.before === null ? `${column} = ${after}` : `${column} ${before} → ${after}`
}

/** Of a delete no row tells the position: what its commit moved over. */
function placeText({ event, entry }: Told, { found }: Telling): string {
  const { sourceType } = found
  if (event.after !== null) return positionText(event.after.position, sourceType)
  const { from, to } = movedOver(entry)
  if (to === null) return UNKNOWN
  return `${from === null ? '' : positionText(from, sourceType)} .. ${positionText(to, sourceType)}`
}

/** From which position (inclusive) to which one (exclusive) a commit took its source. */
function movedOver(entry: TimelineEntry | null): {
  readonly from: bigint | null
  readonly to: bigint | null
} {
  const own = entry?.commitInfo.sluice as JsonObject | undefined
  const moves = (Array.isArray(own?.cursors) ? own.cursors : []) as readonly JsonObject[]
  const position = (side: 'from' | 'to'): bigint | null => {
    const text = (moves[0]?.[side] as JsonObject | null | undefined)?.nextPosition
    return typeof text === 'string' && /^-?\d+$/.test(text) ? BigInt(text) : null
  }
  return { from: position('from'), to: position('to') }
}

function splitOf(image: RowImage | null, snapshot: Snapshot): string | null {
  const number = image?.splitNumber ?? null
  if (number === null) return null
  const found = snapshot.cursors().find(({ cursor }) => cursor.splitNumber === number)
  return found?.cursor.split ?? String(number)
}

function writerOf({ entry }: Told): string | null {
  const pipeline = (entry?.commitInfo.sluice as JsonObject | undefined)?.pipeline
  const writer = entry?.writer ?? null
  return typeof pipeline === 'string' && writer !== null ? `${writer} (${pipeline})` : writer
}

function nowText({ found, history, tools }: Telling): string {
  const { live, columns, snapshot } = history
  if (live.length === 0)
    return `${found.target.table} has no such row at version ${snapshot.version}`
  return live
    .map((image) => {
      const cells = image.values.map((cell, at) => `${columns[at]} = ${cellText(cell, tools)}`)
      return `now, at version ${snapshot.version}: ${cells.join(', ')}`
    })
    .join('\n')
}

function endNote({ end, oldestVersion }: RowHistory): string | null {
  switch (end) {
    case 'beginning':
      return null
    case 'limit':
      return '… older events: raise --limit'
    case 'since':
      return `… nothing before version ${oldestVersion} was looked at: --since`
    case 'log-gone':
      return `… the log begins with version ${oldestVersion}: what came before is not known`
    case 'files-gone':
      return `… data files of versions before ${oldestVersion} are gone: older events are not known`
    default: {
      const never: never = end
      return never
    }
  }
}

function imageJson(image: RowImage, { found, history, tools }: Telling): object {
  return {
    split: splitOf(image, history.snapshot),
    position: image.position,
    positionText: image.position === null ? null : positionText(image.position, found.sourceType),
    file: image.path,
    row: image.row,
    values: Object.fromEntries(
      history.columns.map((column, at) => [column, tools.plainCell(image.values[at] ?? null)]),
    ),
  }
}

function eventJson(told: Told, telling: Telling): object {
  const { event, entry, op, changes } = told
  const moved = movedOver(entry)
  return {
    version: event.version,
    time: timeJson(event.timestampMicros),
    op,
    operation: entry?.operation ?? null,
    writer: entry?.writer ?? null,
    pipeline: (entry?.commitInfo.sluice as JsonObject | undefined)?.pipeline ?? null,
    fromPosition: moved.from,
    toPosition: moved.to,
    changed: changes.map(({ column }) => column),
    before: event.before === null ? null : imageJson(event.before, telling),
    after: event.after === null ? null : imageJson(event.after, telling),
  }
}
