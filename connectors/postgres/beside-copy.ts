/**
 * Copies of tables that come while others are followed: beside the stream, which they share.
 *
 * 1. From the server's end at the opening on, changes of such a table are yielded as those of any
 *    other: its cursor moves with the stream, and nothing of the slot is held for it.
 * 2. When the stream has come there, a snapshot is exported, at a position behind it.
 * 3. When the stream has passed that too, the rows as of the snapshot follow. Each is older than
 *    any change of its key that was or will be yielded, and counts only where there is none.
 *
 * A change that leaves values out needs its row. Before the snapshot it is dropped where the table
 * has none, since the row follows as of the snapshot. Behind it the row as of the snapshot comes
 * first. Of a table that only adds rows every change before the snapshot is left out here, since it
 * is in the rows. So changes of these kinds depend on the position of the snapshot: they wait while
 * that is decided and not known; one that did not and lies behind it makes the snapshot useless,
 * and another one is taken.
 */

import type { BlockPart, SourceBlock, SourceProgress } from '../../src/contracts/index.ts'
import { isSluiceError, SluiceError, type SourcePosition } from '../../src/model/index.ts'
import {
  readCopyRelations,
  readFlushLsn,
  readSlot,
  requireTables,
  type TableFacts,
} from './catalog.ts'
import { connect } from './connection.ts'
import { filesOf } from './copy-plan.ts'
import { type CopyHost, KEYS_PER_QUERY } from './first-copy.ts'
import { parseLsn } from './lsn.ts'
import { needsCopy, type Opening, type SessionOptions } from './opening.ts'
import { lastPosition, neededKeys, type RowKey, splitBlock, unsentKeys } from './part-lines.ts'
import { createSlot, SnapshotReader, temporarySlotName } from './snapshot-copy.ts'
import {
  type CopyWork,
  chunksOf,
  copiesRows,
  copyBlock,
  copyChunks,
  newCopy,
  progressOf,
  readRelations,
  type StreamCopy,
  schemaOf,
  takeUp,
} from './stream-copy.ts'

/** A change waits so long for a snapshot that is decided; the locks of tables may take longer. */
const HOLD_MS = 500
/**
 * Keys remembered of changes in part on the way to the snapshot of a copy that goes on; where there
 * are more, all of the table is read again.
 */
const KEYS_MAX = 100_000

/** Bytes of rows that changes need which wait in memory. */
const ROWS_BYTES_MAX = 4 * 2 ** 20

/** What the session does for the copies. */
export type BesideHost = Pick<
  CopyHost,
  'tableOf' | 'schemaOf' | 'settle' | 'unsettled' | 'resumeAt'
>

interface BesideStream {
  readonly copy: StreamCopy
  /** Rows that may stand before the place by now; null when there are too many. */
  keys: Map<string, RowKey> | null
  /** Rows are only added to its table. */
  readonly isAppended: boolean
  /** Its last block was taken. */
  isOver: boolean
}

/** The slot of the snapshot that is being opened; the two have one position. */
interface SlotOfSnapshot {
  readonly name: string
  isMade: boolean
}

interface OpenSnapshot extends AsyncDisposable {
  readonly position: SourcePosition
  /** Read chunks. */
  readonly readers: readonly SnapshotReader[]
  /** Reads the rows that changes need. */
  readonly rows: SnapshotReader
}

/** The copies of one session that run beside its stream. */
export class BesideCopy {
  readonly #work: CopyWork
  readonly #host: BesideHost
  readonly #streams = new Map<string, BesideStream>()
  readonly #stop = new AbortController()
  /** The stream has come to where the server was when the copies were registered. */
  readonly #caughtUp = Promise.withResolvers<void>()
  /** The stream has passed the snapshot. */
  readonly #passed = Promise.withResolvers<void>()
  #registeredAt: SourcePosition = 0n
  #opening: Promise<unknown> | null = null
  #slot: SlotOfSnapshot | null = null
  #snapshot: OpenSnapshot | null = null
  /** All that the stream yields from now on lies behind the snapshot. */
  #isBehind = false
  /** Everything before it was taken. */
  #taken: SourcePosition = 0n
  /** Position of the transaction of which a part was taken. */
  #openPosition: SourcePosition | null = null
  /** Position of the newest change that depends on the snapshot and did not wait for it. */
  #unguarded: SourcePosition = 0n

  constructor(
    options: SessionOptions,
    opening: Opening,
    host: BesideHost,
    streams: readonly string[],
  ) {
    const { tableOf, schemaOf: shapeOf } = host
    this.#work = { options, opening, isBeside: true, tableOf, schemaOf: shapeOf }
    this.#host = host
    for (const stream of streams) {
      const copy = newCopy(this.#work, stream)
      const hasKey = tableOf(stream).key.length > 0
      const isAppended = !hasKey || options.request.appended?.has(stream) === true
      this.#streams.set(stream, { copy, keys: new Map(), isAppended, isOver: false })
    }
  }

  get isNeeded(): boolean {
    return this.#streams.size > 0
  }

  /** The table behind the stream does not have all rows yet. */
  isCopying(stream: string): boolean {
    return this.#streams.get(stream)?.isOver === false
  }

  /** A copy is not complete that would begin from empty, were this session to end. */
  get isLostAtEnd(): boolean {
    return [...this.#streams.values()].some(({ copy, isAppended, isOver }) => {
      const cursor = this.#work.options.request.streams.get(copy.stream) ?? null
      const isReplacing =
        cursor !== null && (!needsCopy(cursor) || cursor.identity.copyAttempt === undefined)
      return !isOver && (isReplacing || isAppended)
    })
  }

  progress(): SourceProgress['copies'] {
    return progressOf([...this.#streams.values()].map(({ copy }) => copy))
  }

  /** Registers each table, with a block of its own where it begins from empty. */
  async *begin(): AsyncGenerator<SourceBlock, void> {
    const { connection } = this.#work.opening
    await this.#host.settle(this.#tables())
    this.#registeredAt = parseLsn(await readFlushLsn(connection))
    await this.#nudge()
    const at = { position: this.#registeredAt, timeMicros: null }
    for (const [stream, { copy }] of this.#streams) {
      const relations = await readCopyRelations(connection, this.#work.tableOf(stream))
      takeUp(this.#work, copy, filesOf(relations))
      this.#host.resumeAt(stream, copy.interrupted?.nextPosition ?? this.#registeredAt)
      if (copy.interrupted !== null) continue
      copy.complete = !copiesRows(this.#work)
      yield copyBlock(this.#work, copy, [], at)
      if (copy.complete) this.#streams.delete(stream)
    }
  }

  /** What to yield for a block of the stream. */
  async *follow(block: SourceBlock): AsyncGenerator<SourceBlock, void> {
    if (this.#streams.size === 0) {
      yield block
      return
    }
    await this.#holdBack(block)
    const snapshot = this.#snapshot
    if (snapshot === null || this.#stop.signal.aborted) {
      for (const part of this.#dependents(block)) {
        const position = lastPosition(part)
        if (position > this.#unguarded) this.#unguarded = position
      }
      yield* this.#before(block)
      return
    }
    if (this.#isBehind) {
      yield* this.#behind(block, snapshot)
      return
    }
    const { before, after } = splitBlock(block, snapshot.position)
    yield* this.#before(before)
    if (after === null) return
    this.#isBehind = true
    yield* this.#behind(after, snapshot)
  }

  /** What lies before the snapshot: rows that are only added follow with the others. */
  async *#before(block: SourceBlock): AsyncGenerator<SourceBlock, void> {
    this.#collect(block)
    const parts = block.parts.filter((part) => !this.#isAdded(part))
    yield* this.#noted(block, parts.length === block.parts.length ? block : { ...block, parts })
  }

  /** The block, after the rows as of the snapshot that its changes need. */
  async *#behind(block: SourceBlock, snapshot: OpenSnapshot): AsyncGenerator<SourceBlock, void> {
    for (const part of this.#partials(block)) {
      const found = this.#rowsOf(part.schema.stream, neededKeys(part), snapshot.rows)
      for await (const row of found) yield { ...block, parts: [row], endsTransaction: false }
    }
    yield* this.#noted(block, block)
  }

  /** The rows, once the stream has passed the snapshot. */
  async *blocks(): AsyncGenerator<SourceBlock, void> {
    if (this.#streams.size === 0) return
    await this.#caughtUp.promise
    const { signal } = this.#stop
    if (signal.aborted) return
    const opening = this.#openSnapshot()
    this.#opening = opening.catch(() => undefined)
    await using snapshot = await opening
    await this.#passed.promise
    if (signal.aborted) return
    try {
      for (const { copy, keys } of this.#streams.values()) {
        if (copy.interrupted === null) continue
        if (keys === null) beginAnew(copy)
        else yield* this.#moved(copy, keys, snapshot)
      }
      const { bufferBytesMax } = this.#work.options.request
      const bytesMax = bufferBytesMax / 2 / snapshot.readers.length
      const copies = [...this.#streams.values()].map(({ copy }) => copy)
      for await (const block of copyChunks(this.#work, copies, snapshot.readers, bytesMax)) {
        yield block
        const stream = block.copy?.complete === true && this.#streams.get(block.copy.stream)
        // Only now the table has all rows that changes may be about.
        if (stream) stream.isOver = true
      }
    } finally {
      this.#snapshot = null
    }
  }

  /** Lets go who waits; idempotent. */
  end(): void {
    this.#stop.abort()
    this.#caughtUp.resolve()
    this.#passed.resolve()
  }

  /**
   * Once the snapshot is decided, a change that depends on it waits for it, for a moment. Before,
   * nobody waits: making the slot takes as long as the oldest transaction of the server.
   */
  async #holdBack(block: SourceBlock): Promise<void> {
    if (this.#opening === null || this.#snapshot !== null) return
    if (this.#dependents(block).length === 0 || !(await this.#isDecided())) return
    const { clock } = this.#work.options.context
    const over = new AbortController()
    const signal = AbortSignal.any([this.#stop.signal, over.signal])
    await Promise.race([this.#opening, clock.sleep(HOLD_MS, signal)])
    over.abort()
  }

  /** A slot has a position from the moment at which it is consistent. */
  async #isDecided(): Promise<boolean> {
    const slot = this.#slot
    if (slot === null || slot.isMade) return slot !== null
    const found = await readSlot(this.#work.opening.connection, slot.name)
    return slot.isMade || (found !== null && found.confirmedFlushLsn !== null)
  }

  /** Rows of changes that make a difference between before and behind the snapshot. */
  #dependents(block: SourceBlock): readonly BlockPart[] {
    return block.parts.filter((part) => this.#isAdded(part) || this.#isPartial(part))
  }

  #partials(block: SourceBlock): readonly BlockPart[] {
    return block.parts.filter((part) => this.#isPartial(part))
  }

  #isPartial({ partialCount, schema: { stream } }: BlockPart): boolean {
    const found = this.#streams.get(stream)
    return partialCount > 0 && found?.isOver === false && !found.isAppended
  }

  #isAdded({ recordCount, schema: { stream } }: BlockPart): boolean {
    const found = this.#streams.get(stream)
    return recordCount > 0 && found?.isOver === false && found.isAppended
  }

  /** Notes that the block was taken; its bytes belong to the taker then. */
  async *#noted(block: SourceBlock, yielded: SourceBlock): AsyncGenerator<SourceBlock, void> {
    const { endsTransaction, nextPosition, parts } = block
    const last = parts.findLast(({ recordCount }) => recordCount > 0)
    const position = endsTransaction || last === undefined ? null : lastPosition(last)
    yield yielded
    if (endsTransaction) this.#taken = nextPosition
    this.#openPosition = position
    if (this.#taken >= this.#registeredAt) this.#caughtUp.resolve()
    this.#lookBehind()
  }

  #lookBehind(): void {
    if (this.#snapshot === null) return
    const { position } = this.#snapshot
    if (this.#taken >= position) this.#passed.resolve()
    const isBehind = this.#taken >= position || (this.#openPosition ?? 0n) >= position
    this.#isBehind ||= isBehind
  }

  /** Remembers which rows changed in part, where the copy does not read the whole table. */
  #collect(block: SourceBlock): void {
    for (const part of this.#partials(block)) {
      const stream = this.#streams.get(part.schema.stream) as BesideStream
      if (stream.copy.interrupted === null || stream.keys === null) continue
      for (const key of unsentKeys(part)) stream.keys.set(JSON.stringify(key), key)
      if (stream.keys.size > KEYS_MAX) stream.keys = null
    }
  }

  /** Rows that moved on the way to the snapshot, maybe before the place. */
  async *#moved(
    copy: StreamCopy,
    keys: ReadonlyMap<string, RowKey>,
    snapshot: OpenSnapshot,
  ): AsyncGenerator<SourceBlock, void> {
    // Changes may need the other connection meanwhile.
    const reader = snapshot.readers[0] as SnapshotReader
    for await (const row of this.#rowsOf(copy.stream, [...keys.values()], reader)) {
      yield copyBlock(this.#work, copy, [row], snapshot.rows)
    }
  }

  async *#rowsOf(
    stream: string,
    keys: readonly RowKey[],
    reader: SnapshotReader,
  ): AsyncGenerator<BlockPart, void> {
    const [table, schema] = [this.#work.tableOf(stream), schemaOf(this.#work, stream)]
    for (let from = 0; from < keys.length; from += KEYS_PER_QUERY) {
      const some = keys.slice(from, from + KEYS_PER_QUERY)
      yield* reader.rowsOf(table, schema, some, ROWS_BYTES_MAX)
    }
  }

  #tables(): readonly TableFacts[] {
    return [...this.#streams.keys()].map((stream) => this.#work.tableOf(stream))
  }

  /** Again and again, until one lies behind every change that should have waited for it. */
  async #openSnapshot(): Promise<OpenSnapshot> {
    for (;;) {
      const opened = await this.#tryOpen()
      if (this.#unguarded < opened.position) {
        this.#snapshot = opened
        this.#lookBehind()
        await this.#nudge()
        return opened
      }
      this.#slot = null
      await opened[Symbol.asyncDispose]()
      this.#stop.signal.throwIfAborted()
    }
  }

  /** An idle server tells how far it is only now and then: so it gets something to tell. */
  async #nudge(): Promise<void> {
    const { connection } = this.#work.opening
    await connection.query("SELECT pg_logical_emit_message(false, 'sluice', '')")
  }

  async #tryOpen(): Promise<OpenSnapshot> {
    const { settings, context, request } = this.#work.options
    const signal = AbortSignal.any([request.signal, this.#stop.signal])
    const open = new AsyncDisposableStack()
    try {
      await using temporary = await connect({ settings, context, replication: true, signal })
      const slot = { name: temporarySlotName(context), isMade: false }
      this.#slot = slot
      const snapshot = await createSlot(temporary, slot.name, true)
      slot.isMade = true
      const openReader = async (): Promise<SnapshotReader> => {
        const asked = { settings, context, snapshot, signal, op: 'b' } as const
        return open.use(await SnapshotReader.open(asked))
      }
      const rows = await openReader()
      await this.#lockTables(rows)
      const copies = [...this.#streams.values()].map(({ copy }) => copy)
      for (const copy of copies) await readRelations(this.#work, copy, rows)
      const readers: SnapshotReader[] = []
      const chunks = chunksOf(this.#work, copies)
      while (readers.length < settings.snapshot.parallel && !chunks.next().done) {
        const reader = await openReader()
        if (!(await reader.tryLock(this.#tables()))) break
        readers.push(reader)
      }
      if (readers.length === 0) throw this.#changedAtBegin([...this.#streams.keys()])
      const { position } = snapshot
      const dispose = () => open.disposeAsync()
      return { position, readers, rows, [Symbol.asyncDispose]: dispose }
    } catch (error) {
      await open.disposeAsync()
      throw error
    }
  }

  /**
   * From here on the tables keep their shape until the last is copied. They must be the ones of the
   * opening: the stream tells of another shape, and the rows must not come in it too soon. Throws
   * SLU-SRC-1217 and 1232.
   */
  async #lockTables(reader: SnapshotReader): Promise<void> {
    const { connection } = this.#work.opening
    const { request } = this.#work.options
    const tables = this.#tables()
    let now: readonly TableFacts[]
    try {
      await reader.lock(tables)
      now = await requireTables(connection, [...this.#streams.keys()])
    } catch (error) {
      const gone = await this.#findGone(connection, tables)
      if (gone === null || request.matched?.has(gone) !== true) throw error
      throw new SluiceError('SLU-SRC-1232', {
        message: `${gone} has just gone`,
        context: { stream: gone },
        cause: error,
      })
    }
    const changed = now
      .filter((table, index) => !isSame(table, tables[index] as TableFacts))
      .map(({ stream }) => stream)
    const unsettled = await this.#host.unsettled(tables)
    const streams = [...new Set([...changed, ...unsettled])]
    if (streams.length > 0) throw this.#changedAtBegin(streams)
  }

  #changedAtBegin(streams: readonly string[]): SluiceError {
    const names = streams.join(', ')
    return new SluiceError('SLU-SRC-1217', {
      message: `${names} was changed while its copy began`,
      context: { streams: names },
    })
  }

  async #findGone(
    connection: Opening['connection'],
    tables: readonly TableFacts[],
  ): Promise<string | null> {
    for (const { stream } of tables) {
      try {
        await requireTables(connection, [stream])
      } catch (error) {
        if (isSluiceError(error, 'SLU-SRC-1206')) return stream
        throw error
      }
    }
    return null
  }
}

/** From the first block again, into the rows that the table has. */
function beginAnew(copy: StreamCopy): void {
  copy.place = null
  copy.rowsCopied = 0
}

function isSame(left: TableFacts, right: TableFacts): boolean {
  const shape = ({ oid, columns, key }: TableFacts): string => JSON.stringify([oid, columns, key])
  return shape(left) === shape(right)
}
