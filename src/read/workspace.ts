/**
 * A place of its own inside DuckDB for one statement: views under the names of tables, positions of
 * rows.
 */

import { type Engine, identifier, type Session } from '../engine/index.ts'
import { isSluiceError, SluiceError } from '../model/index.ts'

/** Rows of several files, as positions. */
export interface FileRows {
  /** Number of the file in its scan. */
  readonly file: number
  /** Ascending. */
  readonly rows: Uint32Array
  /** A number that goes with each of the rows. */
  readonly tag: number
}

/** Positions inside DuckDB. */
export interface LoadedRows {
  /** Temp table `(file UINTEGER, "row" UINTEGER, tag UINTEGER)`. */
  readonly table: string
  /** The highest position; null when there is none. */
  readonly lastRow: number | null
}

/** A session with a database of its own, gone when disposed. */
export interface Workspace extends AsyncDisposable {
  readonly session: Session
  /** Urls of the data files that statements may read. */
  readonly files: Set<string>
  /** Creates the view `view` in `schema`. Throws SLU-STO-2005 when a file it reads is not there. */
  define(schema: string, view: string, sql: string): Promise<void>
  /** Loads positions into a new temp table. */
  loadRows(files: AsyncIterable<FileRows>): Promise<LoadedRows>
}

/** Rows collected before they go to DuckDB: a quarter of a megabyte in each column. */
const ROWS_PER_APPEND = 65_536

/** Opens a workspace on a session of its own. */
export async function openWorkspace(engine: Engine): Promise<Workspace> {
  const session = await engine.session()
  try {
    const made = await session.query('SELECT CAST(uuid() AS VARCHAR)')
    const database = `sluice_${String(made.rows[0]?.[0])}`
    await session.run(`ATTACH ':memory:' AS ${identifier(database)}`)
    await session.run(`USE ${identifier(database)}`)
    return createWorkspace(session, database)
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw error
  }
}

function createWorkspace(session: Session, database: string): Workspace {
  let tableCount = 0
  let closed = false
  return {
    session,
    files: new Set(),
    define: async (schema, view, sql) => {
      await session.run(`CREATE SCHEMA IF NOT EXISTS ${identifier(schema)}`)
      try {
        await session.run(`CREATE VIEW ${identifier(schema)}.${identifier(view)} AS ${sql}`)
      } catch (error) {
        throw missingFile(error, view)
      }
    },
    loadRows: async (files) => {
      const table = `sluice_rows_${++tableCount}`
      await session.run(`CREATE TEMP TABLE ${table}(file UINTEGER, "row" UINTEGER, tag UINTEGER)`)
      return { table, lastRow: await appendRows(session, table, files) }
    },
    [Symbol.asyncDispose]: async () => {
      if (closed) return
      closed = true
      try {
        await session.run('USE memory')
        await session.run(`DETACH ${identifier(database)}`)
      } finally {
        await session[Symbol.asyncDispose]()
      }
    },
  }
}

/** Defining a view opens no file, it only looks whether they are there. */
function missingFile(error: unknown, view: string): unknown {
  if (!isSluiceError(error, 'SLU-ENG-7003')) return error
  const message = `a data file of ${view} cannot be found: ${error.message}`
  return new SluiceError('SLU-STO-2005', { message, cause: error })
}

async function appendRows(
  session: Session,
  table: string,
  files: AsyncIterable<FileRows>,
): Promise<number | null> {
  const fileColumn = new Uint32Array(ROWS_PER_APPEND)
  const rowColumn = new Uint32Array(ROWS_PER_APPEND)
  const tagColumn = new Uint32Array(ROWS_PER_APPEND)
  let count = 0
  let lastRow: number | null = null
  const flush = async (): Promise<void> => {
    if (count > 0) await session.append(table, [fileColumn, rowColumn, tagColumn], count)
    count = 0
  }
  for await (const { file, rows, tag } of files) {
    if (rows.length > 0) lastRow = Math.max(lastRow ?? 0, rows.at(-1) as number)
    for (let from = 0; from < rows.length; ) {
      const taken = Math.min(rows.length - from, ROWS_PER_APPEND - count)
      rowColumn.set(rows.subarray(from, from + taken), count)
      fileColumn.fill(file, count, count + taken)
      tagColumn.fill(tag, count, count + taken)
      count += taken
      from += taken
      if (count === ROWS_PER_APPEND) await flush()
    }
  }
  await flush()
  return lastRow
}
