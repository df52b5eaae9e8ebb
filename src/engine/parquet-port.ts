/** Parquet files of JSON-shaped rows: the metadata of tables, read and written by DuckDB. */

import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DuckDBType } from '@duckdb/node-api'
import type { Clock, ParquetPort, ParquetRows, ParquetShape } from '../contracts/index.ts'
import { type StructField, wrapError } from '../model/index.ts'
import { columnTypeOf } from './column-type.ts'
import { guard, type Session } from './engine.ts'
import { identifier, literal, pathLiteral } from './sql.ts'
import { duckType } from './types.ts'

/** What the port works with. */
export interface ParquetPortOptions {
  /** A session of its own for each file; closed again by the port. */
  readonly openSession: () => Promise<Session>
  /** Local folder for what is being written; made when needed. */
  readonly spoolFolder: string
  readonly clock: Clock
}

/** Small row groups bound the memory of a write: DuckDB holds one at a time per thread. */
const ROW_GROUP_ROWS = 20_480
/** Rows are written to the spool in pieces of this size. */
const PIECE_CHARACTERS = 256 * 1024
/** DuckDB takes twice this per thread; longer rows raise it to what they need. */
const ROW_BYTES = 1024 * 1024

/** A port over DuckDB. */
export function createParquetPort(options: ParquetPortOptions): ParquetPort {
  return {
    readRows: (url, columns) => readRows(options, url, columns),
    writeRows: (request) => writeRows(options, request),
    describe: (path) => describe(options, path),
  }
}

async function describe({ openSession }: ParquetPortOptions, path: string): Promise<ParquetShape> {
  await using session = await openSession()
  const file = pathLiteral(path)
  const rows = await session.query(`SELECT num_rows FROM parquet_file_metadata(${file})`)
  const sql = `FROM read_parquet(${file}, hive_partitioning = false) LIMIT 0`
  const shape = await guard(() => session.connection.runAndReadAll(sql), sql)
  const types = shape.columnTypes()
  const columns = shape.columnNames().map((name, index) => {
    const type = types[index] as DuckDBType
    // Its values are checked one by one: most nanoseconds are whole microseconds.
    const isNanos = String(type) === NANOSECONDS
    const columnType = isNanos ? 'timestamp_ntz' : columnTypeOf(type)
    return { name, type: columnType, engineType: String(type) }
  })
  return { columns, rowCount: Number(rows.rows[0]?.[0]) }
}

const NANOSECONDS = 'TIMESTAMP_NS'

async function* readRows(
  options: ParquetPortOptions,
  url: string,
  columns: readonly StructField[],
): AsyncIterable<readonly string[]> {
  await using session = await options.openSession()
  const there = await columnsOf(session, url)
  const query = selectRows(url, columns, there)
  if (query === null) return
  const result = await guard(() => session.connection.stream(query), query)
  for (;;) {
    const chunk = await guard(() => result.fetchChunk(), query)
    if (chunk === null || chunk.rowCount === 0) return
    yield chunk.getColumnValues(0) as readonly string[]
  }
}

async function writeRows(options: ParquetPortOptions, request: ParquetRows): Promise<string> {
  const { spoolFolder, clock, openSession } = options
  await mkdir(spoolFolder, { recursive: true })
  const name = join(spoolFolder, `rows-${clock.uuid()}`)
  const lines = `${name}.ndjson`
  try {
    const longestBytes = await writeLines(lines, request.rows)
    await using session = await openSession()
    await session.run(
      copyRows({ from: lines, to: `${name}.parquet`, columns: request.columns, longestBytes }),
    )
    return `${name}.parquet`
  } catch (error) {
    await rm(`${name}.parquet`, { force: true })
    throw wrapError(error, 'SLU-ENG-7003', `cannot write ${name}.parquet`)
  } finally {
    await rm(lines, { force: true })
  }
}

/** Column → its members, empty for one that is no group. */
async function columnsOf(
  session: Session,
  url: string,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const sql = `SELECT name, coalesce(num_children, 0) FROM parquet_schema(${literal(url)})`
  const { rows } = await session.query(sql)
  const columns = new Map<string, ReadonlySet<string>>()
  let at = 1
  /** Passes over a node and all below it, and returns its name. */
  const skip = (): string => {
    const [name, children] = rows[at]!
    at += 1
    for (let child = 0; child < Number(children); child++) skip()
    return String(name)
  }
  while (at < rows.length) {
    const [name, children] = rows[at]!
    at += 1
    const members = Array.from({ length: Number(children) }, skip)
    columns.set(String(name), new Set(members))
  }
  return columns
}

/** Null when the file has none of the columns. */
function selectRows(
  url: string,
  columns: readonly StructField[],
  there: ReadonlyMap<string, ReadonlySet<string>>,
): string | null {
  const members = columns.flatMap((column) => {
    const found = there.get(column.name)
    return found === undefined ? [] : [`${literal(column.name)}: ${projected(column, found)}`]
  })
  if (members.length === 0) return null
  const row = `to_json({${members.join(', ')}})`
  return `SELECT CAST(${row} AS VARCHAR) FROM read_parquet(${literal(url)})`
}

function projected(column: StructField, there: ReadonlySet<string>): string {
  const { name, type } = column
  if (typeof type === 'string' || type.kind !== 'struct') return identifier(name)
  const members = type.fields
    .filter((field) => there.has(field.name))
    .map((field) => literal(field.name))
    .map((field) => `${field}: struct_extract(${identifier(name)}, ${field})`)
  if (members.length === 0) return 'NULL'
  return `CASE WHEN ${identifier(name)} IS NULL THEN NULL ELSE {${members.join(', ')}} END`
}

function copyRows(request: {
  readonly from: string
  readonly to: string
  readonly columns: readonly StructField[]
  readonly longestBytes: number
}): string {
  const { from, to, columns, longestBytes } = request
  const types = columns.map(({ name, type }) => `${literal(name)}: ${literal(duckType(type))}`)
  const rowBytes = Math.max(ROW_BYTES, longestBytes + 1)
  return `COPY (SELECT * FROM read_json(${literal(from)}, format = 'newline_delimited',
    maximum_object_size = ${rowBytes}, columns = {${types.join(', ')}}))
    TO ${literal(to)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`
}

/** Returns the size of the longest row, in bytes. */
async function writeLines(path: string, rows: ParquetRows['rows']): Promise<number> {
  const handle: FileHandle = await open(path, 'wx')
  try {
    let piece = ''
    let longestBytes = 0
    for await (const row of rows) {
      piece += `${row}\n`
      longestBytes = Math.max(longestBytes, Buffer.byteLength(row))
      if (piece.length < PIECE_CHARACTERS) continue
      await handle.appendFile(piece)
      piece = ''
    }
    await handle.appendFile(piece)
    return longestBytes
  } finally {
    await handle.close()
  }
}
