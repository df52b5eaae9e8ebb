/**
 * Copies whole tables under an exported snapshot: the server's COPY bytes pass through untouched.
 */

import type { BlockPart, SourceContext } from '../../src/contracts/index.ts'
import { SluiceError, type SourcePosition, type StreamSchema } from '../../src/model/index.ts'
import { quote, quotedTable, quoteText, readRewritten, type TableFacts } from './catalog.ts'
import { type Connection, type CopySocket, connect, frameError } from './connection.ts'
import { postgresError } from './errors.ts'
import { Landing } from './landing.ts'
import { parseLsn } from './lsn.ts'
import type { PostgresSettings } from './spec.ts'
import { BLOCK_BYTES } from './stream-reader.ts'

/** A snapshot that another connection may read under, as long as this one stays as it is. */
export interface ExportedSnapshot {
  /** Transactions whose commit record lies before this position are visible, no others. */
  readonly position: SourcePosition
  readonly name: string
}

/** Statement that makes a slot and exports the snapshot at its starting point. */
export function createSlotSql(slot: string, temporary: boolean): string {
  const lifetime = temporary ? ' TEMPORARY' : ''
  return `CREATE_REPLICATION_SLOT ${quote(slot)}${lifetime} LOGICAL pgoutput EXPORT_SNAPSHOT`
}

/** Name of a slot that lives as long as one connection. */
export function temporarySlotName(context: SourceContext): string {
  return `sluice_view_${context.clock.uuid().replaceAll('-', '').slice(0, 16)}`
}

/** Makes a slot on a replication connection. The snapshot dies with the next command on it. */
export async function createSlot(
  replication: Connection,
  slot: string,
  temporary: boolean,
): Promise<ExportedSnapshot> {
  const sql = createSlotSql(slot, temporary)
  try {
    const rows = await replication.query<{ consistent_point: string; snapshot_name: string }>(sql)
    const row = rows[0]!
    return { position: parseLsn(row.consistent_point), name: row.snapshot_name }
  } catch (error) {
    throw postgresError(error, `creating replication slot ${slot}`, { slot })
  }
}

/** A connection in a transaction that sees the database as of `position`. */
export class SnapshotReader implements AsyncDisposable {
  readonly position: SourcePosition
  /** When the snapshot was taken by the server's clock, epoch micros. */
  readonly timeMicros: bigint
  readonly #connection: Connection

  constructor(connection: Connection, position: SourcePosition, timeMicros: bigint) {
    this.#connection = connection
    this.position = position
    this.timeMicros = timeMicros
  }

  /** Opens a connection under the snapshot. */
  static async open(
    settings: PostgresSettings,
    context: SourceContext,
    snapshot: ExportedSnapshot,
    signal?: AbortSignal,
  ): Promise<SnapshotReader> {
    const connection = await connect({
      settings,
      context,
      replication: false,
      ...(signal ? { signal } : {}),
    })
    try {
      await connection.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY')
      await connection.query(`SET TRANSACTION SNAPSHOT ${quoteText(snapshot.name)}`)
      const rows = await connection.query<{ micros: string }>(
        'SELECT (extract(epoch FROM now()) * 1000000)::int8::text AS micros',
      )
      return new SnapshotReader(connection, snapshot.position, BigInt(rows[0]!.micros))
    } catch (error) {
      await connection.close()
      throw postgresError(error, 'opening the exported snapshot')
    }
  }

  /** For catalogue queries under the same snapshot. */
  get connection(): Connection {
    return this.#connection
  }

  /**
   * Keeps the tables from being changed in shape until this reader closes. A table that was
   * rewritten after the snapshot looks empty under it: its rows would be lost without a word. Locks
   * before the snapshot would not do: making the slot waits for transactions that may wait for
   * them.
   * Throws SLU-SRC-1217.
   */
  async lock(tables: readonly TableFacts[]): Promise<void> {
    const names = tables.map(quotedTable).join(', ')
    await this.#connection.query(`LOCK TABLE ${names} IN ACCESS SHARE MODE`)
    const rewritten = await readRewritten(
      this.#connection,
      tables.map((table) => table.oid),
    )
    if (rewritten.length === 0) return
    throw new SluiceError('SLU-SRC-1217', {
      message: `${rewritten.join(', ')} was rewritten while the copy began`,
      context: { streams: rewritten.join(', ') },
    })
  }

  /** The rows of a table as parts of about 1 MiB; whole lines. Ends after the last row. */
  async *rows(
    table: TableFacts,
    schema: StreamSchema,
    bufferBytesMax: number,
  ): AsyncGenerator<BlockPart, void> {
    const sql = copySql(table, schema, this.position, this.timeMicros)
    const socket = this.#connection.takeSocket()
    const copy = new RunningCopy(socket, schema, this.position, bufferBytesMax)
    try {
      copy.start(sql, table.stream)
      for (;;) {
        const part = await copy.next()
        if (part === null) break
        yield part
      }
    } finally {
      socket.release()
      if (!copy.isDone) await this.#connection.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close()
  }
}

/**
 * COPY of a table's rows as `copy-text` lines. Values are left to the types' own output functions.
 */
export function copySql(
  table: TableFacts,
  schema: StreamSchema,
  position: SourcePosition,
  timeMicros: bigint,
): string {
  const columns = schema.columns.map((column) => `, ${quote(column.name)}`).join('')
  // A partitioned table is read with its partitions; an ordinary one without the tables that
  // inherit from it.
  const from = table.kind === 'p' ? quotedTable(table) : `ONLY ${quotedTable(table)}`
  return `COPY (SELECT 'r', '${position}', '${timeMicros}'${columns} FROM ${from}) TO STDOUT`
}

/** One COPY TO STDOUT: gathers lines into parts, pauses the socket when the consumer is slow. */
class RunningCopy {
  isDone = false
  readonly #socket: CopySocket
  readonly #landing: Landing
  readonly #position: SourcePosition
  readonly #bytesMax: number
  readonly #parts: BlockPart[] = []
  #queuedBytes = 0
  #isPaused = false
  /** The server refused; it still ends the statement. */
  #refusal: SluiceError | null = null
  /** The connection broke: nothing more will come. */
  #broken: SluiceError | null = null
  #stream = ''
  #wake: (() => void) | null = null

  constructor(
    socket: CopySocket,
    schema: StreamSchema,
    position: SourcePosition,
    bytesMax: number,
  ) {
    this.#socket = socket
    this.#landing = new Landing(schema)
    this.#position = position
    this.#bytesMax = bytesMax
  }

  start(sql: string, stream: string): void {
    this.#stream = stream
    this.#socket.start(sql, this.#onFrame, (error) => {
      this.#broken = error
      this.#signal()
    })
  }

  /** The next part; null after the last. */
  async next(): Promise<BlockPart | null> {
    for (;;) {
      const part = this.#parts.shift()
      if (part !== undefined) {
        this.#queuedBytes -= part.bytes.length
        if (this.#isPaused && this.#queuedBytes < this.#bytesMax / 2) {
          this.#isPaused = false
          this.#socket.resume()
        }
        return part
      }
      if (this.#broken !== null) throw this.#broken
      if (this.isDone) {
        if (this.#refusal !== null) throw this.#refusal
        return null
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  readonly #onFrame = (type: number, bytes: Buffer, start: number, end: number): void => {
    if (type === 0x64) {
      const landing = this.#landing
      if (landing.recordCount === 0) landing.firstPosition = this.#position
      landing.append(bytes, start, end)
      landing.recordCount++
      if (landing.length >= BLOCK_BYTES) this.#cut()
    } else if (type === 0x45) {
      this.#refusal ??= frameError(bytes, start, end, `copying ${this.#stream}`)
    } else if (type === 0x5a) {
      this.#cut()
      this.isDone = true
      this.#signal()
    }
  }

  #cut(): void {
    const part = this.#landing.take()
    if (part === null) return
    this.#parts.push(part)
    this.#queuedBytes += part.bytes.length
    if (!this.#isPaused && this.#queuedBytes >= this.#bytesMax) {
      this.#isPaused = true
      this.#socket.pause()
    }
    this.#signal()
  }

  #signal(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}
