/**
 * SQL that reads data files as one relation with the columns of a schema. Text only; nothing runs
 * here.
 */

import { duckType, identifier, list, literal } from '../engine/index.ts'
import type { DataFile, TableColumn, TableSchema } from '../model/index.ts'
import { fromStored, storedDuckType } from './stored-type.ts'

/** One reading of a data file; a file may be read several times with other labels. */
export interface ScanEntry {
  /** Path or URL for DuckDB. */
  readonly url: string
  readonly partitionValues: DataFile['partitionValues']
  /** SQL literals that every row of this reading carries, one per label; empty for `only`. */
  readonly labels: readonly string[]
}

/**
 * Rows of the entries, by the entry's place in the request, in a temp table of the session.
 * - `only`: a table `(file UINTEGER, "row" UINTEGER, tag UINTEGER)`; nothing else is read, each row
 *   as often as the table names it, with the labels at place `tag` instead of the entry's.
 * - `except`: a table `(file UINTEGER, "row" UINTEGER)`; all other rows are read.
 * - `except-bitmap`: a table `(file UINTEGER, bits BIT)` with a row for each entry, bit n for row n
 *   up to `lastRow`; half the cost of `except`.
 */
export type RowPositions =
  | {
      readonly use: 'only'
      readonly table: string
      readonly labels: readonly (readonly string[])[]
    }
  | { readonly use: 'except'; readonly table: string }
  | { readonly use: 'except-bitmap'; readonly table: string; readonly lastRow: number }

/** What to read. */
export interface ScanRequest {
  readonly entries: readonly ScanEntry[]
  readonly schema: TableSchema
  /** How the table's protocol finds columns in files: `delta.columnMapping.mode`. */
  readonly columnMapping: 'id' | 'name'
  readonly positions: RowPositions | null
  /** Names of the label columns. */
  readonly labels: readonly string[]
  /** True adds `file`, the entry's place in the request, and `"row"`: both UINTEGER. */
  readonly withPlaces?: boolean
}

/**
 * Files in one `read_parquet`: keeps a statement's text and the list DuckDB holds per scan within a
 * few megabytes.
 */
export const FILES_PER_SCAN_MAX = 10_000

/**
 * Name of the i-th column of the schema in a scan: never the name of one of DuckDB's virtual
 * columns.
 */
export function scanColumn(index: number): string {
  return `c${index}`
}

/**
 * SELECT of the labels, the places when asked for, then `c0, c1, …` with the types of the schema.
 * At least one entry.
 */
export function scanSql(request: ScanRequest): string {
  const parts: string[] = []
  for (let from = 0; from < request.entries.length; from += FILES_PER_SCAN_MAX) {
    parts.push(chunkSql(request, request.entries.slice(from, from + FILES_PER_SCAN_MAX), from))
  }
  return parts.join('\nUNION ALL ')
}

/** SELECT with the columns of a scan and no rows. */
export function emptyScanSql(schema: TableSchema): string {
  const columns = schema.columns.map(
    (column, index) => `CAST(NULL AS ${duckType(column.type)}) AS ${scanColumn(index)}`,
  )
  return `SELECT ${columns.join(', ')} WHERE false`
}

/** `c0 AS "id", c1 AS "name"` for the columns that the filter keeps. */
export function namedColumns(
  schema: TableSchema,
  keep: (column: TableColumn) => boolean,
): readonly string[] {
  return schema.columns.flatMap((column, index) =>
    keep(column) ? [`${scanColumn(index)} AS ${identifier(column.name)}`] : [],
  )
}

/** Takes the special meaning from `*`, `?` and `[` in a path, which DuckDB reads as a pattern. */
export function escapePattern(path: string): string {
  return path.replaceAll(/[*?[]/g, (sign) => `[${sign}]`)
}

function chunkSql(request: ScanRequest, entries: readonly ScanEntry[], from: number): string {
  const { schema, positions } = request
  const partition = new Set(schema.partitionBy)
  const stored = schema.columns.map((column, index) => ({ column, name: scanColumn(index) }))
  const inFile = stored.filter(({ column }) => !partition.has(column.name))
  const fileColumns = inFile.map((item) => fileColumn(request, item))
  const extras = extrasOf(request, entries)
  const select = [
    ...request.labels.map((label) => {
      const value = positions?.use === 'only' ? `l.${identifier(label)}` : extras.label(label)
      return `${value} AS ${identifier(label)}`
    }),
    ...(request.withPlaces === true ? placeColumns(from) : []),
    ...stored.map(({ column, name }) =>
      partition.has(column.name)
        ? `${partitionSql(extras.partition(column.physicalName), column)} AS ${name}`
        : `${fromStored(`f.${name}`, column.type)} AS ${name}`,
    ),
  ]
  return `SELECT ${select.join(', ')}
FROM read_parquet(${list(entries.map((entry) => escapePattern(entry.url)))},
  hive_partitioning = false, schema = MAP {${fileColumns.join(', ')}}) AS f
${extras.join}${positions === null ? '' : positionsJoin(positions, request.labels, from)}`
}

/**
 * A column by its identity in the file. Unlike `union_by_name` this opens no file to bind, gives
 * missing columns NULL, casts, and leaves the virtual columns `file_index` and `file_row_number`
 * usable; the options of the same names must stay unset, they end in an internal error together
 * with a schema.
 */
function fileColumn(
  request: ScanRequest,
  item: { readonly column: TableColumn; readonly name: string },
): string {
  const { column, name } = item
  const key = request.columnMapping === 'id' ? String(column.fieldId) : literal(column.physicalName)
  const type = literal(storedDuckType(column.type))
  return `${key}: {name: ${literal(name)}, type: ${type}, default_value: NULL}`
}

/** The number of a row's file among the entries of the request, and its position in the file. */
function placeColumns(from: number): readonly string[] {
  return [`(${fileNumber(from)})::UINTEGER AS file`, 'f.file_row_number::UINTEGER AS "row"']
}

function fileNumber(from: number): string {
  return from === 0 ? 'f.file_index' : `f.file_index + ${from}`
}

function positionsJoin(positions: RowPositions, labels: readonly string[], from: number): string {
  const file = fileNumber(from)
  const sameRow = `d.file = ${file} AND d."row" = f.file_row_number`
  switch (positions.use) {
    case 'only': {
      const rows = positions.labels.map((row, tag) => `(${[tag, ...row].join(', ')})`)
      const names = ['tag', ...labels.map(identifier)].join(', ')
      return `JOIN ${positions.table} AS d ON ${sameRow}
JOIN (VALUES ${rows.join(', ')}) AS l(${names}) ON l.tag = d.tag`
    }
    case 'except':
      return `ANTI JOIN ${positions.table} AS d ON ${sameRow}`
    case 'except-bitmap':
      return `JOIN ${positions.table} AS d ON d.file = ${file}
WHERE CASE WHEN f.file_row_number > ${positions.lastRow} THEN true
  ELSE get_bit(d.bits, f.file_row_number::INTEGER) = 0 END`
    default: {
      const never: never = positions
      return never
    }
  }
}

interface Extras {
  readonly join: string
  label(name: string): string
  partition(physicalName: string): string
}

/**
 * Labels and partition values: constants when all entries agree, else joined by the number of the
 * file.
 */
function extrasOf(request: ScanRequest, entries: readonly ScanEntry[]): Extras {
  const byName = new Map(request.schema.columns.map((column) => [column.name, column]))
  const partitions = request.schema.partitionBy.map(
    (name) => byName.get(name)?.physicalName ?? name,
  )
  const rows = entries.map((entry) => [
    ...entry.labels,
    ...partitions.map((name) => partitionLiteral(entry.partitionValues[name])),
  ])
  const first = rows[0] ?? []
  const labelIndex = (name: string): number => request.labels.indexOf(name)
  const labelCount = entries[0]?.labels.length ?? 0
  const partitionIndex = (name: string): number => labelCount + partitions.indexOf(name)
  const isConstant = rows.every((row) => row.every((value, index) => value === first[index]))
  if (isConstant) {
    return {
      join: '',
      label: (name) => first[labelIndex(name)] as string,
      partition: (name) => first[partitionIndex(name)] as string,
    }
  }
  const values = rows.map((row, index) => `(${[index, ...row].join(', ')})`)
  const names = ['file', ...first.map((_, index) => `v${index}`)]
  return {
    join: `JOIN (VALUES ${values.join(', ')}) AS e(${names.join(', ')}) ON e.file = f.file_index\n`,
    label: (name) => `e.v${labelIndex(name)}`,
    partition: (name) => `e.v${partitionIndex(name)}`,
  }
}

/** An empty text is NULL for every type. Source: Delta protocol, partition value serialization. */
function partitionLiteral(value: string | null | undefined): string {
  return value === null || value === undefined || value === ''
    ? 'CAST(NULL AS VARCHAR)'
    : literal(value)
}

function partitionSql(value: string, column: TableColumn): string {
  if (column.type === 'binary') return `encode(${value})`
  return `CAST(${value} AS ${duckType(column.type)})`
}
