/**
 * The first copy of tables: chunk after chunk under one snapshot; one that was interrupted first
 * takes the changes since then from the stream, and goes on where it was.
 */

import type { BlockPart, SourceBlock, SourceProgress } from '../../src/contracts/index.ts'
import { SluiceError, type SourcePosition, type StreamSchema } from '../../src/model/index.ts'
import { requireTables, type TableFacts } from './catalog.ts'
import { connect } from './connection.ts'
import type { Opening, SessionOptions } from './opening.ts'
import { splitBlock, unsentKeys } from './part-lines.ts'
import {
  createSlot,
  type ExportedSnapshot,
  SnapshotReader,
  temporarySlotName,
} from './snapshot-copy.ts'
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
import type { StreamReader } from './stream-reader.ts'

/** What the session does for the copy. */
export interface CopyHost {
  tableOf(stream: string): TableFacts
  /** The table as it is now; it keeps its shape until it is copied. */
  refresh(table: TableFacts): void
  /** The tables are copied as they lie now. */
  settle(tables: readonly TableFacts[]): Promise<void>
  /** The streams of those that do not lie any more as they did when they were settled. */
  unsettled(tables: readonly TableFacts[]): Promise<ReadonlySet<string>>
  schemaOf(table: TableFacts): StreamSchema
  /** Changes of the stream are wanted from this position on. */
  resumeAt(stream: string, position: SourcePosition): void
  /** Starts the stream; it may buffer so much. */
  openStream(bufferBytesMax: number): Promise<StreamReader>
}

/** Keys looked up in one statement. */
export const KEYS_PER_QUERY = 500

/** The copies of one session; empty when every table has one. */
export class FirstCopy {
  readonly #work: CopyWork
  readonly #host: CopyHost
  readonly #copies = new Map<string, StreamCopy>()

  constructor(
    options: SessionOptions,
    opening: Opening,
    host: CopyHost,
    streams: readonly string[],
  ) {
    const { tableOf, schemaOf: shapeOf } = host
    this.#work = { options, opening, isBeside: false, tableOf, schemaOf: shapeOf }
    this.#host = host
    for (const stream of streams) this.#copies.set(stream, newCopy(this.#work, stream))
  }

  get isNeeded(): boolean {
    return this.#copies.size > 0
  }

  progress(): SourceProgress['copies'] {
    return progressOf(this.#copies.values())
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
      let bufferBytes = this.#work.options.request.bufferBytesMax
      if (interrupted) {
        // The stream stays open while the rest is copied: the two share the bound.
        bufferBytes /= 2
        beyond = yield* this.#catchUp(reader, bufferBytes)
      }
      for await (const block of this.#rowBlocks(readers, bufferBytes / readers.length)) {
        if (last !== null) yield last
        last = block
      }
    }
    if (last !== null) yield last
    return beyond
  }

  /** Connections under one snapshot, the tables locked, everything known that is copied. */
  async #openReaders(open: AsyncDisposableStack): Promise<readonly SnapshotReader[]> {
    const { settings, context, request } = this.#work.options
    const snapshot = await this.#exportSnapshot()
    try {
      const openReader = async (): Promise<SnapshotReader> =>
        open.use(await SnapshotReader.open({ settings, context, snapshot, signal: request.signal }))
      const first = await openReader()
      await this.#lockTables(first)
      await this.#planCopies(first)
      const readers = [first]
      const chunks = chunksOf(this.#work, this.#copies.values())
      chunks.next()
      while (readers.length < settings.snapshot.parallel && !chunks.next().done) {
        const reader = await openReader()
        if (!(await reader.tryLock(this.#tables()))) break
        readers.push(reader)
      }
      return readers
    } finally {
      await snapshot.free?.()
    }
  }

  /** That of the slot just made, or of a temporary one, which is dropped by `free`. */
  async #exportSnapshot(): Promise<ExportedSnapshot & { free?: () => Promise<void> }> {
    const { settings, context, request } = this.#work.options
    const { snapshot: made } = this.#work.opening
    if (made !== null) return made
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
    await reader.lock(this.#tables())
    const { connection, tables } = this.#work.opening
    const streams = tables.map((table) => table.stream)
    for (const table of await requireTables(connection, streams)) this.#host.refresh(table)
    await this.#host.settle(this.#tables())
  }

  #tables(): readonly TableFacts[] {
    return [...this.#copies.keys()].map((stream) => this.#host.tableOf(stream))
  }

  /** Decides for each copy whether it goes on, and from where its changes are wanted. */
  async #planCopies(reader: SnapshotReader): Promise<void> {
    for (const copy of this.#copies.values()) {
      if (copiesRows(this.#work)) await readRelations(this.#work, copy, reader)
      takeUp(this.#work, copy, null)
      this.#host.resumeAt(copy.stream, copy.interrupted?.nextPosition ?? reader.position)
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
        const found = reader.rowsOf(
          this.#host.tableOf(copy.stream),
          schemaOf(this.#work, copy.stream),
          some,
        )
        for await (const row of found) rows.push(row)
      }
    }
    return rows.length === 0 ? block : { ...block, parts: [...block.parts, ...rows] }
  }

  async *#rowBlocks(
    readers: readonly SnapshotReader[],
    bytesMax: number,
  ): AsyncGenerator<SourceBlock, void> {
    if (copiesRows(this.#work)) {
      yield* copyChunks(this.#work, this.#copies.values(), readers, bytesMax)
      return
    }
    for (const copy of this.#copies.values()) {
      copy.complete = true
      yield copyBlock(this.#work, copy, [], readers[0] as SnapshotReader)
    }
  }
}
