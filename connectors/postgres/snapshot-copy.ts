/**
 * Copies whole tables under an exported snapshot: the server's COPY bytes pass through untouched.
 */

import type { BlockPart, SourceContext } from '../../src/contracts/index.ts'
import { SluiceError, type SourcePosition, type StreamSchema } from '../../src/model/index.ts'
import { quote, quotedTable, quoteText, readRewritten, type TableFacts } from './catalog.ts'
import { type Connection, connect } from './connection.ts'
import { type CopyChunk, chunkWhere } from './copy-plan.ts'
import { postgresError } from './errors.ts'
import { parseLsn } from './lsn.ts'
import { RunningCopy } from './running-copy.ts'
import type { PostgresSettings } from './spec.ts'

const LOCK_NOT_AVAILABLE = '55P03'

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

/** What the lines of rows are: those of a copy beside the stream are `b`. */
export type RowOp = 'r' | 'b'

/** What a reader is opened with. */
export interface SnapshotRequest {
  readonly settings: PostgresSettings
  readonly context: SourceContext
  readonly snapshot: ExportedSnapshot
  readonly signal?: AbortSignal
  /** Default `r`. */
  readonly op?: RowOp
}

/** A connection in a transaction that sees the database as of `position`. */
export class SnapshotReader implements AsyncDisposable {
  readonly position: SourcePosition
  /** When the snapshot was taken by the server's clock, epoch micros. */
  readonly timeMicros: bigint
  readonly #connection: Connection
  readonly #op: RowOp

  constructor(connection: Connection, op: RowOp, position: SourcePosition, timeMicros: bigint) {
    this.#connection = connection
    this.#op = op
    this.position = position
    this.timeMicros = timeMicros
  }

  /** Opens a connection under the snapshot. */
  static async open(request: SnapshotRequest): Promise<SnapshotReader> {
    const { settings, context, snapshot, signal, op = 'r' } = request
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
      return new SnapshotReader(connection, op, snapshot.position, BigInt(rows[0]!.micros))
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

  /**
   * Has the locks of another reader too, which keeps them: else a statement that waits for that one
   * would keep this one waiting in turn. False where such a statement is there already; the reader
   * is of no use then.
   */
  async tryLock(tables: readonly TableFacts[]): Promise<boolean> {
    const names = tables.map(quotedTable).join(', ')
    try {
      await this.#connection.query(`LOCK TABLE ${names} IN ACCESS SHARE MODE NOWAIT`)
      return true
    } catch (error) {
      const refused = postgresError(error, 'locking tables')
      if (refused.context.sqlState !== LOCK_NOT_AVAILABLE) throw refused
      return false
    }
  }

  /** Starts to read rows of a table: all of them, or those of a chunk. One at a time. */
  startRows(
    rows: { readonly table: TableFacts; readonly schema: StreamSchema },
    bytesMax: number,
    chunk: CopyChunk | null = null,
  ): RunningCopy {
    const { position, timeMicros } = this
    const from = chunk === null ? tableFrom(rows.table) : chunkFrom(rows.table, chunk)
    return this.#start(
      copySql(rows.schema, from, position, timeMicros, this.#op),
      rows.schema,
      bytesMax,
    )
  }

  /** The rows of a table as parts of about 1 MiB; whole lines. Ends after the last row. */
  async *rows(
    table: TableFacts,
    schema: StreamSchema,
    bufferBytesMax: number,
  ): AsyncGenerator<BlockPart, void> {
    await using copy = this.startRows({ table, schema }, bufferBytesMax)
    for (let part = await copy.next(); part !== null; part = await copy.next()) yield part
  }

  /** The rows of these keys; keys without a row are left out. Buffers so much. */
  async *rowsOf(
    table: TableFacts,
    schema: StreamSchema,
    keys: readonly (readonly string[])[],
    bytesMax: number = Number.POSITIVE_INFINITY,
  ): AsyncGenerator<BlockPart, void> {
    const from = `${tableFrom(table)} WHERE ${keysCondition(schema.key, keys)}`
    const sql = copySql(schema, from, this.position, this.timeMicros, this.#op)
    await using copy = this.#start(sql, schema, bytesMax)
    for (let part = await copy.next(); part !== null; part = await copy.next()) yield part
  }

  #start(sql: string, schema: StreamSchema, bytesMax: number): RunningCopy {
    const { position } = this
    return new RunningCopy(this.#connection, { sql, schema, position, bytesMax })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close()
  }
}

/**
 * COPY of rows as `copy-text` lines. Values are left to the types' own output functions.
 */
export function copySql(
  schema: StreamSchema,
  from: string,
  position: SourcePosition,
  timeMicros: bigint,
  op: RowOp = 'r',
): string {
  const columns = schema.columns.map((column) => `, ${quote(column.name)}`).join('')
  return `COPY (SELECT '${op}', '${position}', '${timeMicros}'${columns} FROM ${from}) TO STDOUT`
}

/**
 * A partitioned table is read with its partitions; an ordinary one without the tables that inherit
 * from it.
 */
export function tableFrom(table: TableFacts): string {
  return table.kind === 'p' ? quotedTable(table) : `ONLY ${quotedTable(table)}`
}

function chunkFrom(table: TableFacts, chunk: CopyChunk): string {
  const isWhole = chunk.relation === quotedTable(table)
  const relation = isWhole ? tableFrom(table) : `ONLY ${chunk.relation}`
  return `${relation}${chunkWhere(chunk)}`
}

/** Constants take the types of the columns, so that an index of the key can be used. */
function keysCondition(key: readonly string[], keys: readonly (readonly string[])[]): string {
  const columns = key.map(quote).join(', ')
  const values = keys.map((fields) => `(${fields.map(quoteText).join(', ')})`)
  return `(${columns}) IN (${values.join(', ')})`
}
