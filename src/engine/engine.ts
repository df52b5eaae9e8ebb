/** One DuckDB per process with a memory limit; sessions are its connections. */

import {
  BIGINT,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBInstance,
  DuckDBMapValue,
  type DuckDBType,
  type DuckDBValue,
  INTEGER,
  UBIGINT,
  UINTEGER,
  UTINYINT,
} from '@duckdb/node-api'
import { SluiceError } from '../model/index.ts'
import { literal } from './sql.ts'

/** Bounds of the embedded DuckDB. */
export interface EngineSettings {
  readonly memoryBytes: number
  readonly threads: number
  /** Folder for spilling; created by DuckDB when needed. */
  readonly temporaryFolder: string
  /** Bound of what may be spilled, in bytes. */
  readonly temporaryBytesMax?: number
  /** Full path of an extension file to load, for tests with other engines. */
  readonly unsignedExtensions?: readonly string[]
}

/** A typed-array kind of a column: width and sign of its items; `u128` is four u32 an item. */
export type ColumnKind = 'u8' | 'u32' | 'i32' | 'i64' | 'u64' | 'u128'

interface ViewOf {
  readonly u8: Uint8Array
  readonly u32: Uint32Array
  readonly i32: Int32Array
  readonly i64: BigInt64Array
  readonly u64: BigUint64Array
  readonly u128: Uint32Array
}

/**
 * Views of one chunk's columns, in the order of the kinds asked for; valid only inside the
 * callback.
 */
export type ColumnViews<Kinds extends readonly ColumnKind[]> = {
  readonly [Index in keyof Kinds]: ViewOf[Kinds[Index]]
}

/** A value of a small result. 64-bit integers are bigint. */
export type SqlValue = DuckDBValue

/** A whole small result. */
export interface ResultTable {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly SqlValue[])[]
}

/** A connection: one statement at a time; temp tables live and die with it. */
export interface Session extends AsyncDisposable {
  /** Runs statements for their effect. */
  run(sql: string): Promise<void>
  /** Runs a query whose result is small. */
  query(sql: string): Promise<ResultTable>
  /**
   * Streams a query's columns as typed arrays, chunk by chunk (≤ 2048 rows), without an object per
   * row. The query must yield exactly the kinds asked for and no NULL (coalesce them).
   */
  columns<const Kinds extends readonly ColumnKind[]>(
    sql: string,
    kinds: Kinds,
    onChunk: (views: ColumnViews<Kinds>, rowCount: number) => void,
  ): Promise<void>
  /**
   * Appends `count` items of parallel typed arrays to an existing table with matching column types.
   */
  append(
    table: string,
    columns: readonly (Uint8Array | Uint32Array | Int32Array | BigInt64Array | BigUint64Array)[],
    count: number,
  ): Promise<void>
  /** Makes the running statement fail with SLU-ENG-7004. */
  interrupt(): void
  /** The connection itself, for results that need more than this interface. */
  readonly connection: DuckDBConnection
}

/** The embedded database. */
export interface Engine extends AsyncDisposable {
  session(): Promise<Session>
}

/** The entries of a MAP value of a small result; none of any other value. */
export function mapEntries(
  value: SqlValue | undefined,
): readonly { readonly key: SqlValue; readonly value: SqlValue }[] {
  return value instanceof DuckDBMapValue ? value.entries : []
}

const CHUNK_ROWS = 2048

/** Of the memory limit: freed memory that DuckDB's allocator may keep for itself. */
const KEPT_SHARE = 1 / 16
const KEPT_BYTES_MIN = 8 * 1024 * 1024

/** Starts an in-memory DuckDB. Throws SLU-ENG-7001.. as `Session` does. */
export async function createEngine(settings: EngineSettings): Promise<Engine> {
  const keptBytes = Math.max(KEPT_BYTES_MIN, settings.memoryBytes * KEPT_SHARE)
  const kept = `${Math.floor(keptBytes / 1024)}KiB`
  const options: Record<string, string> = {
    threads: String(settings.threads),
    memory_limit: `${Math.floor(settings.memoryBytes / 1024)}KiB`,
    temp_directory: settings.temporaryFolder,
    // The limit counts what is in use. What was freed is given back too: the defaults, 128 and
    // 512 MiB, would let a small engine take twice its limit from the system.
    allocator_flush_threshold: kept,
    allocator_bulk_deallocation_flush_threshold: kept,
    preserve_insertion_order: 'true',
    // Blocks of files would fill the limit, and files are of this machine: its page cache has them.
    enable_external_file_cache: 'false',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  }
  if (settings.temporaryBytesMax !== undefined) {
    options.max_temp_directory_size = `${Math.floor(settings.temporaryBytesMax / 1024)}KiB`
  }
  if (settings.unsignedExtensions?.length) options.allow_unsigned_extensions = 'true'
  const instance = await guard(() => DuckDBInstance.create(':memory:', options))
  const first = await guard(() => instance.connect())
  for (const path of settings.unsignedExtensions ?? []) {
    await guard(() => first.run(`LOAD ${literal(path)}`))
  }
  await guard(() => first.run("SET GLOBAL TimeZone = 'UTC'"))
  return {
    session: async () => createSession(await guard(() => instance.connect())),
    [Symbol.asyncDispose]: async () => {
      first.closeSync()
      instance.closeSync()
    },
  }
}

function createSession(connection: DuckDBConnection): Session {
  let closed = false
  return {
    connection,
    run: async (sql) => {
      await guard(() => connection.run(sql), sql)
    },
    query: async (sql) => {
      const reader = await guard(() => connection.runAndReadAll(sql), sql)
      const names = reader.columnNames()
      const types = reader.columnTypes()
      return {
        columns: names.map((name, index) => ({ name, type: String(types[index]) })),
        rows: reader.getRows(),
      }
    },
    columns: (sql, kinds, onChunk) => streamColumns(connection, sql, kinds, onChunk),
    append: (table, columns, count) => appendColumns(connection, table, columns, count),
    interrupt: () => connection.interrupt(),
    [Symbol.asyncDispose]: async () => {
      if (closed) return
      closed = true
      connection.closeSync()
    },
  }
}

async function streamColumns<const Kinds extends readonly ColumnKind[]>(
  connection: DuckDBConnection,
  sql: string,
  kinds: Kinds,
  onChunk: (views: ColumnViews<Kinds>, rowCount: number) => void,
): Promise<void> {
  const result = await guard(() => connection.stream(sql), sql)
  for (;;) {
    const chunk = await guard(() => result.fetchChunk(), sql)
    if (chunk === null || chunk.rowCount === 0) return
    const views = kinds.map((kind, index) =>
      viewOf(chunk.getColumnVector(index), kind, chunk.rowCount),
    )
    onChunk(views as unknown as ColumnViews<Kinds>, chunk.rowCount)
  }
}

const VIEW_CLASSES = {
  u8: Uint8Array,
  u32: Uint32Array,
  i32: Int32Array,
  i64: BigInt64Array,
  u64: BigUint64Array,
} as const

/** DuckDB hands numeric vectors out as typed arrays over its memory, 128-bit ones as a DataView. */
function viewOf(vector: unknown, kind: ColumnKind, rowCount: number): ViewOf[ColumnKind] {
  const { items, dataView } = vector as { items?: ArrayBufferView; dataView?: DataView }
  if (kind === 'u128') {
    if (dataView === undefined) throw mismatch(kind)
    return new Uint32Array(dataView.buffer, dataView.byteOffset, rowCount * 4)
  }
  const ViewClass = VIEW_CLASSES[kind]
  if (!(items instanceof ViewClass)) throw mismatch(kind)
  return items.subarray(0, rowCount)
}

function mismatch(kind: ColumnKind): SluiceError {
  return new SluiceError('SLU-BUG-9001', { message: `a query did not yield a ${kind} column` })
}

function appendType(column: ArrayBufferView): DuckDBType {
  if (column instanceof Uint8Array) return UTINYINT
  if (column instanceof Uint32Array) return UINTEGER
  if (column instanceof Int32Array) return INTEGER
  if (column instanceof BigInt64Array) return BIGINT
  return UBIGINT
}

async function appendColumns(
  connection: DuckDBConnection,
  table: string,
  columns: readonly (Uint8Array | Uint32Array | Int32Array | BigInt64Array | BigUint64Array)[],
  count: number,
): Promise<void> {
  const types = columns.map(appendType)
  const appender = await guard(() => connection.createAppender(table))
  for (let from = 0; from < count; from += CHUNK_ROWS) {
    const rowCount = Math.min(CHUNK_ROWS, count - from)
    const chunk = DuckDBDataChunk.create(types, rowCount)
    for (const [index, column] of columns.entries()) {
      const vector = chunk.getColumnVector(index) as unknown as {
        items: { set(values: ArrayLike<unknown>): void }
        flush(): void
      }
      vector.items.set(column.subarray(from, from + rowCount) as unknown as ArrayLike<unknown>)
      vector.flush()
    }
    appender.appendDataChunk(chunk)
  }
  appender.closeSync()
}

/**
 * Turns DuckDB's errors into coded ones: the class of an error is the first word of its message.
 */
export async function guard<Result>(work: () => Promise<Result>, sql?: string): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw engineError(error, sql)
  }
}

function engineError(error: unknown, sql?: string): SluiceError {
  const message = error instanceof Error ? error.message : String(error)
  const firstLine = message.split('\n', 1)[0] ?? message
  const errorClass = /^([A-Za-z ]+?) Error:/.exec(message)?.[1]
  const details = {
    message: firstLine,
    cause: error,
    ...(sql === undefined ? {} : { context: { sql: sql.slice(0, 500) } }),
  }
  switch (errorClass?.toLowerCase()) {
    case 'out of memory':
      return new SluiceError('SLU-ENG-7001', details)
    case 'conversion':
    case 'invalid input':
    case 'out of range':
      return new SluiceError('SLU-ENG-7002', details)
    case 'io':
      return new SluiceError('SLU-ENG-7003', details)
    case 'interrupt':
      return new SluiceError('SLU-ENG-7004', details)
    case 'parser':
    case 'binder':
    case 'catalog':
    case 'permission':
    case 'not implemented':
      return new SluiceError('SLU-ENG-7005', details)
    default:
      return new SluiceError('SLU-BUG-9001', details)
  }
}
