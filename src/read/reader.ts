/** SQL over tables: names, versions, changes and paths become relations, DuckDB does the rest. */

import type { Clock, Snapshot, SnapshotAt, Table } from '../contracts/index.ts'
import { type Engine, guard, literal } from '../engine/index.ts'
import { type JsonObject, SluiceError, wrapError } from '../model/index.ts'
import { type CellReader, cellReader, type SqlCell, type TypeShape } from './cell.ts'
import { changesRelation } from './changes-relation.ts'
import { explainFailure } from './data-files.ts'
import { type AtClause, draftStatement } from './draft.ts'
import { interruptOnAbort } from './interrupt.ts'
import { snapshotRelation } from './snapshot-relation.ts'
import {
  draftExpression,
  type NameList,
  type PlannedRelation,
  planStatement,
  type RelationSpec,
  showTablesText,
  type TableReference,
} from './statement.ts'
import { plainText } from './tokens.ts'
import { openWorkspace, type Workspace } from './workspace.ts'

/** Where the tables that SQL names are. The reader does not close them. */
export interface TableResolver {
  /** Names of the tables that exist: `orders`, `shop.orders`. */
  names(): Promise<readonly string[]>
  /** A table by one of `names()`; null when it is gone. */
  byName(name: string): Promise<Table | null>
  /** Any Delta table by folder or URL; null when there is none. */
  byPath(path: string): Promise<Table | null>
}

/** What a reader is made of. */
export interface ReaderOptions {
  readonly engine: Engine
  readonly tables: TableResolver
  readonly clock: Clock
}

/** Bounds of a query. */
export interface SqlOptions {
  /** Rows handed out at most; `truncated` then tells whether there were more. */
  readonly rowsMax?: number
  /** Ends the query with SLU-SQL-6005. */
  readonly signal?: AbortSignal
}

/** A column of a result with DuckDB's name of its type. */
export interface SqlColumn {
  readonly name: string
  readonly type: string
}

/** A running query. Dispose it; that frees what it holds in DuckDB. */
export interface SqlResult extends AsyncDisposable {
  readonly columns: readonly SqlColumn[]
  /** The rows, once, in batches of up to 2048. */
  batches(): AsyncIterable<readonly (readonly SqlCell[])[]>
  /** True when `rowsMax` cut rows off; known once `batches` has ended. */
  isTruncated(): boolean
}

/** A whole result. */
export interface SqlRows {
  readonly columns: readonly SqlColumn[]
  readonly rows: readonly (readonly SqlCell[])[]
  readonly isTruncated: boolean
}

/** Runs queries. */
export interface Reader {
  /**
   * Starts one query: SELECT, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES or EXPLAIN. Beside
   * names it knows `t AT (VERSION => n)`, `t AT (TIMESTAMP => t)`, `delta('path')`, `meta('t')` and
   * `changes('t', fromExclusive, toInclusive)`. All tables of one query are read at the versions
   * found at its start.
   * Throws SLU-SQL-6001 … 6006 and what the table throws (SLU-TAB-3003 version gone, 3004 changes
   * gone).
   */
  sql(text: string, options?: SqlOptions): Promise<SqlResult>
  /**
   * Runs a query and collects its rows: for results that are known to be small or bounded by
   * `rowsMax`.
   */
  rows(text: string, options?: SqlOptions): Promise<SqlRows>
}

/** Makes a reader; it holds nothing between queries. */
export function createReader(options: ReaderOptions): Reader {
  const sql = (text: string, bounds: SqlOptions = {}): Promise<SqlResult> =>
    runSql(options, text, bounds)
  return {
    sql,
    rows: async (text, bounds) => {
      await using result = await sql(text, bounds)
      const rows: (readonly SqlCell[])[] = []
      for await (const batch of result.batches()) rows.push(...batch)
      return { columns: result.columns, rows, isTruncated: result.isTruncated() }
    },
  }
}

async function runSql(
  { engine, tables, clock }: ReaderOptions,
  text: string,
  { rowsMax, signal }: SqlOptions,
): Promise<SqlResult> {
  if (signal?.aborted) throw interrupted(signal)
  const workspace = await openWorkspace(engine)
  const watch = interruptOnAbort(workspace.session, clock, signal)
  const close = async (): Promise<void> => {
    await watch[Symbol.asyncDispose]()
    await workspace[Symbol.asyncDispose]()
  }
  try {
    const statement = await prepare(workspace, tables, text)
    if (signal?.aborted) throw interrupted(signal)
    return await start(workspace, statement, { rowsMax, signal, close })
  } catch (error) {
    await close()
    throw signal?.aborted ? interrupted(signal, error) : error
  }
}

/** Defines the relations that the statement needs; returns the text to run. */
async function prepare(workspace: Workspace, tables: TableResolver, text: string): Promise<string> {
  const draft = draftStatement(text)
  const catalogue: NameList = { names: await tables.names() }
  if (draft.showsTables) return plainText(showTablesText(catalogue))
  const tree = await parse(workspace, plainText(draft.parseText))
  const plan = planStatement(draft, tree, catalogue)
  const open = cachedSnapshots(workspace, tables)
  for (const relation of plan.relations) await define(workspace, open, relation)
  return plainText(plan.text)
}

/**
 * DuckDB's own syntax tree. Throws SLU-SQL-6001 when it cannot be parsed, 6003 when it is not a
 * query.
 */
async function parse(workspace: Workspace, text: string): Promise<JsonObject> {
  const answer = await workspace.session.query(
    `SELECT CAST(json_serialize_sql(${literal(text)}) AS VARCHAR)`,
  )
  const tree = JSON.parse(String(answer.rows[0]?.[0])) as JsonObject
  if (tree.error !== true) return tree
  const isQueryOnly = tree.error_type === 'not implemented'
  throw new SluiceError(isQueryOnly ? 'SLU-SQL-6003' : 'SLU-SQL-6001', {
    message: isQueryOnly
      ? 'only queries can be run (PIVOT needs its values listed with IN)'
      : `${String(tree.error_message)}${placeOf(text, tree.position)}`,
  })
}

/** `, line 2 column 7`; the position counts bytes. */
function placeOf(text: string, position: unknown): string {
  if (position === undefined) return ''
  const before = Buffer.from(text, 'utf8').subarray(0, Number(position)).toString('utf8')
  const lines = before.split('\n')
  return `, line ${lines.length} column ${(lines.at(-1) as string).length + 1}`
}

type SnapshotOpener = (
  reference: TableReference,
  at: AtClause | null,
) => Promise<{ readonly table: Table; readonly snapshot: Snapshot }>

/**
 * Opens each table once and reads its newest version once, so that a query sees one version
 * throughout.
 */
function cachedSnapshots(workspace: Workspace, tables: TableResolver): SnapshotOpener {
  const opened = new Map<string, { readonly table: Table; readonly latest: Snapshot }>()
  return async (reference, at) => {
    const key = reference.kind === 'name' ? `name ${reference.name}` : `path ${reference.path}`
    let entry = opened.get(key)
    if (entry === undefined) {
      const table = await openTable(tables, reference)
      entry = { table, latest: await table.latest() }
      opened.set(key, entry)
    }
    const { table, latest } = entry
    if (at === null) return { table, snapshot: latest }
    return { table, snapshot: await table.snapshot(await evaluateAt(workspace, at)) }
  }
}

async function openTable(tables: TableResolver, reference: TableReference): Promise<Table> {
  const table =
    reference.kind === 'name'
      ? await tables.byName(reference.name)
      : await tables.byPath(reference.path)
  if (table !== null) return table
  const name = reference.kind === 'name' ? reference.name : reference.path
  throw new SluiceError('SLU-SQL-6002', {
    message: `there is no table at ${name}`,
    context: { table: name },
  })
}

/** The expression may be anything that needs no table: `now() - INTERVAL 5 MINUTES`. */
async function evaluateAt(workspace: Workspace, at: AtClause): Promise<SnapshotAt> {
  const draft = draftExpression(at)
  const text = plainText(draft.parseText)
  planStatement(draft, await parse(workspace, text), { names: [] })
  const value = await queryOrExplain(workspace, text, at)
  if (typeof value !== 'bigint') throw wrongAt(at)
  return at.unit === 'version'
    ? { kind: 'version', version: value }
    : { kind: 'timestamp', micros: value }
}

async function queryOrExplain(workspace: Workspace, text: string, at: AtClause): Promise<unknown> {
  try {
    return (await workspace.session.query(text)).rows[0]?.[0]
  } catch (error) {
    throw wrongAt(at, error)
  }
}

function wrongAt({ unit, expression }: AtClause, cause?: unknown): SluiceError {
  const wanted = unit === 'version' ? 'a version number' : 'a time'
  return new SluiceError('SLU-SQL-6006', { message: `${expression} is not ${wanted}`, cause })
}

async function define(
  workspace: Workspace,
  open: SnapshotOpener,
  { schema, view, spec }: PlannedRelation,
): Promise<void> {
  await workspace.define(schema, view, await relationSql(workspace, open, spec))
}

async function relationSql(
  workspace: Workspace,
  open: SnapshotOpener,
  spec: RelationSpec,
): Promise<string> {
  switch (spec.kind) {
    case 'snapshot': {
      const { table, snapshot } = await open(spec.table, spec.at)
      const { withMetaColumns } = spec
      return snapshotRelation(workspace, { table, snapshot, withMetaColumns })
    }
    case 'changes': {
      const { fromVersionExclusive, toVersionInclusive } = spec
      const { table, snapshot } = await open(spec.table, null)
      const version = toVersionInclusive
      const to = version === null ? snapshot : await table.snapshot({ kind: 'version', version })
      return changesRelation(workspace, { table, fromVersionExclusive, to })
    }
    default: {
      const never: never = spec
      return never
    }
  }
}

interface Running {
  readonly rowsMax: number | undefined
  readonly signal: AbortSignal | undefined
  close(): Promise<void>
  /** The error to report for what DuckDB threw. */
  failed(error: unknown): Promise<SluiceError>
}

/** DuckDB's numbers of the statement kinds that only read. */
const READING_STATEMENTS: readonly number[] = [1, 4]

async function start(
  workspace: Workspace,
  text: string,
  bounds: Omit<Running, 'failed'>,
): Promise<SqlResult> {
  const { connection } = workspace.session
  const running: Running = {
    ...bounds,
    failed: (error) => failed(workspace, error, bounds.signal),
  }
  let statement: Awaited<ReturnType<typeof connection.prepare>>
  try {
    statement = await connection.prepare(text)
  } catch (error) {
    throw wrapError(error, 'SLU-SQL-6001', 'the statement is not valid')
  }
  if (!READING_STATEMENTS.includes(statement.statementType)) {
    throw new SluiceError('SLU-SQL-6003', { message: 'only queries can be run' })
  }
  if (statement.parameterCount > 0) {
    throw new SluiceError('SLU-SQL-6001', { message: 'the statement has parameters' })
  }
  try {
    const result = await guard(() => statement.stream())
    const types = result.columnTypes() as readonly TypeShape[]
    const names = result.columnNames()
    return createResult(() => result.fetchChunk(), names, types, running)
  } catch (error) {
    throw await running.failed(error)
  }
}

interface RowChunk {
  readonly rowCount: number
  getRows(): readonly (readonly unknown[])[]
}

function createResult(
  fetchChunk: () => Promise<RowChunk | null>,
  names: readonly string[],
  types: readonly TypeShape[],
  { rowsMax = Number.POSITIVE_INFINITY, signal, close, failed }: Running,
): SqlResult {
  const readers: readonly CellReader[] = types.map(cellReader)
  let isTruncated = false
  async function* batches(): AsyncIterable<readonly (readonly SqlCell[])[]> {
    let left = rowsMax
    for (;;) {
      if (signal?.aborted) throw interrupted(signal)
      const chunk = await guard(fetchChunk).catch(async (error: unknown) => {
        throw await failed(error)
      })
      if (chunk === null || chunk.rowCount === 0) return
      isTruncated = chunk.rowCount > left
      const rows = chunk.getRows().slice(0, left)
      left -= rows.length
      if (rows.length > 0) {
        yield rows.map((row) => row.map((value, index) => (readers[index] as CellReader)(value)))
      }
      if (isTruncated) return
    }
  }
  return {
    columns: names.map((name, index) => ({ name, type: String(types[index]) })),
    batches,
    isTruncated: () => isTruncated,
    [Symbol.asyncDispose]: close,
  }
}

async function failed(
  workspace: Workspace,
  error: unknown,
  signal: AbortSignal | undefined,
): Promise<SluiceError> {
  if (signal?.aborted) return interrupted(signal, error)
  const coded = wrapError(error, 'SLU-SQL-6004', 'the query failed')
  const explained = await explainFailure(workspace, coded)
  if (!explained.code.startsWith('SLU-ENG') && explained.code !== 'SLU-BUG-9001') return explained
  const message = `the query failed: ${explained.message}`
  return new SluiceError('SLU-SQL-6004', { message, cause: error })
}

function interrupted(signal: AbortSignal, cause: unknown = signal.reason): SluiceError {
  return new SluiceError('SLU-SQL-6005', { message: 'the query was cancelled', cause })
}
