/** `sluice diff TABLE A B`: what is different between two versions. */

import type { Snapshot } from '../../contracts/index.ts'
import type { DifferentRow, SqlCell, VersionDifference } from '../../read/index.ts'
import { findTable, openTable, parseMoment, type VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { countText } from '../format.ts'
import { differenceText, type SchemaDifference, schemaDifferences } from '../schema-difference.ts'
import { type CellTools, cellText } from './sql.ts'

/** Options of the command. */
export interface DiffOptions {
  readonly limit: number
  /** Only the columns are compared. */
  readonly schema?: boolean
  /** Counts only. */
  readonly summary?: boolean
  /** Exit code 10 when something differs. */
  readonly exitCode?: boolean
}

/** What is compared, older or newer first. */
interface Versions {
  readonly table: string
  readonly from: Snapshot
  readonly to: Snapshot
}

/** Prints the net difference from version A to version B. Throws SLU-TAB-3003. */
export async function diffVerb(
  context: VerbContext,
  name: string,
  moments: readonly [string, string],
  options: DiffOptions,
): Promise<number> {
  const [fromMoment, toMoment] = moments.map((text) => parseMoment(text, 'a version to compare'))
  await using runtime = await context.openRuntime()
  const found = findTable(runtime.config, name)
  await using table = await openTable(runtime, found)
  const newest = await table.latest()
  const from = fromMoment === undefined ? newest : await table.snapshot(fromMoment)
  const to = toMoment === undefined ? newest : await table.snapshot(toMoment)
  const versions = { table: found.target.table, from, to }
  const schema = schemaDifferences(from.schema, to.schema)
  if (options.schema === true) {
    printSchema(context, versions, schema)
    return exitCode(options, schema.length > 0)
  }
  await using open = await runtime.openReader()
  const { versionDifference, ...tools } = await import('../../read/index.ts')
  const rowsMax = options.summary === true ? 0 : options.limit
  const difference = await versionDifference({ engine: open.engine, table, from, to, rowsMax })
  print(context, { versions, schema, difference, tools, options })
  return exitCode(options, schema.length > 0 || totalOf(difference) > 0n)
}

function exitCode(options: DiffOptions, differs: boolean): number {
  return differs && options.exitCode === true ? EXIT.differences : EXIT.ok
}

function totalOf({ inserted, updated, deleted }: VersionDifference): bigint {
  return inserted + updated + deleted
}

function headOf({ table, from, to }: Versions): object {
  return { table, from: from.version, to: to.version }
}

function printSchema(
  { output }: VerbContext,
  versions: Versions,
  schema: readonly SchemaDifference[],
): void {
  const rows = { inserted: null, updated: null, deleted: null }
  const none = { updatedColumns: {}, rows: [], truncated: false }
  output.document('diff', { ...headOf(versions), schema, ...rows, ...none })
  output.text(`${titleOf(versions)}\n`)
  output.text(schemaText(schema) || 'the columns are the same\n')
}

interface Printed {
  readonly versions: Versions
  readonly schema: readonly SchemaDifference[]
  readonly difference: VersionDifference
  readonly tools: CellTools
  readonly options: DiffOptions
}

function print({ output }: VerbContext, printed: Printed): void {
  const { versions, schema, difference, tools, options } = printed
  const { inserted, updated, deleted, rows, columns } = difference
  const isTruncated = BigInt(rows.length) < totalOf(difference)
  output.document('diff', {
    ...headOf(versions),
    schema,
    inserted,
    updated,
    deleted,
    updatedColumns: Object.fromEntries(
      columns.flatMap((column, index) => {
        const count = difference.updatedColumns[index] ?? 0n
        return count === 0n ? [] : [[column, count]]
      }),
    ),
    rows: rows.map((row) => rowJson(row, difference, tools)),
    truncated: isTruncated,
  })
  output.text(`${titleOf(versions)}\n${schemaText(schema)}`)
  const counts = [
    `+ ${countText(inserted)} inserted`,
    `~ ${countText(updated)} updated`,
    `- ${countText(deleted)} deleted`,
  ]
  output.text(`${counts.join('  ')}\n`)
  if (updated > 0n) output.text(`${updatedText(difference)}\n`)
  if (rows.length === 0) return
  output.text('\n')
  output.table(
    [
      { title: '', align: 'left' },
      ...difference.key.map((title) => ({ title, align: 'left' as const })),
      { title: difference.key.length === 0 ? 'row' : 'what changed', align: 'left' },
    ],
    rows.flatMap((row) => rowTexts(row, difference, tools)),
  )
  if (isTruncated && options.summary !== true) {
    output.note(`… ${rows.length} of ${totalOf(difference)} rows: --limit ${totalOf(difference)}`)
  }
}

function titleOf({ table, from, to }: Versions): string {
  return `${table}: version ${from.version} → ${to.version}`
}

function schemaText(schema: readonly SchemaDifference[]): string {
  return schema.map((difference) => `${differenceText(difference)}\n`).join('')
}

/** In how many updated rows each column differs. */
function updatedText({ columns, updatedColumns }: VersionDifference): string {
  const texts = columns.flatMap((column, index) => {
    const count = updatedColumns[index] ?? 0n
    return count === 0n ? [] : [`${column} ${countText(count)}`]
  })
  return `  updated rows by column: ${texts.join(', ')}`
}

const SIGNS = { insert: '+', update: '~', delete: '-' } as const

function rowTexts(
  row: DifferentRow,
  { columns, key }: VersionDifference,
  tools: CellTools,
): readonly (readonly string[])[] {
  const shown = row.after ?? row.before ?? []
  const text = (cells: readonly SqlCell[] | null, index: number): string =>
    cellText(cells?.[index] ?? null, tools)
  const keys = key.map((name) => text(shown, columns.indexOf(name)))
  const others = columns.flatMap((name, index) => (key.includes(name) ? [] : [{ name, index }]))
  if (row.kind !== 'update') {
    const values = others.map(({ name, index }) => `${name} = ${text(shown, index)}`)
    return [[SIGNS[row.kind], ...keys, values.join(', ')]]
  }
  return others
    .filter(({ index }) => isDifferent(row, index, tools))
    .map(({ name, index }, line) => [
      ...(line === 0 ? [SIGNS.update, ...keys] : ['', ...keys.map(() => '')]),
      `${name} ${text(row.before, index)} → ${text(row.after, index)}`,
    ])
}

function isDifferent(
  { before, after }: DifferentRow,
  index: number,
  { cellJson }: CellTools,
): boolean {
  if (before === null || after === null) return true
  return cellJson(before[index] ?? null) !== cellJson(after[index] ?? null)
}

/** Whole rows of inserts and deletes; of updates the key and the columns that differ. */
function rowJson(row: DifferentRow, { columns, key }: VersionDifference, tools: CellTools): object {
  const { kind, before, after } = row
  const isShown = (index: number): boolean => isDifferent(row, index, tools)
  const values = (cells: readonly SqlCell[] | null, keep: (index: number) => boolean) =>
    cells === null
      ? null
      : Object.fromEntries(
          columns.flatMap((name, index) =>
            keep(index) ? [[name, tools.plainCell(cells[index] ?? null)]] : [],
          ),
        )
  return {
    kind,
    key: values(after ?? before, (index) => key.includes(columns[index] ?? '')),
    before: values(before, isShown),
    after: values(after, isShown),
  }
}
