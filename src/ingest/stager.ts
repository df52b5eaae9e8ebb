/**
 * Stages a batch: rows become Parquet files at new object paths, and where each key went is read
 * back from them.
 */

import { mkdir, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { KeyIndex, RowLocations, Table } from '../contracts/index.ts'
import { mapEntries, type Session, type SqlValue } from '../engine/index.ts'
import { setKeys } from '../merge/index.ts'
import {
  assert,
  type RowDeletes,
  type StagedFile,
  type TableColumn,
  type TableSchema,
} from '../model/index.ts'
import type { FileOrdinals } from '../state/index.ts'
import { type LaneContext, orderingColumn } from './lane-context.ts'
import { orderByColumns } from './radix-order.ts'
import type { Scratch } from './scratch.ts'
import { keyKind, storedKeysSql, type WriteQuery, writeSql } from './stage-sql.ts'
import { type ColumnFacts, fileStatistics } from './statistics.ts'
import type { Unit } from './unit.ts'

/** A file written by the engine, still in the spool. */
interface WrittenFile {
  readonly localPath: string
  readonly staged: StagedFile
}

/** What staging needs to know. */
export interface StageRequest extends Omit<WriteQuery, 'target'> {
  readonly table: Table
  readonly session: Session
  /** Empty spool folder of this batch and table. */
  readonly folder: string
  /** Unique part of the object names. */
  readonly uniqueName: string
  /** Called when the engine has written the files, before they are put. */
  readonly onWritten: () => void
}

/** Object path of the one file of an unpartitioned table's unit. */
export function plainPath(uniqueName: string): string {
  return `part-${uniqueName}-0.parquet`
}

/** Spool folder for the files that one unit writes. */
export function outputFolder(context: LaneContext, unit: Unit): string {
  const table = context.target.root.replaceAll('/', '.')
  return join(context.spoolFolder, `${unit.header.number}-out-${table}`)
}

/** `stageRows` for rows of a unit, into the table of its lane. */
export function stageUnitRows(
  context: LaneContext,
  unit: Unit,
  session: Session,
  rows: Pick<
    StageRequest,
    'split' | 'from' | 'position' | 'folder' | 'uniqueName' | 'rowGroupRows'
  >,
): Promise<readonly StagedFile[]> {
  return stageRows({
    table: context.table,
    session,
    schema: unit.schema,
    compressionLevel: context.compressionLevel,
    onWritten: () => context.failpoints.hit('file-written'),
    ...rows,
  })
}

/** Writes the rows and puts the files; returns them in no particular order. No rows, no files. */
export async function stageRows(request: StageRequest): Promise<readonly StagedFile[]> {
  const { schema, folder, session } = request
  await mkdir(folder, { recursive: true })
  const isPartitioned = schema.partitionBy.length > 0
  const target = isPartitioned ? join(folder, 'parts') : join(folder, 'part.parquet')
  const result = await session.query(writeSql({ ...request, target }))
  request.onWritten()
  const names = result.columns.map((column) => column.name)
  const files: WrittenFile[] = []
  for (const [index, row] of result.rows.entries()) {
    const facts = Object.fromEntries(names.map((name, at) => [name, row[at] as SqlValue]))
    if (Number(facts.count) === 0) continue
    files.push(writtenFile(schema, facts, `${request.uniqueName}-${index}.parquet`))
  }
  for (const file of files) await request.table.stageFile(file.localPath, file.staged.path)
  await rm(folder, { recursive: true, force: true })
  return files.map((file) => file.staged)
}

function writtenFile(
  schema: TableSchema,
  facts: Readonly<Record<string, SqlValue>>,
  name: string,
): WrittenFile {
  const columnFacts = new Map<string, ColumnFacts>()
  for (const { key, value } of mapEntries(facts.column_statistics)) {
    const entries = mapEntries(value).map((fact) => [String(fact.key), String(fact.value)] as const)
    columnFacts.set(String(key), new Map(entries))
  }
  const partitionValues: Record<string, string | null> = {}
  for (const { key, value } of mapEntries(facts.partition_keys)) {
    partitionValues[String(key)] = partitionValue(value)
  }
  const folders = Object.entries(partitionValues).map(
    ([column, value]) =>
      `${encodeURIComponent(column)}=${value === null ? NULL_FOLDER : encodeURIComponent(value)}/`,
  )
  return {
    localPath: String(facts.filename),
    staged: {
      path: `${folders.join('')}part-${name}`,
      sizeBytes: Number(facts.file_size_bytes),
      partitionValues,
      statistics: fileStatistics(schema, Number(facts.count), columnFacts),
    },
  }
}

const NULL_FOLDER = '__HIVE_DEFAULT_PARTITION__'

/** Delta cannot tell an empty string from NULL in a partition column; both become NULL. */
function partitionValue(value: SqlValue): string | null {
  if (value === null || value === '' || value === NULL_FOLDER) return null
  return String(value)
}

/** Points the index at the rows of files that were just staged: all of them are live. */
export async function indexStaged(
  context: LaneContext,
  schema: TableSchema,
  session: Session,
  files: readonly StagedFile[],
): Promise<void> {
  const { table, ordinals, index, scratch } = context
  for (const { path, statistics } of files) {
    await indexFile({
      session,
      schema,
      ordering: orderingColumn(context, schema),
      url: table.stagedUrl(path),
      ordinal: ordinals.ordinalOf(path),
      rowCount: statistics.recordCount,
      deletedRows: new Uint32Array(0),
      index,
      scratch,
    })
  }
}

/** Reads a stored file's keys back and points the index at its live rows. */
export async function indexFile(options: {
  readonly session: Session
  readonly schema: TableSchema
  readonly ordering: TableColumn | null
  readonly url: string
  readonly ordinal: number
  readonly rowCount: number
  /** Ascending row positions that are deleted. */
  readonly deletedRows: Uint32Array
  readonly index: KeyIndex
  readonly scratch: Scratch
}): Promise<void> {
  const { rowCount, deletedRows, ordinal } = options
  const hashes = options.scratch.hashes('stored', rowCount)
  const locations = options.scratch.locations('stored', rowCount)
  const isDeleted = deletedRows.length === 0 ? null : bitmap(deletedRows, rowCount)
  let read = 0
  let live = 0
  const sql = storedKeysSql(options.schema, options.ordering, options.url)
  const kinds = [keyKind(options.schema, options.ordering), 'u32', 'i64'] as const
  await options.session.columns(sql, kinds, ([keys, row, ordering], count) => {
    assert(
      read + count <= rowCount,
      'SLU-TAB-3005',
      `${options.url} has more rows than its log entry says`,
    )
    read += count
    setKeys(hashes, live, keys, count)
    locations.rows.set(row, live)
    locations.orderings.set(ordering, live)
    live = isDeleted === null ? live + count : keepLive(hashes, locations, live, count, isDeleted)
  })
  assert(read === rowCount, 'SLU-TAB-3005', `${options.url} has fewer rows than its log entry says`)
  locations.files.fill(ordinal, 0, live)
  await options.index.put(hashes, live, locations)
}

/** Rows of a chunk that the engine hands out at once, at most. */
const CHUNK_ROWS_MAX = 2048

/** Reads a file's keys back; throws SLU-BUG-9001 unless row i holds key i of `expectedKeys`. */
export async function checkPlaces(options: {
  readonly session: Session
  readonly schema: TableSchema
  readonly ordering: TableColumn | null
  readonly url: string
  readonly expectedKeys: Uint32Array
}): Promise<void> {
  const { expectedKeys } = options
  const chunk = new Uint32Array(CHUNK_ROWS_MAX * 4)
  const sql = storedKeysSql(options.schema, options.ordering, options.url)
  const kinds = [keyKind(options.schema, options.ordering), 'u32', 'i64'] as const
  let read = 0
  let isEqual = true
  await options.session.columns(sql, kinds, ([keys, rows], count) => {
    setKeys(chunk, 0, keys, count)
    for (let at = 0; at < count; at++) {
      const expected = (rows[at] as number) * 4
      for (let word = 0; word < 4; word++) {
        isEqual &&= chunk[at * 4 + word] === expectedKeys[expected + word]
      }
    }
    read += count
  })
  assert(
    isEqual && read * 4 === expectedKeys.length,
    'SLU-BUG-9001',
    `${options.url} does not hold its rows in the order they were given`,
  )
}

/**
 * Closes the gaps that deleted rows leave among the `count` entries from `from` on; returns the new
 * end.
 */
function keepLive(
  hashes: Uint32Array,
  { rows, orderings }: RowLocations,
  from: number,
  count: number,
  isDeleted: Uint32Array,
): number {
  let to = from
  for (let at = from; at < from + count; at++) {
    const row = rows[at] as number
    if (((isDeleted[row >>> 5] as number) >>> (row & 31)) & 1) continue
    if (to < at) {
      hashes.copyWithin(to * 4, at * 4, at * 4 + 4)
      rows[to] = row
      orderings.copyWithin(to, at, at + 1)
    }
    to++
  }
  return to
}

function bitmap(rows: Uint32Array, rowCount: number): Uint32Array {
  const bits = new Uint32Array((rowCount + 31) >>> 5)
  for (const row of rows) {
    assert(row < rowCount, 'SLU-TAB-3005', 'a deletion vector names a row beyond its file')
    bits[row >>> 5] = (bits[row >>> 5] as number) | (1 << (row & 31))
  }
  return bits
}

/** Groups parallel (file ordinal, row) columns into one ascending row list per file. */
export function groupDeletes(
  files: Uint32Array,
  rows: Uint32Array,
  ordinals: FileOrdinals,
): readonly RowDeletes[] {
  const order = orderByColumns([files, rows])
  const groups: RowDeletes[] = []
  for (let from = 0; from < order.length; ) {
    const file = files[order[from] as number] as number
    let to = from + 1
    while (to < order.length && files[order[to] as number] === file) to++
    const path = ordinals.pathOf(file)
    assert(path !== null, 'SLU-BUG-9001', 'the key index names a file that left the table')
    const ofFile = new Uint32Array(to - from)
    for (let at = from; at < to; at++) ofFile[at - from] = rows[order[at] as number] as number
    groups.push({ path, rows: ofFile })
    from = to
  }
  return groups
}

/** Empties a spool folder left by an earlier run. */
export async function emptySpool(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const name of await readdir(folder)) {
    await rm(join(folder, basename(name)), { recursive: true, force: true })
  }
}
