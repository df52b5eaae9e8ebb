/** `sluice dlq ls|show|purge`: the rejected records of the tables, and why each was rejected. */

import type { Runtime } from '../../compose.ts'
import type { Config } from '../../config/index.ts'
import type { PurgeOutcome } from '../../ingest/index.ts'
import { deadLettersOf, microsFromMs, SluiceError, tableOfDeadLetters } from '../../model/index.ts'
import {
  deadLetterTable,
  type FoundTable,
  findTable,
  listTables,
  type VerbContext,
} from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { countText, UNKNOWN } from '../format.ts'

/** Options of the command. */
export interface DlqOptions {
  readonly limit: number
  readonly code?: string
  readonly since?: string
  readonly pipeline?: string
  readonly before?: string
  /** True unless --yes was given. */
  readonly isDryRun: boolean
  readonly yes?: boolean
  readonly confirm?: string
}

type Cells = readonly unknown[]

/** Bytes of a record that `show` prints for people; `--json` has all of it. */
const RAW_SHOWN_BYTES = 120

/** Lists what was rejected per table and code, or the newest records of one table. */
export async function dlqVerb(
  context: VerbContext,
  action: string,
  name: string | undefined,
  options: DlqOptions,
): Promise<number> {
  if (action === 'ls') return listRejected(context, name, options)
  if (action === 'show' && name !== undefined) return showRejected(context, name, options)
  if (action === 'purge' && name !== undefined) return purge(context, name, options)
  const needsTable = action === 'show' || action === 'purge'
  throw new SluiceError('SLU-CLI-8001', {
    message: needsTable ? `dlq ${action} needs a table` : `there is no "dlq ${action}"`,
    remedy: 'Write `sluice dlq ls [TABLE]`, `sluice dlq show TABLE` or `sluice dlq purge TABLE`.',
  })
}

async function purge(context: VerbContext, name: string, options: DlqOptions): Promise<number> {
  const { isDryRun, code = null, since, before } = options
  if (since !== undefined) {
    throw new SluiceError('SLU-CLI-8001', {
      message: 'dlq purge has no --since: it deletes what is old',
      remedy: 'Write --before with a time, or nothing for records of all times.',
    })
  }
  const beforeMs = before === undefined ? null : parseTime(before, '--before')
  await using runtime = await context.openRuntime()
  const { pipeline, target } = findMainTable(runtime.config, name)
  const { table } = target
  if (!isDryRun && options.confirm !== table) {
    throw new SluiceError('SLU-CLI-8001', {
      message: `--yes needs --confirm ${table}: deleted records are gone from the newest version`,
      remedy: 'Nothing was deleted. Leave --yes out to see what would be.',
    })
  }
  await using open = await runtime.openReader()
  await using session = await open.engine.session()
  const { purgeDeadLetters } = await import('../../ingest/index.ts')
  const outcome = await purgeDeadLetters({
    format: runtime.format,
    pipeline: pipeline.name,
    target,
    session,
    condition: { beforeMicros: beforeMs === null ? null : microsFromMs(beforeMs), code },
    isDryRun,
  })
  const { rowCount, counts, keptCount, version } = outcome ?? NOTHING_FOUND
  const { output } = context
  output.document('dlq-purge', {
    table,
    deadLetterTable: deadLettersOf(table),
    dryRun: isDryRun,
    records: rowCount,
    codes: Object.fromEntries(counts),
    kept: keptCount,
    version,
  })
  const codes = counts.map(([of, count]) => `  ${countText(count)}  ${of}\n`).join('')
  const verb = isDryRun ? 'would be deleted' : 'deleted'
  output.text(
    `${countText(rowCount)} records of ${deadLettersOf(table)} ${verb}, ` +
      `${countText(keptCount)} kept\n${codes}`,
  )
  if (version !== null && version > 0n) {
    output.text(`as it was: ${deadLettersOf(table)} AT (VERSION => ${version - 1n})\n`)
  }
  if (isDryRun && rowCount > 0) {
    output.note(`nothing was deleted; to delete them, add: --yes --confirm ${table}`)
  }
  return EXIT.ok
}

/** The table, by its name or by that of its dead letters. Throws SLU-CLI-8002. */
function findMainTable(config: Config, name: string): FoundTable {
  return findTable(config, tableOfDeadLetters(name) ?? name)
}

const NOTHING_FOUND: PurgeOutcome = { rowCount: 0, counts: [], keptCount: 0, version: null }

async function listRejected(
  context: VerbContext,
  name: string | undefined,
  options: DlqOptions,
): Promise<number> {
  await using runtime = await context.openRuntime()
  const { config } = runtime
  const tables = name === undefined ? listTables(config) : [findMainTable(config, name)]
  const groups: { readonly table: string; readonly cells: Cells }[] = []
  for (const found of tables) {
    if (options.pipeline !== undefined && found.pipeline.name !== options.pipeline) continue
    const { table } = found.target
    const rows = await query(
      runtime,
      found,
      (from) =>
        `SELECT code, count(*), min(rejected_at)::VARCHAR, max(rejected_at)::VARCHAR
        FROM ${from} WHERE ${conditionOf(options)} GROUP BY code ORDER BY 2 DESC, 1`,
    )
    groups.push(...rows.map((cells) => ({ table, cells })))
  }
  const { output } = context
  output.document('dlq-ls', {
    groups: groups.map(({ table, cells: [code, count, first, last] }) => ({
      table,
      deadLetterTable: deadLettersOf(table),
      code,
      count: Number(count),
      firstAt: first,
      lastAt: last,
    })),
  })
  output.table(
    [
      { title: 'table', align: 'left' },
      { title: 'code', align: 'left' },
      { title: 'records', align: 'right' },
      { title: 'first', align: 'left' },
      { title: 'last', align: 'left' },
    ],
    groups.map(({ table, cells: [code, count, first, last] }) => [
      table,
      String(code),
      countText(Number(count)),
      String(first),
      String(last),
    ]),
  )
  return EXIT.ok
}

async function showRejected(
  context: VerbContext,
  name: string,
  options: DlqOptions,
): Promise<number> {
  await using runtime = await context.openRuntime()
  const found = findMainTable(runtime.config, name)
  const rows = await query(
    runtime,
    found,
    (from) =>
      `SELECT rejected_at::VARCHAR, split, position::VARCHAR, file, line, code, reason, hex(raw)
      FROM ${from} WHERE ${conditionOf(options)}
      ORDER BY rejected_at DESC, position DESC LIMIT ${options.limit}`,
  )
  const { output } = context
  output.document('dlq-show', {
    table: found.target.table,
    deadLetterTable: deadLettersOf(found.target.table),
    records: rows.map(([at, split, position, file, line, code, reason, raw]) => ({
      rejectedAt: at,
      split,
      position,
      file,
      line: line === null ? null : Number(line),
      code,
      reason,
      rawBase64: bytesOf(raw).toString('base64'),
    })),
  })
  output.table(
    [
      { title: 'rejected', align: 'left' },
      { title: 'position', align: 'right' },
      { title: 'place', align: 'left' },
      { title: 'reason', align: 'left' },
      { title: 'record', align: 'left' },
    ],
    rows.map(([at, , position, file, line, , reason, raw]) => [
      String(at),
      countText(BigInt(String(position))),
      file === null ? UNKNOWN : `${file}:${line}`,
      String(reason),
      bytesOf(raw).subarray(0, RAW_SHOWN_BYTES).toString('utf8'),
    ]),
  )
  if (rows.length === options.limit) output.note(`… more: --limit ${options.limit * 10}`)
  return EXIT.ok
}

const bytesOf = (hex: unknown): Buffer => Buffer.from(String(hex), 'hex')

/** Rows of a query over the dead letters of a table; none when no record was ever rejected. */
async function query(
  runtime: Runtime,
  found: FoundTable,
  sql: (from: string) => string,
): Promise<readonly Cells[]> {
  const { target } = deadLetterTable(found)
  const table = await runtime.format.open(target.root)
  if (table === null) return []
  await table[Symbol.asyncDispose]()
  await using open = await runtime.openReader()
  const from = target.table
    .split('.')
    .map((part) => `"${part}"`)
    .join('.')
  return (await open.reader.rows(sql(from))).rows
}

function conditionOf({ code, since }: DlqOptions): string {
  const text = (value: string): string => `'${value.replaceAll("'", "''")}'`
  const byCode = code === undefined ? 'true' : `code = ${text(code)}`
  return since === undefined ? byCode : `${byCode} AND rejected_at >= ${text(timeOf(since))}`
}

const timeOf = (since: string): string => new Date(parseTime(since, '--since')).toISOString()

/** Epoch milliseconds. Throws SLU-CLI-8001 for what is no time. */
function parseTime(text: string, option: string): number {
  const ms = Date.parse(text)
  if (!Number.isNaN(ms)) return ms
  throw new SluiceError('SLU-CLI-8001', {
    message: `${option} must be a time, not "${text}"`,
    remedy: 'Write it like 2026-01-31 or 2026-01-31T12:00:00Z.',
  })
}
