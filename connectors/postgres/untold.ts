/**
 * Looks for changes to rows that Postgres makes without a record in the stream, and does what the
 * settings say: stop, copy the table again, or go on with a warning.
 */

import type { SourceContext, SourceMemory } from '../../src/contracts/index.ts'
import { type ErrorCode, type JsonObject, SluiceError } from '../../src/model/index.ts'
import { readLayouts, type TableFacts, type TableLayout } from './catalog.ts'
import type { Connection } from './connection.ts'
import {
  compareLayout,
  isWorthALook,
  type LayoutChange,
  type LayoutNote,
  layoutFromJson,
  layoutToJson,
  noteOfLayout,
} from './layout.ts'
import { cameWithRows, findOldValue, mayBeEmptied, wasEmpty } from './old-rows.ts'
import type { SchemaRegistry } from './schemas.ts'
import type { PostgresSettings } from './spec.ts'

/** What a watch needs. */
export interface UntoldWatchOptions {
  readonly settings: PostgresSettings
  readonly context: SourceContext
  readonly connection: Connection
  readonly memory: SourceMemory
  readonly schemas: SchemaRegistry
  /** Stream → attnums of the columns that the table behind it had when the session began. */
  readonly columns: ReadonlyMap<string, ReadonlySet<number>>
}

/** A change to rows that is in no record. */
interface UntoldChange {
  readonly stream: string
  readonly code: ErrorCode
  readonly message: string
  readonly answer: 'stop' | 'resync' | 'go on'
}

/** What was found in a table that lay so. */
interface Found {
  readonly layout: TableLayout
  readonly changes: readonly UntoldChange[]
}

/** A table that lies otherwise each time it is looked at has somebody else's attention. */
const ROUNDS_MAX = 20

/** Remembers how tables lay when their rows were known last. */
export class UntoldWatch {
  readonly #options: UntoldWatchOptions
  #notes: ReadonlyMap<string, LayoutNote>
  readonly #told = new Set<string>()
  #tail: Promise<unknown> = Promise.resolve()

  private constructor(options: UntoldWatchOptions, notes: ReadonlyMap<string, LayoutNote>) {
    this.#options = options
    this.#notes = notes
  }

  /** With what the pipeline remembers. */
  static async open(options: UntoldWatchOptions): Promise<UntoldWatch> {
    const notes = new Map<string, LayoutNote>()
    for (const [stream, json] of Object.entries(layoutsOf(await options.memory.read()))) {
      const note = layoutFromJson(json)
      if (note === null) continue
      notes.set(stream, note)
      for (const [attnum, initial] of Object.entries(note.initials)) {
        options.schemas.knowInitial(note.oid, Number(attnum), initial)
      }
    }
    return new UntoldWatch(options, notes)
  }

  /**
   * Looks at tables that are followed. Returns the streams that must be copied again; they are
   * found again until `settle`. Throws SLU-SRC-1234 and 1235 where the settings say stop.
   */
  look(tables: readonly TableFacts[]): Promise<readonly string[]> {
    return this.#inTurn(() => this.#look(tables))
  }

  /** The tables are copied as they lie now; to be called while they cannot change. */
  settle(tables: readonly TableFacts[]): Promise<void> {
    return this.#inTurn(async () => this.#accept(await this.#read(tables)))
  }

  /** The streams of those tables that do not lie as they did when they were settled last. */
  changed(tables: readonly TableFacts[]): Promise<ReadonlySet<string>> {
    return this.#inTurn(async () => {
      const changed = new Set<string>()
      for (const [table, layout] of await this.#read(tables)) {
        const found = await this.#changesOf(table, layout)
        // One that changes all the time is another one as well.
        if (found === null || found.changes.length > 0) changed.add(table.stream)
      }
      return changed
    })
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#tail.then(work)
    this.#tail = done.catch(() => undefined)
    return done
  }

  async #look(tables: readonly TableFacts[]): Promise<readonly string[]> {
    const accepted: [TableFacts, TableLayout][] = []
    const again = new Set<string>()
    for (const [table, first] of await this.#read(tables)) {
      const found = await this.#changesOf(table, first)
      if (found === null) continue
      const { layout, changes } = found
      for (const change of changes) this.#tell(change)
      const stopping = changes.find(({ answer }) => answer === 'stop')
      if (stopping !== undefined) throw untoldError(stopping)
      if (changes.some(({ answer }) => answer === 'resync')) again.add(table.stream)
      else accepted.push([table, layout])
    }
    await this.#accept(accepted)
    return [...again]
  }

  async #read(tables: readonly TableFacts[]): Promise<[TableFacts, TableLayout][]> {
    if (tables.length === 0) return []
    const { connection, schemas } = this.#options
    const oids = tables.map(({ oid }) => oid)
    const layouts = new Map(
      (await readLayouts(connection, oids)).map((layout) => [layout.oid, layout]),
    )
    return tables.flatMap((table) => {
      const layout = layouts.get(table.oid)
      return layout === undefined ? [] : [[table, schemas.publishedLayout(layout)]]
    })
  }

  async #accept(read: readonly (readonly [TableFacts, TableLayout])[]): Promise<void> {
    const { memory, columns, schemas } = this.#options
    const notes = new Map(this.#notes)
    for (const [{ stream, oid }, layout] of read) {
      const known = notes.get(stream) ?? null
      const note = noteOfLayout(layout, known?.oid === oid ? known : null, (attnum) => {
        return columns.get(stream)?.has(attnum) !== true
      })
      notes.set(stream, note)
      for (const [attnum, initial] of Object.entries(note.initials)) {
        schemas.knowInitial(oid, Number(attnum), initial)
      }
    }
    const isSame = [...notes].every(
      ([stream, note]) => JSON.stringify(this.#notes.get(stream)) === JSON.stringify(note),
    )
    this.#notes = notes
    if (isSame) return
    const layouts = [...notes].map(([stream, note]) => [stream, layoutToJson(note)] as const)
    await memory.write({ ...(await memory.read()), layouts: Object.fromEntries(layouts) })
  }

  /**
   * The changes up to a layout that outlasted the questions to the rows: a table that is written
   * again between two of them has no old rows for the second. Null when it is gone, or changes all
   * the time: then it is looked at another time.
   */
  async #changesOf(table: TableFacts, first: TableLayout): Promise<Found | null> {
    const note = this.#notes.get(table.stream)
    // Another table of the name is the business of the publication's members.
    if (note === undefined || note.oid !== table.oid) return { layout: first, changes: [] }
    let layout = first
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const change = compareLayout(note, layout)
      if (!isWorthALook(change)) return { layout, changes: [] }
      const [asked] = await Promise.allSettled([this.#changes(table, note, change)])
      const [again] = await this.#read([table])
      if (again === undefined) return null
      const isLasting = JSON.stringify(again[1]) === JSON.stringify(layout)
      if (isLasting && asked.status === 'fulfilled') return { layout, changes: asked.value }
      // A column may have got another name before its rows were asked for.
      if (isLasting && asked.status === 'rejected') throw asked.reason
      layout = again[1]
    }
    return null
  }

  async #changes(
    table: TableFacts,
    note: LayoutNote,
    change: LayoutChange,
  ): Promise<readonly UntoldChange[]> {
    const { stream } = table
    const { connection, settings } = this.#options
    const { onUntold, onPartitionGone } = settings
    const found: UntoldChange[] = []
    const rows = (message: string): void => {
      const answer = onUntold === 'warn' ? 'go on' : onUntold
      found.push({ stream, code: 'SLU-SRC-1234', message, answer })
    }
    for (const column of [...change.unknown, ...change.published]) {
      const anyAge = change.published.includes(column)
      const found = await findOldValue(connection, table, column, anyAge)
      if (found === null) continue
      rows(`rows of ${stream} ${found} values in its new column ${column.name} that no record told`)
    }
    for (const partition of change.came) {
      const name = await cameWithRows(connection, partition)
      if (name !== null) rows(`${name} became a partition of ${stream} with rows in it`)
    }
    for (const partition of change.refilled) {
      const name = await mayBeEmptied(connection, partition)
      if (name !== null) rows(`${name}, a partition of ${stream}, was truncated by itself`)
    }
    for (const partition of change.gone) {
      if (await wasEmpty(connection, partition, note.files[partition] as number)) continue
      const answer = onPartitionGone === 'keep' ? 'go on' : onPartitionGone
      const message = `a partition of ${stream} was detached or dropped (oid ${partition})`
      found.push({ stream, code: 'SLU-SRC-1235', message, answer })
    }
    if (change.altered.length > 0) {
      const names = change.altered.map(({ name }) => name).join(', ')
      const message =
        `Postgres wrote ${stream} again while its column ${names} was altered: an expression ` +
        '(ALTER … TYPE … USING) may have changed values'
      const answer = onUntold === 'resync' ? 'resync' : 'go on'
      found.push({ stream, code: 'SLU-SRC-1236', message, answer })
    }
    return found
  }

  /** Each is told once. */
  #tell({ stream, code, message, answer }: UntoldChange): void {
    if (answer === 'stop' || this.#told.has(message)) return
    this.#told.add(message)
    const { telemetry, pipeline } = this.#options.context
    const what = answer === 'resync' ? 'a table is copied again' : 'rows may differ from the source'
    telemetry.log('warn', what, { pipeline, stream, code, reason: message })
  }
}

/** The layouts among the notes of a pipeline. */
function layoutsOf(note: JsonObject | null): JsonObject {
  const layouts = note?.layouts
  return typeof layouts === 'object' && layouts !== null && !Array.isArray(layouts)
    ? (layouts as JsonObject)
    : {}
}

function untoldError({ stream, code, message }: UntoldChange): SluiceError {
  return new SluiceError(code, { message, context: { stream } })
}
