/** `sluice sql`: one query over the tables, as a table, CSV or JSON. */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { SluiceError, wrapError } from '../../model/index.ts'
import type { SqlCell, SqlColumn, SqlResult } from '../../read/index.ts'
import type { VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { JSON_SCHEMA_VERSION } from '../json.ts'
import type { TextColumn } from '../text-table.ts'

/** Options of the command. */
export interface SqlOptions {
  readonly format?: 'table' | 'json' | 'csv'
  readonly maxRows?: number
  readonly file?: string
  readonly timeoutMs?: number
}

/** Rows of a table for people when nothing else is asked: more does not fit a screen. */
const TABLE_ROWS_DEFAULT = 1000

/** Prints the result; values are exact in every format. */
export async function sqlVerb(
  context: VerbContext,
  given: string | undefined,
  options: SqlOptions,
): Promise<number> {
  const text = await statementText(context, given, options.file)
  const format = options.format ?? (context.output.isJson ? 'json' : 'table')
  const rowsMax = options.maxRows ?? (format === 'table' ? TABLE_ROWS_DEFAULT : undefined)
  await using runtime = await context.openRuntime()
  await using open = await runtime.openReader()
  const signal = timeoutSignal(context, options.timeoutMs)
  await using result = await open.reader.sql(text, {
    ...(rowsMax !== undefined && { rowsMax }),
    ...(signal && { signal }),
  })
  const { cellJson, plainCell } = await import('../../read/index.ts')
  const writers = { table: writeTable, csv: writeCsv, json: writeJson }
  await writers[format](context, result, { cellJson, plainCell })
  if (result.isTruncated()) {
    context.output.note(`… only the first ${rowsMax} rows; --max-rows shows more`)
  }
  return EXIT.ok
}

/** True for types that are aligned to the right. */
export function isNumeric(type: string): boolean {
  return /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))$/.test(
    type,
  )
}

/** Functions of the read room, loaded with it. */
export interface CellTools {
  cellJson(cell: SqlCell): string
  plainCell(cell: SqlCell): unknown
}

/** A cell for people and for CSV: NULL is empty in CSV and `NULL` in a table. */
export function cellText(cell: SqlCell, { cellJson }: CellTools): string {
  if (cell === null) return 'NULL'
  return typeof cell === 'object' ? cellJson(cell) : String(cell)
}

/** Columns of a text table for the columns of a result. */
export function textColumns(columns: readonly SqlColumn[]): readonly TextColumn[] {
  return columns.map(({ name, type }) => ({
    title: name,
    align: isNumeric(type) ? 'right' : 'left',
  }))
}

type Writer = (context: VerbContext, result: SqlResult, tools: CellTools) => Promise<void>

const writeTable: Writer = async ({ output }, result, tools) => {
  const rows: (readonly string[])[] = []
  for await (const batch of result.batches()) {
    for (const row of batch) rows.push(row.map((cell) => cellText(cell, tools)))
  }
  output.table(textColumns(result.columns), rows)
  output.note(rows.length === 1 ? '1 row' : `${rows.length} rows`)
}

const writeCsv: Writer = async ({ output }, result, tools) => {
  output.data(csvLine(result.columns.map((column) => column.name)))
  for await (const batch of result.batches()) {
    output.data(
      batch
        .map((row) => csvLine(row.map((cell) => (cell === null ? null : cellText(cell, tools)))))
        .join(''),
    )
  }
}

/** RFC 4180; an empty text is quoted, NULL is nothing at all. */
export function csvLine(cells: readonly (string | null)[]): string {
  const texts = cells.map((cell) => {
    if (cell === null) return ''
    return cell === '' || /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
  })
  return `${texts.join(',')}\r\n`
}

/** One document written row by row, so that its size is not bound by memory. */
const writeJson: Writer = async ({ output }, result, { cellJson }) => {
  const head = JSON.stringify({
    schemaVersion: JSON_SCHEMA_VERSION,
    kind: 'sql',
    columns: result.columns.map(({ name, type }) => ({ name, type })),
  })
  output.data(`${head.slice(0, -1)},"rows":[`)
  let separator = '\n'
  for await (const batch of result.batches()) {
    let text = ''
    for (const row of batch) {
      text += `${separator}${cellJson(row)}`
      separator = ',\n'
    }
    output.data(text)
  }
  output.data(`\n],"truncated":${result.isTruncated()}}\n`)
}

async function statementText(
  { host }: VerbContext,
  given: string | undefined,
  file: string | undefined,
): Promise<string> {
  if ((given === undefined) === (file === undefined)) {
    throw new SluiceError('SLU-CLI-8001', {
      message:
        given === undefined ? 'a statement is missing' : 'a statement and -f are one too many',
      remedy: 'Write sluice sql "SELECT …", sluice sql -f query.sql, or sluice sql -f - for stdin.',
    })
  }
  if (given !== undefined) return given
  if (file === '-') return host.readInput()
  try {
    return readFileSync(resolve(host.folder, file ?? ''), 'utf8')
  } catch (error) {
    throw wrapError(error, 'SLU-CLI-8001', `cannot read ${file}`)
  }
}

function timeoutSignal({ host }: VerbContext, timeoutMs: number | undefined): AbortSignal | null {
  if (timeoutMs === undefined) return null
  const controller = new AbortController()
  void host.clock.sleep(timeoutMs).then(() => controller.abort())
  return controller.signal
}
