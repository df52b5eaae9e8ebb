/** The Postgres source: settings in, sessions out. */

import type {
  BlockPart,
  SelectedStreams,
  Source,
  SourceCheck,
  SourceContext,
  SourceReadBack,
  SourceSession,
  SourceStart,
  SourceView,
} from '../../src/contracts/index.ts'
import { SluiceError, type StreamSchema } from '../../src/model/index.ts'
import { readAllTables, readPublishesGenerated, readTypes, requireTables } from './catalog.ts'
import { checkSource } from './check.ts'
import { connect } from './connection.ts'
import { postgresError } from './errors.ts'
import { slotStart } from './opening.ts'
import { SchemaRegistry } from './schemas.ts'
import { selectTables } from './selection.ts'
import { openSession } from './session.ts'
import { createSlot, SnapshotReader, temporarySlotName } from './snapshot-copy.ts'
import { defaultSlotName, type PostgresSettings } from './spec.ts'

/** Read-ahead of a view, per stream. */
const VIEW_BUFFER_BYTES = 16 * 1024 * 1024

/** A source of checked settings; connects only when asked to. */
export class PostgresSource implements Source {
  readonly name: string
  readonly readBack: SourceReadBack
  readonly #settings: PostgresSettings
  readonly #context: SourceContext
  readonly #schemas: SchemaRegistry
  #mayStream = true
  readonly #sessions = new Set<SourceSession>()

  constructor(settings: PostgresSettings, context: SourceContext) {
    this.name = context.name
    this.#settings = settings
    this.#context = context
    this.#schemas = new SchemaRegistry(settings)
    this.readBack = { open: (streams) => this.#openView(streams) }
  }

  async check(
    streams: readonly string[],
    patterns: readonly string[] = [],
  ): Promise<readonly SourceCheck[]> {
    return await checkSource(this.#settings, this.#context, { streams, patterns })
  }

  async discover(): Promise<readonly StreamSchema[]> {
    const settings = this.#settings
    await using connection = await connect({ settings, context: this.#context, replication: false })
    try {
      const types = await readTypes(connection)
      const tables = await readAllTables(connection)
      this.#schemas.publishesGenerated = await readPublishesGenerated(connection, this.#publication)
      return tables.map((table) => this.#schemas.fromTable(table, types))
    } catch (error) {
      throw postgresError(error, 'listing the tables')
    }
  }

  async select(patterns: readonly string[]): Promise<SelectedStreams> {
    const settings = this.#settings
    const publication = this.#publication
    await using connection = await connect({ settings, context: this.#context, replication: false })
    try {
      const mayChange = settings.createPublication
      const found = await selectTables({ connection, patterns, publication, mayChange })
      const types = await readTypes(connection)
      this.#schemas.publishesGenerated = await readPublishesGenerated(connection, publication)
      return { ...found, ready: found.ready.map((table) => this.#schemas.fromTable(table, types)) }
    } catch (error) {
      throw postgresError(error, 'choosing the tables')
    }
  }

  async start(request: SourceStart): Promise<SourceSession> {
    if (request.streams.size === 0) {
      throw new SluiceError('SLU-SRC-1206', { message: 'the pipeline names no table' })
    }
    const fallback = defaultSlotName(this.#context.pipeline)
    const session = await openSession({
      settings: this.#settings,
      context: this.#context,
      names: {
        slot: this.#settings.slot ?? fallback,
        publication: this.#publication,
      },
      schemas: this.#schemas,
      request: slotStart(request),
      mayStream: this.#mayStream,
      onSpoolFull: () => {
        this.#mayStream = false
      },
    })
    this.#sessions.add(session)
    return session
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sessions = [...this.#sessions]
    this.#sessions.clear()
    await Promise.all(sessions.map((session) => session[Symbol.asyncDispose]()))
  }

  get #publication(): string {
    return this.#settings.publication ?? defaultSlotName(this.#context.pipeline)
  }

  /**
   * The snapshot of a temporary slot: the only way Postgres can name the position of a snapshot.
   */
  async #openView(streams: readonly string[]): Promise<SourceView> {
    const settings = this.#settings
    const context = this.#context
    await using replication = await connect({ settings, context, replication: true })
    const snapshot = await createSlot(replication, temporarySlotName(context), true)
    const reader = await SnapshotReader.open({ settings, context, snapshot })
    try {
      const types = await readTypes(reader.connection)
      const tables = await requireTables(reader.connection, streams)
      this.#schemas.publishesGenerated = await readPublishesGenerated(
        reader.connection,
        this.#publication,
      )
      await reader.lock(tables)
      const byName = new Map(tables.map((table) => [table.stream, table]))
      const rows = (stream: string): AsyncIterable<BlockPart> => {
        const table = byName.get(stream)
        if (table === undefined) {
          throw new SluiceError('SLU-SRC-1206', { message: `${stream} is not in this view` })
        }
        return reader.rows(table, this.#schemas.fromTable(table, types), VIEW_BUFFER_BYTES)
      }
      return {
        position: snapshot.position,
        rows,
        [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
      }
    } catch (error) {
      await reader[Symbol.asyncDispose]()
      throw postgresError(error, 'opening a view of Postgres')
    }
  }
}
