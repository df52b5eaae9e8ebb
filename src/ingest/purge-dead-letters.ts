/**
 * Takes rows out of a dead-letter table, beside the pipeline that writes to it: one commit of
 * deletion vectors, no cursor touched. What the pipeline adds meanwhile stays.
 */

import type { Snapshot, Table } from '../contracts/index.ts'
import { identifier, literal, pathLiteral, type Session } from '../engine/index.ts'
import { type DataFile, type RowDeletes, SluiceError } from '../model/index.ts'
import { type DeadLetterRequest, openDeadLetterTable } from './dead-letters.ts'
import { rowNumbers } from './row-numbers.ts'

/** Which dead letters; all of them without a condition. */
export interface PurgeCondition {
  /** Rejected before this time; epoch micros. */
  readonly beforeMicros: bigint | null
  readonly code: string | null
}

/** What to purge, and with what. */
export interface PurgeRequest extends DeadLetterRequest {
  readonly session: Session
  readonly condition: PurgeCondition
  /** True finds the rows and leaves them. */
  readonly isDryRun: boolean
}

/** What was found, and what became of it. */
export interface PurgeOutcome {
  readonly rowCount: number
  /** How many of each code, the most frequent first. */
  readonly counts: readonly (readonly [string, number])[]
  /** Rows of the table that the condition leaves. */
  readonly keptCount: number
  /** The version without them; null when nothing was deleted. */
  readonly version: bigint | null
}

/** The table was changed by somebody else in between so often. */
const ATTEMPTS_MAX = 5

/**
 * Purges. Null when no record of the table was ever rejected. Throws SLU-ING-4006 when there is
 * another table in its place, and SLU-ING-4007 when the files were rewritten again and again.
 */
export async function purgeDeadLetters(request: PurgeRequest): Promise<PurgeOutcome | null> {
  const found = await openDeadLetterTable(request)
  if (found === null) return null
  await using table = found
  for (let attempt = 1; ; attempt++) {
    const base = await table.latest()
    const plan = await planPurge(table, base, request)
    const { deletes, ...outcome } = plan
    if (request.isDryRun || deletes.length === 0) return { ...outcome, version: null }
    const { beforeMicros, code } = request.condition
    const committed = await table.commit({
      base,
      operation: 'purge',
      pipeline: null,
      cursors: [],
      add: [],
      deletes,
      removeAllFiles: false,
      schema: null,
      accounting: null,
      stepTimingsMs: {},
      details: {
        purged: Object.fromEntries(outcome.counts),
        ...(code !== null && { code }),
        ...(beforeMicros !== null && { beforeMicros: beforeMicros.toString() }),
      },
    })
    if (committed.kind === 'committed') {
      return { ...outcome, version: committed.snapshot.version }
    }
    // Only a file that went away is a conflict: there is nothing to be fenced off.
    if (attempt === ATTEMPTS_MAX) {
      throw new SluiceError('SLU-ING-4007', {
        message: `${table.root} was changed ${attempt} times while its rows were being deleted`,
        remedy: 'Run the command again. Nothing was deleted.',
        context: { root: table.root },
      })
    }
  }
}

async function planPurge(
  table: Table,
  base: Snapshot,
  { session, condition }: PurgeRequest,
): Promise<Omit<PurgeOutcome, 'version'> & { readonly deletes: readonly RowDeletes[] }> {
  const deletes: RowDeletes[] = []
  const counts = new Map<string, number>()
  let rowCount = 0
  let liveCount = 0
  await session.run('CREATE OR REPLACE TEMP TABLE hidden ("row" UINTEGER)')
  for (const file of base.files()) {
    const hidden = await table.deletedRows(file)
    await session.run('TRUNCATE hidden')
    await session.append('hidden', [hidden], hidden.length)
    const live = liveSql(table, base, file)
    const all = await session.query(`SELECT count(*) FROM ${live}`)
    liveCount += Number(all.rows[0]?.[0])
    const wanted = `FROM ${live} WHERE ${conditionSql(condition)}`
    const rows = await rowNumbers(session, `SELECT "row" ${wanted} ORDER BY 1`)
    if (rows.length === 0) continue
    deletes.push({ path: file.path, rows })
    rowCount += rows.length
    const byCode = await session.query(`SELECT code, count(*) ${wanted} GROUP BY code`)
    for (const [code, count] of byCode.rows) {
      counts.set(String(code), (counts.get(String(code)) ?? 0) + Number(count))
    }
  }
  const sorted = [...counts].sort(([a, left], [b, right]) => right - left || a.localeCompare(b))
  return { deletes, rowCount, counts: sorted, keptCount: liveCount - rowCount }
}

/** Rows of a file that no vector hides: `row`, `code`, `rejected_at`. */
function liveSql(table: Table, { schema }: Snapshot, file: DataFile): string {
  const physical = (name: string): string => {
    const column = schema.columns.find((candidate) => candidate.name === name)
    return `${identifier(column?.physicalName ?? name)} AS ${identifier(name)}`
  }
  return `(SELECT file_row_number::UINTEGER AS "row",
      ${physical('code')}, ${physical('rejected_at')}
    FROM read_parquet(${pathLiteral(table.readUrl(file))}, file_row_number = true,
      hive_partitioning = false)
    WHERE file_row_number NOT IN (FROM hidden)) AS live`
}

function conditionSql({ beforeMicros, code }: PurgeCondition): string {
  const byTime = beforeMicros === null ? 'true' : `epoch_us(rejected_at) < ${beforeMicros}`
  return `${byTime} AND ${code === null ? 'true' : `code = ${literal(code)}`}`
}
