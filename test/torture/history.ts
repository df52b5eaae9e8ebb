/**
 * The checker: reads a table's log and Parquet files by itself, version by version, and says what
 * is
 * wrong. It shares no code with the product; slow and plain on purpose.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { readVector, type VectorDescriptor } from './vector.ts'

/** What must hold for a table beside unique keys and growing cursors. */
export interface HistoryRules {
  readonly key: readonly string[]
  /** An integer column whose sum every source transaction leaves alone, and that sum. */
  readonly conserved: { readonly column: string; readonly sum: number } | null
}

/** What the walk over all versions found. */
export interface HistoryReport {
  readonly versions: number
  /** Versions whose cursor says `stream`. */
  readonly streamVersions: number
  readonly vectorsRead: number
  readonly rowsWritten: number
  readonly problems: readonly string[]
}

/** A cursor as it stands in the log. */
export interface LoggedCursor {
  readonly split: string
  readonly nextPosition: bigint
  readonly phase: string
  readonly batchNumber: bigint
  readonly identity: Readonly<Record<string, unknown>>
}

interface Add {
  readonly path: string
  readonly deletionVector?: VectorDescriptor
}

interface Action {
  readonly add?: Add
  readonly remove?: { readonly path: string }
  readonly metaData?: { readonly schemaString: string }
  readonly domainMetadata?: {
    readonly domain: string
    readonly configuration: string
    readonly removed: boolean
  }
}

/** A live file: what each of its rows is, and which of them are deleted. */
interface LiveFile {
  readonly keys: readonly string[]
  readonly values: readonly number[]
  deleted: ReadonlySet<number>
}

const CURSOR_DOMAIN = 'sluice.source.'
const PROBLEMS_MAX = 20

/** Numbers of the versions in the log, ascending. */
export function listVersions(root: string): readonly number[] {
  const log = path.join(root, '_delta_log')
  if (!existsSync(log)) return []
  const names = readdirSync(log).filter((name) => /^\d{20}\.json$/.test(name))
  return names.map((name) => Number(name.slice(0, 20))).toSorted((left, right) => left - right)
}

/** The newest cursor of a table; null before the first. */
export function newestCursor(root: string): LoggedCursor | null {
  for (const version of listVersions(root).toReversed()) {
    const cursor = cursorsOf(readActions(root, version))[0]
    if (cursor) return cursor
  }
  return null
}

/** The first version whose cursor says `stream`; null before it. */
export function firstStreamVersion(root: string): number | null {
  for (const version of listVersions(root)) {
    if (cursorsOf(readActions(root, version)).some(({ phase }) => phase === 'stream')) {
      return version
    }
  }
  return null
}

/** Walks over every version of the table. */
export async function checkHistory(root: string, rules: HistoryRules): Promise<HistoryReport> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    return await walkVersions(root, rules, connection)
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}

async function walkVersions(
  root: string,
  rules: HistoryRules,
  connection: DuckDBConnection,
): Promise<HistoryReport> {
  const cursors = new Map<string, LoggedCursor>()
  const problems: string[] = []
  const walk: Walk = { root, rules, connection, columns: new Map(), live: new Map(), ...noRows() }
  const versions = listVersions(root)
  let streamVersions = 0
  for (const [index, version] of versions.entries()) {
    if (version !== index) problems.push(`version ${index} is missing in the log`)
    const actions = readActions(root, version)
    try {
      await applyVersion(walk, actions)
    } catch (error) {
      problems.push(`version ${version}: ${String(error)}`)
    }
    for (const cursor of cursorsOf(actions)) {
      problems.push(...cursorProblems(version, cursors.get(cursor.split), cursor))
      cursors.set(cursor.split, cursor)
    }
    const isStream = [...cursors.values()].some((cursor) => cursor.phase === 'stream')
    if (isStream) streamVersions += 1
    problems.push(...rowProblems(walk, version, isStream))
    if (problems.length >= PROBLEMS_MAX) break
  }
  return {
    versions: versions.length,
    streamVersions,
    vectorsRead: walk.vectorsRead,
    rowsWritten: walk.rowsWritten,
    problems: problems.slice(0, PROBLEMS_MAX),
  }
}

/** The state of a table at the version the walk has reached. */
interface Walk {
  readonly root: string
  readonly rules: HistoryRules
  readonly connection: DuckDBConnection
  /** Logical → physical column names. */
  readonly columns: Map<string, string>
  readonly live: Map<string, LiveFile>
  /** Key → number of live rows. */
  readonly keyCounts: Map<string, number>
  readonly doubled: Set<string>
  sum: number
  vectorsRead: number
  rowsWritten: number
}

function noRows() {
  const keyCounts = new Map<string, number>()
  return { keyCounts, doubled: new Set<string>(), sum: 0, vectorsRead: 0, rowsWritten: 0 }
}

async function applyVersion(walk: Walk, actions: readonly Action[]): Promise<void> {
  const added = new Set(actions.flatMap(({ add }) => (add ? [add.path] : [])))
  for (const { metaData, remove, add } of actions) {
    if (metaData) readColumns(metaData.schemaString, walk.columns)
    if (remove && !added.has(remove.path)) {
      const file = walk.live.get(remove.path)
      if (!file) throw new Error(`removes ${remove.path}, which is not live`)
      setDeleted(walk, file, new Set(file.keys.keys()))
      walk.live.delete(remove.path)
    }
    if (add) await applyAdd(walk, add)
  }
}

async function applyAdd(walk: Walk, add: Add): Promise<void> {
  const rows = new Set(add.deletionVector ? readVector(walk.root, add.deletionVector) : [])
  if (add.deletionVector) walk.vectorsRead += 1
  let file = walk.live.get(add.path)
  if (!file) {
    file = await readFile(walk, add.path)
    walk.rowsWritten += file.keys.length
    walk.live.set(add.path, file)
    for (const row of file.keys.keys()) countRow(walk, file, row, 1)
  }
  setDeleted(walk, file, rows)
}

function setDeleted(walk: Walk, file: LiveFile, rows: ReadonlySet<number>): void {
  for (const row of rows) if (!file.deleted.has(row)) countRow(walk, file, row, -1)
  for (const row of file.deleted) if (!rows.has(row)) countRow(walk, file, row, 1)
  file.deleted = rows
}

function countRow(walk: Walk, file: LiveFile, row: number, by: 1 | -1): void {
  const key = file.keys[row]
  if (key === undefined) throw new Error(`row ${row} of a file with ${file.keys.length} rows`)
  const count = (walk.keyCounts.get(key) ?? 0) + by
  if (count === 0) walk.keyCounts.delete(key)
  else walk.keyCounts.set(key, count)
  if (count > 1) walk.doubled.add(key)
  else walk.doubled.delete(key)
  walk.sum += by * (file.values[row] ?? 0)
}

function rowProblems(walk: Walk, version: number, isStream: boolean): readonly string[] {
  const problems: string[] = []
  if (walk.doubled.size > 0) {
    const [example] = walk.doubled
    problems.push(`version ${version}: ${walk.doubled.size} keys live twice, such as ${example}`)
  }
  const { conserved } = walk.rules
  if (isStream && conserved && walk.sum !== conserved.sum) {
    problems.push(`version ${version}: ${conserved.column} sums to ${walk.sum}`)
  }
  return problems
}

/** A live file of the newest version, for readers that look for themselves. */
export interface LiveFileFacts {
  /** Quoted for SQL. */
  readonly url: string
  readonly vector: VectorDescriptor | null
  readonly physicalName: (column: string) => string
}

/** The live files of the newest version. */
export function liveFiles(root: string): readonly LiveFileFacts[] {
  const physical = new Map<string, string>()
  const live = new Map<string, VectorDescriptor | null>()
  for (const version of listVersions(root)) {
    const actions = readActions(root, version)
    for (const { metaData, remove } of actions) {
      if (metaData) readColumns(metaData.schemaString, physical)
      if (remove) live.delete(remove.path)
    }
    for (const { add } of actions) if (add) live.set(add.path, add.deletionVector ?? null)
  }
  const physicalName = (column: string): string => physical.get(column) ?? column
  return [...live].map(([file, vector]) => ({
    url: objectPath(root, file),
    vector,
    physicalName,
  }))
}

/** The live rows of the newest version as text lines, sorted: one SQL expression a column. */
export async function liveLines(
  root: string,
  columns: readonly { readonly name: string; readonly sql: (column: string) => string }[],
): Promise<readonly string[]> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const lines: string[] = []
  try {
    for (const { url, vector, physicalName } of liveFiles(root)) {
      const deleted = new Set(vector ? readVector(root, vector) : [])
      const fields = columns.map(
        ({ name, sql }) => `coalesce(${sql(`"${physicalName(name)}"`)}, '∅')`,
      )
      const result = await connection.runAndReadAll(
        `SELECT file_row_number::INTEGER, concat_ws('|', ${fields.join(', ')})
         FROM read_parquet('${url}', file_row_number = true)`,
      )
      for (const [row, line] of result.getRows()) {
        if (!deleted.has(Number(row))) lines.push(String(line))
      }
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
  return lines.sort()
}

async function readFile(walk: Walk, file: string): Promise<LiveFile> {
  const { root, rules, columns, connection } = walk
  const quote = (name: string): string => `"${columns.get(name) ?? name}"`
  const key = `to_json([${rules.key.map((name) => `${quote(name)}::VARCHAR`).join(', ')}])::VARCHAR`
  const value = rules.conserved ? `${quote(rules.conserved.column)}::DOUBLE` : '0::DOUBLE'
  const result = await connection.runAndReadAll(
    `SELECT ${key}, ${value} FROM read_parquet('${objectPath(root, file)}', file_row_number = true)
     ORDER BY file_row_number`,
  )
  const [keys, values] = result.getColumns()
  return {
    keys: (keys ?? []).map(String),
    values: (values ?? []).map(Number),
    deleted: new Set(),
  }
}

function cursorProblems(
  version: number,
  before: LoggedCursor | undefined,
  after: LoggedCursor,
): readonly string[] {
  if (!before) return []
  const problems: string[] = []
  if (after.nextPosition < before.nextPosition) {
    problems.push(`cursor went back from ${before.nextPosition} to ${after.nextPosition}`)
  }
  if (before.phase === 'stream' && after.phase === 'copy') {
    problems.push('cursor went from stream back to copy')
  }
  if (after.batchNumber !== before.batchNumber + 1n) {
    problems.push(`batch ${after.batchNumber} follows batch ${before.batchNumber}`)
  }
  return problems.map((problem) => `version ${version}: ${problem}`)
}

function cursorsOf(actions: readonly Action[]): readonly LoggedCursor[] {
  return actions.flatMap(({ domainMetadata }) => {
    if (!domainMetadata?.domain.startsWith(CURSOR_DOMAIN) || domainMetadata.removed) return []
    const stored = JSON.parse(domainMetadata.configuration) as Record<string, unknown>
    return [
      {
        split: domainMetadata.domain,
        nextPosition: BigInt(String(stored.nextPosition)),
        phase: String(stored.phase),
        batchNumber: BigInt(String(stored.batchNumber)),
        identity: stored.identity as Record<string, unknown>,
      },
    ]
  })
}

function readActions(root: string, version: number): readonly Action[] {
  const name = `${String(version).padStart(20, '0')}.json`
  const text = readFileSync(path.join(root, '_delta_log', name), 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Action)
}

/** Logical → physical column names of a Delta schema. */
function readColumns(schemaString: string, into: Map<string, string>): void {
  const schema = JSON.parse(schemaString) as {
    fields: { name: string; metadata: Record<string, unknown> }[]
  }
  for (const field of schema.fields) {
    const physical = field.metadata['delta.columnMapping.physicalName'] ?? field.name
    into.set(field.name, String(physical))
  }
}

function objectPath(root: string, file: string): string {
  return path.join(root, decodeURIComponent(file)).replaceAll("'", "''")
}
