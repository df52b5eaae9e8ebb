/**
 * The first copy of tables: chunk after chunk under one snapshot; one that was interrupted first
 * takes the changes since then from the stream, and goes on where it was.
 */

import type { BlockPart, SourceBlock, SourceProgress } from '../../src/contracts/index.ts'
import { SluiceError, type SourcePosition, type StreamSchema } from '../../src/model/index.ts'
import { type CopyRelation, readCopyRelations, requireTables, type TableFacts } from './catalog.ts'
import { readChunks } from './chunk-reader.ts'
import { connect } from './connection.ts'
import {
  type CopyChunk,
  type CopyPlace,
  type InterruptedCopy,
  interruptedCopy,
  placeToJson,
  planChunks,
} from './copy-plan.ts'
import { copyStreams, type Opening, type SessionOptions } from './opening.ts'
import { splitBlock, unsentKeys } from './part-lines.ts'
import type { RunningCopy } from './running-copy.ts'
import {
  createSlot,
  type ExportedSnapshot,
  SnapshotReader,
  temporarySlotName,
} from './snapshot-copy.ts'
import { SPLIT, SPLIT_NUMBER, type StreamReader } from './stream-reader.ts'

/** What the session does for the copy. */
export interface CopyHost {
  tableOf(stream: string): TableFacts
  /** The table as it is now; it keeps its shape until it is copied. */
  refresh(table: TableFacts): void
  /** The tables, which cannot change now, are copied as they lie. */
  settle(tables: readonly TableFacts[]): Promise<void>
  schemaOf(table: TableFacts): StreamSchema
  /** Changes of the stream are wanted from this position on. */
  resumeAt(stream: string, position: SourcePosition): void
  /** Starts the stream; it may buffer so much. */
  openStream(bufferBytesMax: number): Promise<StreamReader>
}

interface StreamCopy {
  readonly stream: string
  attempt: string
  /** The first block of it was yielded. */
  isBegun: boolean
  /** The end of the last chunk that was yielded whole. */
  place: CopyPlace | null
  /** Null when the copy begins from empty. */
  interrupted: InterruptedCopy | null
  relations: readonly CopyRelation[]
  rowsCopied: number
  rowsExpected: number | null
  complete: boolean
}

interface StreamChunk {
  readonly copy: StreamCopy
  readonly chunk: CopyChunk
}

/** Keys looked up in one statement. */
const KEYS_PER_QUERY = 500

/** The copies of one session; empty when every table has one. */
export class FirstCopy {
  readonly #options: SessionOptions
  readonly #opening: Opening
  readonly #host: CopyHost
  readonly #copies = new Map<string, StreamCopy>()

  constructor(options: SessionOptions, opening: Opening, host: CopyHost) {
    this.#options = options
    this.#opening = opening
    this.#host = host
    for (const stream of copyStreams(opening.streams)) {
      this.#copies.set(stream, {
        stream,
        isBegun: false,
        place: null,
        attempt: options.context.clock.uuid(),
        interrupted: null,
        relations: [],
        rowsCopied: 0,
        rowsExpected: host.tableOf(stream).rowsEstimated,
        complete: false,
      })
    }
  }

  get isNeeded(): boolean {
    return this.#copies.size > 0
  }

  progress(): SourceProgress['copies'] {
    return [...this.#copies].map(([stream, { rowsCopied, rowsExpected, complete }]) => ({
      stream,
      rowsCopied,
      rowsExpected,
      complete,
    }))
  }

  /**
   * Copies every stream that is not complete; returns what the stream delivered beyond the
   * snapshot. The last block waits until locks and snapshot are given back: a consumer may take its
   * time with it.
   */
  async *blocks(): AsyncGenerator<SourceBlock, SourceBlock | null> {
    let last: SourceBlock | null = null
    let beyond: SourceBlock | null = null
    {
      await using open = new AsyncDisposableStack()
      const readers = await this.#openReaders(open)
      const reader = readers[0] as SnapshotReader
      const interrupted = [...this.#copies.values()].some((copy) => copy.interrupted !== null)
      let bufferBytes = this.#options.request.bufferBytesMax
      if (interrupted) {
        // The stream stays open while the rest is copied: the two share the bound.
        bufferBytes /= 2
        beyond = yield* this.#catchUp(reader, bufferBytes)
      }
      for await (const block of this.#copyChunks(readers, bufferBytes / readers.length)) {
        if (last !== null) yield last
        last = block
      }
    }
    if (last !== null) yield last
    return beyond
  }

  /** Connections under one snapshot, the tables locked, everything known that is copied. */
  async #openReaders(open: AsyncDisposableStack): Promise<readonly SnapshotReader[]> {
    const { settings, context, request } = this.#options
    const snapshot = await this.#exportSnapshot()
    try {
      const openReader = async (): Promise<SnapshotReader> =>
        open.use(await SnapshotReader.open(settings, context, snapshot, request.signal))
      const first = await openReader()
      await this.#lockTables(first)
      await this.#planCopies(first)
      const readers = [first]
      const chunks = this.#chunks()
      chunks.next()
      while (readers.length < settings.snapshot.parallel && !chunks.next().done) {
        readers.push(await openReader())
      }
      return readers
    } finally {
      await snapshot.free?.()
    }
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

  /** From here on the tables keep their shape until the last is copied; so now it is read again. */
  async #lockTables(reader: SnapshotReader): Promise<void> {
    await reader.lock([...this.#copies.keys()].map((stream) => this.#host.tableOf(stream)))
    const { connection, tables } = this.#opening
    const streams = tables.map((table) => table.stream)
    for (const table of await requireTables(connection, streams)) this.#host.refresh(table)
    await this.#host.settle([...this.#copies.keys()].map((stream) => this.#host.tableOf(stream)))
  }

  /** Decides for each copy whether it goes on, and from where its changes are wanted. */
  async #planCopies(reader: SnapshotReader): Promise<void> {
    const { identity, publishedStreams, snapshot, confirmedPosition } = this.#opening
    for (const copy of this.#copies.values()) {
      const { stream } = copy
      const table = this.#tableOf(copy)
      if (this.#isCopied) copy.relations = await readCopyRelations(reader.connection, table)
      copy.rowsExpected = rowsExpected(copy.relations) ?? table.rowsEstimated
      const cursor = this.#opening.streams.get(stream) ?? null
      const mayGoOn = this.#isCopied && publishedStreams.has(stream)
      copy.interrupted = interruptedCopy(mayGoOn ? cursor : null, {
        identity,
        confirmedPosition: snapshot === null ? confirmedPosition : null,
        tableOid: table.oid,
        schema: this.#schemaOf(copy),
      })
      copy.attempt = copy.interrupted?.attempt ?? copy.attempt
      copy.rowsCopied = copy.interrupted?.rowsCopied ?? 0
      copy.place = copy.interrupted?.place ?? null
      this.#host.resumeAt(stream, copy.interrupted?.nextPosition ?? reader.position)
      if (copy.interrupted === null) continue
      const { rowsCopied, place } = copy.interrupted
      this.#options.context.telemetry.log('info', 'the copy goes on', {
        stream,
        rowsCopied,
        block: place.block,
      })
    }
  }

  /**
   * Takes the stream up to the snapshot, with the rows that it does not send whole. Returns what it
   * delivered beyond.
   */
  async *#catchUp(
    reader: SnapshotReader,
    bufferBytesMax: number,
  ): AsyncGenerator<SourceBlock, SourceBlock> {
    const stream = await this.#host.openStream(bufferBytesMax)
    for (;;) {
      const block = await stream.next()
      if (block === null) throw new SluiceError('SLU-SRC-1200', { message: 'the stream ended' })
      const { before, after } = splitBlock(block, reader.position)
      yield await this.#completed(reader, before)
      if (after !== null) return after
    }
  }

  /**
   * A change that leaves values out needs the row it is about, and the table may not have that yet.
   * So the rows of such changes are read under the snapshot too: whatever the table makes of the
   * changes, it has the right row when it has reached the snapshot.
   */
  async #completed(reader: SnapshotReader, block: SourceBlock): Promise<SourceBlock> {
    const rows: BlockPart[] = []
    for (const part of block.parts) {
      const copy = this.#copies.get(part.schema.stream)
      if (copy === undefined || copy.interrupted === null) continue
      const keys = unsentKeys(part)
      for (let from = 0; from < keys.length; from += KEYS_PER_QUERY) {
        const some = keys.slice(from, from + KEYS_PER_QUERY)
        const found = reader.rowsOf(this.#tableOf(copy), this.#schemaOf(copy), some)
        for await (const row of found) rows.push(row)
      }
    }
    return rows.length === 0 ? block : { ...block, parts: [...block.parts, ...rows] }
  }

  get #isCopied(): boolean {
    return this.#options.settings.snapshot.mode !== 'never'
  }

  *#chunks(): Generator<StreamChunk, void> {
    const { chunkRows } = this.#options.settings.snapshot
    const { versionNumber } = this.#opening.server
    for (const copy of this.#copies.values()) {
      const { relations, interrupted } = copy
      const table = this.#tableOf(copy)
      const isResumable = table.key.length > 0
      const facts = { table, relations, versionNumber, chunkRows, isResumable }
      for (const chunk of planChunks(facts, interrupted?.place ?? null)) yield { copy, chunk }
    }
  }

  /** The last part of a chunk is held back until it is known to be the last: it tells the place. */
  async *#copyChunks(
    readers: readonly SnapshotReader[],
    bytesMax: number,
  ): AsyncGenerator<SourceBlock, void> {
    const reader = readers[0] as SnapshotReader
    if (!this.#isCopied) {
      for (const copy of this.#copies.values()) {
        copy.complete = true
        yield this.#block(reader, copy, [])
      }
      return
    }
    const start = (by: SnapshotReader, { copy, chunk }: StreamChunk): RunningCopy =>
      by.startRows({ table: this.#tableOf(copy), schema: this.#schemaOf(copy) }, bytesMax, chunk)
    let held: BlockPart | null = null
    for await (const read of readChunks({ readers, chunks: this.#chunks(), start })) {
      const { copy, chunk } = read.chunk
      if (read.part !== null) {
        if (held !== null) yield this.#block(reader, copy, [held])
        held = read.part
        continue
      }
      const rows: readonly BlockPart[] = held === null ? [] : [held]
      held = null
      copy.place = chunk.place
      copy.complete = chunk.isLast
      if (rows.length > 0 || copy.complete) yield this.#block(reader, copy, rows)
    }
  }

  #block(reader: SnapshotReader, copy: StreamCopy, parts: readonly BlockPart[]): SourceBlock {
    for (const part of parts) copy.rowsCopied += part.recordCount
    const { stream, attempt, place, complete, rowsCopied } = copy
    const resumed = copy.interrupted !== null
    const first = !resumed && !copy.isBegun
    copy.isBegun = true
    const table = this.#tableOf(copy)
    const json = place && placeToJson(place, rowsCopied, table, this.#schemaOf(copy))
    return {
      split: SPLIT,
      splitNumber: SPLIT_NUMBER,
      parts,
      nextPosition: reader.position,
      endsTransaction: true,
      copy: { stream, attempt, first, complete, rowsCopied, resumed, place: json },
      identity: this.#opening.identity,
      sourceTimeMicros: reader.timeMicros,
    }
  }

  #tableOf({ stream }: StreamCopy): TableFacts {
    return this.#host.tableOf(stream)
  }

  #schemaOf(copy: StreamCopy): StreamSchema {
    return this.#host.schemaOf(this.#tableOf(copy))
  }
}

function rowsExpected(relations: readonly CopyRelation[]): number | null {
  let sum = 0
  for (const { blockCount, rowsPerBlock } of relations) {
    if (blockCount > 0 && rowsPerBlock === null) return null
    sum += blockCount * (rowsPerBlock ?? 0)
  }
  return relations.length === 0 ? null : Math.round(sum)
}
