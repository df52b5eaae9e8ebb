/**
 * One run of the source: decides where to begin, copies what is not complete, then follows the
 * slot.
 */

import type {
  SourceBlock,
  SourceProgress,
  SourceSession,
  SourceWarning,
} from '../../src/contracts/index.ts'
import {
  isSluiceError,
  SluiceError,
  type SourcePosition,
  type SplitId,
} from '../../src/model/index.ts'
import { BesideCopy } from './beside-copy.ts'
import {
  quote,
  readAttributes,
  readFlushLsn,
  readSlot,
  readSlotWalLimit,
  readTypes,
  type TableFacts,
} from './catalog.ts'
import { postgresError } from './errors.ts'
import { statusInterval } from './feedback.ts'
import { type CopyHost, FirstCopy } from './first-copy.ts'
import { formatLsn, parseLsn } from './lsn.ts'
import { streamName } from './names.ts'
import {
  copyStreams,
  needsCopy,
  noteTables,
  type Opening,
  openServer,
  type SessionOptions,
} from './opening.ts'
import type { RelationMessage, ResolvedRelation } from './pgoutput.ts'
import { findStrays, strayError } from './publication.ts'
import { selectTables } from './selection.ts'
import { requireNotMoved } from './slot.ts'
import { SPLIT, StreamReader } from './stream-reader.ts'
import type { TypeCatalog } from './types.ts'
import { walWarning } from './wal-budget.ts'

/** Errors after which the server had better keep transactions in progress itself. */
const SPOOL_CODES = ['SLU-SRC-1224', 'SLU-SRC-1225'] as const
/** What looking at the tables may find. */
const LOOK_CODES = ['SLU-SRC-1216', 'SLU-SRC-1234', 'SLU-SRC-1235'] as const
/** First version that sends transactions in progress. */
const STREAMING_VERSION_MIN = 140000
const SLOT_RETRY_MS = 250
/** A commit is in the stream a moment before other connections see what it did. */
const CATALOG_RETRY_MS = 50
const CATALOG_TRIES_MAX = 40
const END_POLL_MS = 2000

/** Opens a session. Throws coded errors. */
export async function openSession(options: SessionOptions): Promise<SourceSession> {
  return new PostgresSession(options, await openServer(options))
}

/** The running session. */
class PostgresSession implements SourceSession {
  readonly #options: SessionOptions
  readonly #opening: Opening
  readonly #stop = new AbortController()
  readonly #copy: FirstCopy
  readonly #beside: BesideCopy
  /** Stream → position below which its changes are known already. */
  readonly #resume = new Map<string, SourcePosition>()
  readonly #tablesById = new Map<number, TableFacts>()
  readonly #tablesByName = new Map<string, TableFacts>()
  #types: TypeCatalog
  #reader: StreamReader | null = null
  #endPosition: SourcePosition | null = null
  #warning: SourceWarning | null = null
  /** Acknowledged before the stream began. */
  #acknowledged: SourcePosition = 0n
  /** The streams are others by now: the session ends here. */
  #endAt: SourcePosition | null = null
  /** Every table is copied, but for those that are copied beside the stream. */
  #isCopied = false
  /** The stream told of a table that is not read and that the patterns may choose. */
  #hasUnknown = false
  #isOutdated = false
  /** What keeps tables from being read that the patterns choose. */
  #waiting: readonly SourceWarning[] = []
  #pollTask: Promise<void> = Promise.resolve()
  #closing: Promise<void> | null = null

  constructor(options: SessionOptions, opening: Opening) {
    this.#options = options
    this.#opening = opening
    this.#types = opening.types
    for (const [stream, cursor] of opening.streams) {
      if (cursor !== null && !needsCopy(cursor)) this.#resume.set(stream, cursor.nextPosition)
    }
    for (const table of opening.tables) {
      this.#noteTable(table)
      const cursor = opening.streams.get(table.stream) ?? null
      const goesOn = cursor !== null && (!needsCopy(cursor) || cursor.identity.copied !== undefined)
      const held = options.request.columns?.get(table.stream) ?? []
      const attnums = held.flatMap(({ id }) => id ?? [])
      const known =
        goesOn && attnums.length > 0
          ? held.filter(({ isGone }) => !isGone)
          : options.schemas.columnsOf(table, opening.types)
      options.schemas.know(table.oid, known, Math.max(0, ...attnums))
    }
    const host: CopyHost = {
      tableOf: (stream) => this.#tablesByName.get(stream) as TableFacts,
      refresh: (table) => this.#noteTable(table),
      resumeAt: (stream, position) => this.#resume.set(stream, position),
      settle: async (tables) => {
        await this.#knowTypes(tables.flatMap(({ columns }) => columns))
        await opening.untold.settle(tables)
      },
      unsettled: (tables) => opening.untold.changed(tables),
      schemaOf: (table) => options.schemas.fromTable(table, this.#types),
      openStream: (bufferBytesMax) => this.#startStream(bufferBytesMax),
    }
    // Where nothing is followed yet, nobody waits for the copies.
    const copies = copyStreams(opening.streams)
    const isFollowing =
      options.settings.snapshot.mode !== 'initial_only' && copies.length < opening.streams.size
    this.#copy = new FirstCopy(options, opening, host, isFollowing ? [] : copies)
    this.#beside = new BesideCopy(options, opening, host, isFollowing ? copies : [])
  }

  get copiesAgain(): readonly string[] {
    const { streams } = this.#options.request
    return copyStreams(this.#opening.streams).filter(
      (stream) => !needsCopy(streams.get(stream) ?? null),
    )
  }

  async *blocks(): AsyncGenerator<SourceBlock, void> {
    const { signal, memory } = this.#options.request
    const { mode } = this.#options.settings.snapshot
    try {
      if (mode !== 'initial_only') await noteTables(memory, this.#opening.tables)
      this.#pollTask = this.#pollEnd()
      const beyond = this.#copy.isNeeded ? yield* this.#copy.blocks() : null
      this.#isCopied = true
      if (mode === 'initial_only') return
      if (beyond !== null) yield beyond
      const { isNeeded } = this.#beside
      if (isNeeded) yield* this.#beside.begin()
      const { bufferBytesMax } = this.#options.request
      // The copies take the other half.
      const reader = this.#reader ?? (await this.#startStream(bufferBytesMax / (isNeeded ? 2 : 1)))
      for (;;) {
        const block = await reader.next()
        if (block === null) return
        yield* this.#beside.follow(block)
        if (this.#endAt !== null && block.endsTransaction && block.nextPosition >= this.#endAt) {
          this.#isOutdated = true
          return
        }
      }
    } catch (error) {
      if (signal.aborted || this.#stop.signal.aborted) return
      if (SPOOL_CODES.some((code) => isSluiceError(error, code))) this.#options.onSpoolFull()
      throw postgresError(error, 'reading from Postgres')
    } finally {
      await this.close()
    }
  }

  async *copyBlocks(): AsyncGenerator<SourceBlock, void> {
    const { signal } = this.#options.request
    try {
      yield* this.#beside.blocks()
    } catch (error) {
      if (signal.aborted || this.#stop.signal.aborted) return
      throw postgresError(error, 'copying from Postgres')
    }
  }

  get isOutdated(): boolean {
    return this.#isOutdated
  }

  acknowledge(_split: SplitId, nextPosition: SourcePosition): void {
    if (nextPosition > this.#acknowledged) this.#acknowledged = nextPosition
    this.#reader?.acknowledge(nextPosition)
  }

  progress(): SourceProgress {
    const streamEnd = this.#reader?.serverEnd ?? null
    const polled = this.#endPosition
    const end = streamEnd === null || (polled ?? 0n) > streamEnd ? polled : streamEnd
    return {
      ends: new Map(end === null ? [] : [[SPLIT, end]]),
      copies: [...this.#copy.progress(), ...this.#beside.progress()],
      warnings: [...(this.#warning === null ? [] : [this.#warning]), ...this.#waiting],
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

  #noteTable(table: TableFacts): void {
    this.#tablesById.set(table.oid, table)
    this.#tablesByName.set(table.stream, table)
  }

  async #end(): Promise<void> {
    this.#stop.abort()
    this.#beside.end()
    await this.#reader?.close()
    await Promise.all([this.#opening.replication.close(), this.#opening.connection.close()])
    await this.#pollTask
  }

  async #startStream(bufferBytesMax: number): Promise<StreamReader> {
    const { settings, context, names, request } = this.#options
    const { replication, server, identity } = this.#opening
    const startPosition = [...this.#resume.values()].reduce((left, right) =>
      right < left ? right : left,
    )
    const reader = new StreamReader({
      socket: replication.takeSocket(),
      clock: context.clock,
      startPosition,
      confirmedPosition: this.#opening.confirmedPosition,
      resolve: (relation) => this.#resolve(relation),
      learn: (relation) => this.#learn(relation),
      identity,
      bufferBytesMax,
      spoolFolder: request.spoolFolder,
      spoolBytesMax: settings.spoolBytesMax,
      statusIntervalMs: statusInterval(settings.statusIntervalMs, server.walSenderTimeoutMs),
      receiveTimeoutMs: settings.receiveTimeoutMs,
    })
    const publications = quote(names.publication).replaceAll("'", "''")
    const statement =
      `START_REPLICATION SLOT ${quote(names.slot)} LOGICAL ${formatLsn(startPosition)}` +
      ` (${this.#protocolOptions()}, publication_names '${publications}')`
    await this.#startWhenFree(reader, statement)
    this.#reader = reader
    const slot = await readSlot(this.#opening.connection, names.slot)
    if (slot !== null && slot.confirmedFlushLsn !== null) {
      requireNotMoved(names.slot, parseLsn(slot.confirmedFlushLsn), startPosition)
    }
    reader.acknowledge(this.#acknowledged)
    return reader
  }

  /** Version 2 is the first with transactions in progress; later ones add nothing for us. */
  #protocolOptions(): string {
    const { mayStream, settings } = this.#options
    const { versionNumber } = this.#opening.server
    const isStreaming =
      mayStream && settings.streaming === 'on' && versionNumber >= STREAMING_VERSION_MIN
    return isStreaming ? "proto_version '2', streaming 'on'" : "proto_version '1'"
  }

  /**
   * A killed predecessor's sender needs a moment to notice; a living one does not go away: fenced.
   */
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

  /** Looks up today's attributes of the table that a relation message is about. */
  async #learn(relation: RelationMessage): Promise<void> {
    const table = this.#tablesById.get(relation.id)
    if (table === undefined) return
    const { connection } = this.#opening
    if (this.#isFollowed(table)) await this.#lookForUntold([table])
    const types = await this.#knowTypes(relation.columns)
    const { context, schemas } = this.#options
    for (let left = CATALOG_TRIES_MAX; ; left--) {
      const attributes = await readAttributes(connection, relation.id)
      if (schemas.learn(relation, attributes, types, left === 0)) return
      await context.clock.sleep(CATALOG_RETRY_MS, this.#stop.signal)
    }
  }

  /** Types that were made meanwhile are looked up; those that were dropped stay known. */
  async #knowTypes(columns: readonly { readonly typeOid: number }[]): Promise<TypeCatalog> {
    if (columns.some(({ typeOid }) => !this.#types.has(typeOid))) {
      this.#types = new Map([...this.#types, ...(await readTypes(this.#opening.connection))])
    }
    return this.#types
  }

  #isFollowed({ stream }: TableFacts): boolean {
    if (!needsCopy(this.#opening.streams.get(stream) ?? null)) return true
    return this.#isCopied && !this.#beside.isCopying(stream)
  }

  /** Where a table must be copied again, the session ends; the next one finds it too. */
  async #lookForUntold(tables: readonly TableFacts[]): Promise<void> {
    const { connection, untold } = this.#opening
    const again = await untold.look(tables)
    if (again.length > 0) this.#endAt ??= parseLsn(await readFlushLsn(connection))
  }

  /** Which schema a relation message means for us; tables that nobody asked for are not read. */
  #resolve(relation: RelationMessage): ResolvedRelation | null {
    const name = streamName(relation.schemaName, relation.tableName)
    const table = this.#tablesById.get(relation.id) ?? this.#tablesByName.get(name)
    const resumePosition = table === undefined ? undefined : this.#resume.get(table.stream)
    if (table === undefined) this.#hasUnknown = this.#options.request.selection !== undefined
    if (table !== undefined && table.stream !== name && this.#isMatched(table)) {
      // It was renamed: what follows belongs to the other name.
      this.#hasUnknown = true
      return null
    }
    if (table === undefined || resumePosition === undefined) return null
    const schema = this.#options.schemas.fromRelation(relation, table, this.#types)
    return { schema, resumePosition }
  }

  #isMatched({ stream }: TableFacts): boolean {
    return this.#options.request.matched?.has(stream) === true
  }

  /** Says so once when the budget runs low, and once when it is well again. */
  async #lookAtBudget(): Promise<void> {
    const { settings, context, names } = this.#options
    const { connection } = this.#opening
    const slot = await readSlot(connection, names.slot)
    const warning = walWarning({
      slot: names.slot,
      leftBytes: slot?.safeWalBytes ?? null,
      limitBytes: await readSlotWalLimit(connection),
      warnShare: settings.walBudgetWarn,
    })
    if (warning !== null && this.#warning === null) {
      const { message, ...fields } = warning
      context.telemetry.log('warn', message, { pipeline: context.pipeline, ...fields })
    }
    if (warning === null && this.#warning !== null) {
      const fields = { pipeline: context.pipeline, slot: names.slot }
      context.telemetry.log('info', 'the slot has WAL enough again', fields)
    }
    this.#warning = warning
  }

  /**
   * Tables that came, went or left the publication. Where patterns chose them the session ends,
   * once it has yielded what was written before: the next one begins with what there is then.
   * Throws SLU-SRC-1216 for a named table that is not the same any more.
   */
  async #lookAtTables(): Promise<void> {
    const { names, request, settings, context } = this.#options
    const { connection, tables, streams } = this.#opening
    const name = names.publication
    const strays =
      this.#reader === null ? [] : await findStrays({ connection, name, tables, note: null })
    const named = strays.find(({ stream }) => request.matched?.has(stream) !== true)
    if (named !== undefined) throw strayError(named, name)
    const came: string[] = []
    if (request.selection !== undefined) {
      const { patterns, known } = request.selection
      const mayChange = settings.createPublication
      const found = await selectTables({ connection, patterns, publication: name, mayChange })
      this.#noteWaiting([...found.warnings, ...found.waiting])
      const isNew = ({ stream }: TableFacts): boolean => !streams.has(stream) && !known.has(stream)
      // They wait for a copy that would have to begin from empty again.
      const ready = this.#beside.isLostAtEnd ? [] : found.ready
      came.push(...ready.filter(isNew).map(({ stream }) => stream))
    }
    if (this.#reader === null) return
    await this.#lookForUntold(tables.filter((table) => this.#isFollowed(table)))
    if (strays.length + came.length === 0) return
    this.#endAt = parseLsn(await readFlushLsn(connection))
    context.telemetry.log('info', 'the tables are others by now: reading begins anew', {
      pipeline: context.pipeline,
      came: came.join(', '),
      went: strays.map(({ message }) => message).join(', '),
    })
  }

  /** Each is told once, and shown until it is over. */
  #noteWaiting(warnings: readonly SourceWarning[]): void {
    const { telemetry, pipeline } = this.#options.context
    const told = new Set(this.#waiting.map(({ message }) => message))
    for (const { message, ...fields } of warnings) {
      if (!told.has(message)) telemetry.log('warn', message, { pipeline, ...fields })
    }
    this.#waiting = warnings
  }

  /**
   * Where the server's log ends, for progress; failures of the connection show on the stream
   * itself. A table that leaves the publication falls silent, which nothing in the stream tells: so
   * that is asked for.
   */
  async #pollEnd(): Promise<void> {
    const { clock, telemetry } = this.#options.context
    const { connection } = this.#opening
    const { signal } = this.#stop
    const { heartbeatIntervalMs, discoverIntervalMs } = this.#options.settings
    const pollMs = Math.min(END_POLL_MS, discoverIntervalMs)
    let lastBeatMs = clock.monotonicMs()
    let lastLookMs = Number.NEGATIVE_INFINITY
    while (!signal.aborted) {
      try {
        if (heartbeatIntervalMs > 0 && clock.monotonicMs() - lastBeatMs >= heartbeatIntervalMs) {
          lastBeatMs = clock.monotonicMs()
          // Not transactional: it takes no transaction id of the server.
          await connection.query("SELECT pg_logical_emit_message(false, 'sluice', '')")
        }
        this.#endPosition = parseLsn(await readFlushLsn(connection))
        await this.#lookAtBudget()
        const isDue = clock.monotonicMs() - lastLookMs >= discoverIntervalMs || this.#hasUnknown
        if (isDue && this.#endAt === null) {
          lastLookMs = clock.monotonicMs()
          this.#hasUnknown = false
          await this.#lookAtTables()
        }
      } catch (error) {
        const ends = LOOK_CODES.some((code) => isSluiceError(error, code))
        if (ends) this.#reader?.fail(error as SluiceError)
        telemetry.log('debug', 'the end of the log is not known', { error: String(error) })
        return
      }
      await clock.sleep(pollMs, signal)
    }
  }
}

/**
 * 55000 at this point: the slot was invalidated after it had been looked at. 42704: it was dropped.
 */
function startRefused(found: SluiceError, slot: string): SluiceError {
  return new SluiceError('SLU-SRC-1211', {
    message: found.message,
    context: { ...found.context, slot },
    cause: found,
  })
}
