/** One run of the source: decides where to begin, copies what is not complete, then follows the slot. */

import type {
  CopyProgress,
  SourceBlock,
  SourceContext,
  SourceProgress,
  SourceSession,
  SourceStart,
} from '../../src/contracts/index.ts'
import {
  type Cursor,
  type JsonObject,
  SluiceError,
  type SourcePosition,
  type StreamSchema,
} from '../../src/model/index.ts'
import {
  quote,
  quotedTable,
  readFlushLsn,
  readServer,
  readSlot,
  readTypes,
  requireTables,
  type ServerFacts,
  type TableFacts,
} from './catalog.ts'
import { type Connection, connect } from './connection.ts'
import { postgresError } from './errors.ts'
import { statusInterval } from './feedback.ts'
import { formatLsn, parseLsn } from './lsn.ts'
import type { RelationMessage, ResolvedRelation } from './pgoutput.ts'
import { ensurePublication } from './publication.ts'
import type { SchemaRegistry } from './schemas.ts'
import { planSlot, type ServerIdentity, type SlotPlan, slotIdentity } from './slot.ts'
import { createSlot, type ExportedSnapshot, SnapshotReader } from './snapshot-copy.ts'
import type { PostgresSettings } from './spec.ts'
import { SPLIT, SPLIT_NUMBER, StreamReader } from './stream-reader.ts'
import type { TypeCatalog } from './types.ts'

/** What a session is opened with. */
export interface SessionOptions {
  readonly settings: PostgresSettings
  readonly context: SourceContext
  readonly names: { readonly slot: string; readonly publication: string }
  readonly schemas: SchemaRegistry
  readonly request: SourceStart
}

/** Oldest server whose publications can publish through the partition root. */
const VERSION_MIN = 130000
const SLOT_RETRY_MS = 250
const END_POLL_MS = 2000

interface CopyState {
  rowsCopied: number
  readonly rowsExpected: number | null
  complete: boolean
}

/** Everything that is known when the session opens. */
interface Opening {
  readonly connection: Connection
  readonly replication: Connection
  readonly server: ServerFacts
  readonly identity: JsonObject
  readonly tables: readonly TableFacts[]
  readonly types: TypeCatalog
  /** Snapshot of the slot that was just made; null when the slot was there. */
  readonly snapshot: ExportedSnapshot | null
}

/** Opens a session: connects, checks the server, decides about the slot. Throws coded errors. */
export async function openSession(options: SessionOptions): Promise<SourceSession> {
  const { settings, context, request } = options
  const purpose = { settings, context, signal: request.signal }
  const connection = await connect({ ...purpose, replication: false })
  let replication: Connection | null = null
  try {
    const server = await readServer(connection)
    requireUsableServer(server)
    replication = await connect({ ...purpose, replication: true })
    const opening = await openSlot(options, connection, replication, server)
    return new PostgresSession(options, opening)
  } catch (error) {
    await replication?.close()
    await connection.close()
    throw postgresError(error, 'opening the Postgres source')
  }
}

/** Throws SLU-SRC-1203 and 1221. */
export function requireUsableServer(server: ServerFacts): void {
  if (server.versionNumber < VERSION_MIN) {
    throw new SluiceError('SLU-SRC-1221', {
      message: `the server is version ${Math.floor(server.versionNumber / 10000)}; 13 is the oldest supported`,
    })
  }
  if (server.isStandby) {
    throw new SluiceError('SLU-SRC-1221', {
      message: 'the server is a standby; copy and stream must come from the primary',
      remedy: 'Point the url of the source at the primary.',
    })
  }
  if (server.walLevel !== 'logical') {
    throw new SluiceError('SLU-SRC-1203', {
      message: `wal_level is ${server.walLevel}`,
      context: { walLevel: server.walLevel },
    })
  }
}

async function openSlot(
  options: SessionOptions,
  connection: Connection,
  replication: Connection,
  server: ServerFacts,
): Promise<Opening> {
  const { settings, context, names, request } = options
  const streams = [...request.streams.keys()]
  const cursors = [...request.streams.values()].filter((cursor) => cursor !== null)
  const system = await identifySystem(replication)
  const plan = planSlot({
    slot: names.slot,
    database: system.database,
    server: system.identity,
    note: await request.memory.read(),
    found: await readSlot(connection, names.slot),
    cursors,
  })
  const needsCopy = copyStreams(request).length > 0
  const wanted = await requireTables(connection, streams)
  await ensurePublication({
    connection,
    name: names.publication,
    tables: wanted,
    mayChange: settings.createPublication,
    versionNumber: server.versionNumber,
    telemetry: context.telemetry,
  })
  if (needsCopy) await lockTables(connection, wanted)
  const snapshot = await makeSlot(options, connection, replication, plan, system.identity)
  return {
    connection,
    replication,
    server,
    identity: slotIdentity(names.slot, system.identity),
    tables: needsCopy ? await requireTables(connection, streams) : wanted,
    types: await readTypes(connection),
    snapshot,
  }
}

/**
 * Held until the copies are over: a table that is rewritten between the snapshot and its copy would look
 * empty under the snapshot, and its rows would be lost without a word.
 */
async function lockTables(connection: Connection, tables: readonly TableFacts[]): Promise<void> {
  await connection.query('BEGIN')
  await connection.query(`LOCK TABLE ${tables.map(quotedTable).join(', ')} IN ACCESS SHARE MODE`)
}

/** Makes the slot when there is none. The note stands before the slot, so that a crash between is known. */
async function makeSlot(
  options: SessionOptions,
  connection: Connection,
  replication: Connection,
  plan: SlotPlan,
  server: ServerIdentity,
): Promise<ExportedSnapshot | null> {
  const { names, request, context } = options
  if (plan.kind === 'use') return null
  const note = { kind: 'postgres', ...slotIdentity(names.slot, server) }
  await request.memory.write({ ...note, publication: names.publication, state: 'creating' })
  if (plan.kind === 'replace') {
    await connection.query('SELECT pg_drop_replication_slot($1)', [names.slot])
  }
  const snapshot = await createSlot(replication, names.slot, false)
  await request.memory.write({
    ...note,
    publication: names.publication,
    state: 'created',
    consistentLsn: formatLsn(snapshot.position),
  })
  context.telemetry.log('info', 'made the replication slot', {
    slot: names.slot,
    position: formatLsn(snapshot.position),
  })
  return snapshot
}

async function identifySystem(
  replication: Connection,
): Promise<{ identity: ServerIdentity; database: string }> {
  const rows = await replication.query<{
    systemid: string
    /** int4 until version 14, int8 (as text) since. */
    timeline: number | string
    dbname: string
  }>('IDENTIFY_SYSTEM')
  const { systemid, timeline, dbname } = rows[0]!
  return { identity: { systemIdentifier: systemid, timeline: Number(timeline) }, database: dbname }
}

function copyStreams(request: SourceStart): string[] {
  return [...request.streams].filter(([, cursor]) => needsCopy(cursor)).map(([stream]) => stream)
}

function needsCopy(cursor: Cursor | null): boolean {
  return cursor === null || cursor.phase === 'copy'
}

/** The running session. */
class PostgresSession implements SourceSession {
  readonly #options: SessionOptions
  readonly #opening: Opening
  readonly #stop = new AbortController()
  readonly #copies = new Map<string, CopyState>()
  /** Stream → position below which its changes are known already. */
  readonly #resume = new Map<string, SourcePosition>()
  readonly #tablesById = new Map<number, TableFacts>()
  readonly #tablesByName = new Map<string, TableFacts>()
  #reader: StreamReader | null = null
  #endPosition: SourcePosition | null = null
  /** Acknowledged before the stream began. */
  #acknowledged: SourcePosition = 0n
  #pollTask: Promise<void> = Promise.resolve()
  #closing: Promise<void> | null = null

  constructor(options: SessionOptions, opening: Opening) {
    this.#options = options
    this.#opening = opening
    for (const [stream, cursor] of options.request.streams) {
      if (cursor !== null && !needsCopy(cursor)) this.#resume.set(stream, cursor.nextPosition)
    }
    for (const table of opening.tables) {
      this.#tablesById.set(table.oid, table)
      this.#tablesByName.set(table.stream, table)
    }
    for (const stream of copyStreams(options.request)) {
      const rowsExpected = this.#tablesByName.get(stream)?.rowsEstimated ?? null
      this.#copies.set(stream, { rowsCopied: 0, rowsExpected, complete: false })
    }
  }

  async *blocks(): AsyncGenerator<SourceBlock, void> {
    const { signal } = this.#options.request
    this.#pollTask = this.#pollEnd()
    try {
      if (this.#copies.size > 0) yield* this.#copyAll()
      const reader = await this.#startStream()
      for (;;) {
        const block = await reader.next()
        if (block === null) return
        yield block
      }
    } catch (error) {
      if (signal.aborted || this.#stop.signal.aborted) return
      throw postgresError(error, 'reading from Postgres')
    } finally {
      await this.close()
    }
  }

  acknowledge(nextPosition: SourcePosition): void {
    if (nextPosition > this.#acknowledged) this.#acknowledged = nextPosition
    this.#reader?.acknowledge(nextPosition)
  }

  progress(): SourceProgress {
    const streamEnd = this.#reader?.serverEnd ?? null
    const polled = this.#endPosition
    return {
      endPosition: streamEnd === null || (polled ?? 0n) > streamEnd ? polled : streamEnd,
      copies: [...this.#copies].map(([stream, copy]) => ({ stream, ...copy })),
    }
  }

  /** Ends reading and closes every connection; idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    this.#stop.abort()
    await this.#reader?.close()
    await Promise.all([this.#opening.replication.close(), this.#opening.connection.close()])
    await this.#pollTask
  }

  /**
   * Copies every stream that is not complete. The last block waits until locks and snapshot are given back:
   * a consumer may take its time with it.
   */
  async *#copyAll(): AsyncGenerator<SourceBlock, void> {
    const { settings, context, request } = this.#options
    let last: SourceBlock | null = null
    {
      const snapshot = await this.#exportSnapshot()
      await using reader = await SnapshotReader.open(settings, context, snapshot, request.signal)
      await snapshot.free?.()
      for (const [stream, copy] of this.#copies) {
        for await (const block of this.#copyTable(reader, this.#tablesByName.get(stream)!, copy)) {
          if (last !== null) yield last
          last = block
        }
        this.#resume.set(stream, snapshot.position)
      }
    }
    await this.#opening.connection.query('COMMIT')
    if (last !== null) yield last
  }

  /** That of the slot just made, or of a temporary one, which is dropped by `free`. */
  async #exportSnapshot(): Promise<ExportedSnapshot & { free?: () => Promise<void> }> {
    const { settings, context, request } = this.#options
    if (this.#opening.snapshot !== null) return this.#opening.snapshot
    const purpose = { settings, context, replication: true, signal: request.signal }
    const temporary = await connect(purpose)
    try {
      const snapshot = await createSlot(temporary, temporarySlotName(context), true)
      return { ...snapshot, free: () => temporary.close() }
    } catch (error) {
      await temporary.close()
      throw error
    }
  }

  /** The last part is held back until it is known to be the last: it carries `complete`. */
  async *#copyTable(
    reader: SnapshotReader,
    table: TableFacts,
    state: CopyState,
  ): AsyncGenerator<SourceBlock, void> {
    const { schemas, context, request } = this.#options
    const schema = schemas.fromTable(table, this.#opening.types)
    const attempt = context.clock.uuid()
    let first = true
    let held: SourceBlock['parts'] = []
    for await (const part of reader.rows(table, schema, request.bufferBytesMax)) {
      if (held.length > 0) {
        yield this.#copyBlock(reader, held, { ...progress(schema, attempt, state, held), first })
        first = false
      }
      held = [part]
    }
    state.complete = true
    yield this.#copyBlock(reader, held, { ...progress(schema, attempt, state, held), first })
  }

  #copyBlock(reader: SnapshotReader, parts: SourceBlock['parts'], copy: CopyProgress): SourceBlock {
    return {
      split: SPLIT,
      splitNumber: SPLIT_NUMBER,
      parts,
      nextPosition: reader.position,
      endsTransaction: true,
      copy,
      identity: this.#opening.identity,
      sourceTimeMicros: reader.timeMicros,
    }
  }

  async #startStream(): Promise<StreamReader> {
    const { settings, context, names, request } = this.#options
    const { replication, server, identity } = this.#opening
    const startPosition = [...this.#resume.values()].reduce((left, right) =>
      right < left ? right : left,
    )
    const reader = new StreamReader({
      socket: replication.takeSocket(),
      clock: context.clock,
      startPosition,
      resolve: (relation) => this.#resolve(relation),
      identity,
      bufferBytesMax: request.bufferBytesMax,
      statusIntervalMs: statusInterval(settings.statusIntervalMs, server.walSenderTimeoutMs),
      receiveTimeoutMs: settings.receiveTimeoutMs,
    })
    const statement =
      `START_REPLICATION SLOT ${quote(names.slot)} LOGICAL ${formatLsn(startPosition)}` +
      ` (proto_version '1', publication_names '${quote(names.publication).replaceAll("'", "''")}')`
    await this.#startWhenFree(reader, statement)
    this.#reader = reader
    reader.acknowledge(this.#acknowledged)
    return reader
  }

  /** A killed predecessor's sender needs a moment to notice; a living one does not go away: fenced. */
  async #startWhenFree(reader: StreamReader, statement: string): Promise<void> {
    const { settings, context, names, request } = this.#options
    const giveUpAtMs = context.clock.monotonicMs() + settings.slotWaitMs
    for (;;) {
      try {
        await reader.start(statement)
        return
      } catch (error) {
        const found = postgresError(error, 'starting the stream')
        const isBusy = found.code === 'SLU-SRC-1215'
        if (isBusy && context.clock.monotonicMs() < giveUpAtMs) {
          await context.clock.sleep(SLOT_RETRY_MS, request.signal)
          if (!request.signal.aborted) continue
        }
        await reader.close()
        throw found.code === 'SLU-SRC-1203' || found.context.sqlState === '42704'
          ? startRefused(found, names.slot)
          : found
      }
    }
  }

  /** Which schema a relation message means for us; tables that nobody asked for are not read. */
  #resolve(relation: RelationMessage): ResolvedRelation | null {
    const name = `${relation.schemaName}.${relation.tableName}`
    const table = this.#tablesById.get(relation.id) ?? this.#tablesByName.get(name)
    const resumePosition = table === undefined ? undefined : this.#resume.get(table.stream)
    if (table === undefined || resumePosition === undefined) return null
    const schema = this.#options.schemas.fromRelation(relation, table, this.#opening.types)
    return { schema, resumePosition }
  }

  /** Where the server's log ends, for progress only: failures show on the stream itself. */
  async #pollEnd(): Promise<void> {
    const { clock, telemetry } = this.#options.context
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        this.#endPosition = parseLsn(await readFlushLsn(this.#opening.connection))
      } catch (error) {
        telemetry.log('debug', 'the end of the log is not known', { error: String(error) })
        return
      }
      await clock.sleep(END_POLL_MS, signal)
    }
  }
}

/** 55000 at this point: the slot was invalidated after it had been looked at. 42704: it was dropped. */
function startRefused(found: SluiceError, slot: string): SluiceError {
  return new SluiceError('SLU-SRC-1211', {
    message: found.message,
    context: { ...found.context, slot },
    cause: found,
  })
}

/** Name of a slot that lives as long as one connection. */
export function temporarySlotName(context: SourceContext): string {
  return `sluice_view_${context.clock.uuid().replaceAll('-', '').slice(0, 16)}`
}

function progress(
  schema: StreamSchema,
  attempt: string,
  state: CopyState,
  parts: SourceBlock['parts'],
): CopyProgress {
  for (const part of parts) state.rowsCopied += part.recordCount
  return {
    stream: schema.stream,
    attempt,
    first: false,
    complete: state.complete,
    rowsCopied: state.rowsCopied,
  }
}
