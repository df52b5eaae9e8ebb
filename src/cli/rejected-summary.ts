/** How many records of a table were rejected, and why the newest was: told by the log alone. */

import type { Table, TableFormat, TableTarget } from '../contracts/index.ts'
import {
  deadLettersOf,
  type JsonObject,
  type JsonValue,
  msFromMicros,
  type TimelineEntry,
} from '../model/index.ts'

/** The rejected records of one table. */
export interface RejectedSummary {
  /** Records in the dead-letter table; null where rejected records are left out. */
  readonly kept: bigint | null
  /** Rejected in the last hour, as far as the last 1000 commits of rejected records tell. */
  readonly lastHour: number
  /** Of the newest batch that has some the code that most of them have; null when none has. */
  readonly newestCode: string | null
  readonly newestAtMs: number | null
}

const HOUR_MS = 3_600_000
const PAGE = 100
const PAGES_MAX = 10

/**
 * Null when nothing was rejected and nothing may be. Where records are left out, what the newest
 * commits of the table say is all there is.
 */
export async function summarizeRejected(
  format: TableFormat,
  { root, rejects }: Pick<TableTarget, 'root' | 'rejects'>,
  nowMs: number,
): Promise<RejectedSummary | null> {
  const dead = await format.open(deadLettersOf(root))
  if (dead !== null) {
    await using opened = dead
    const { rowCount } = await opened.latest()
    return { kept: rowCount, ...(await sumUp(opened, nowMs)) }
  }
  const onError = rejects?.onError ?? 'stop'
  const nothing = { lastHour: 0, newestCode: null, newestAtMs: null }
  if (onError === 'stop') return null
  if (onError === 'dlq') return { kept: 0n, ...nothing }
  const main = await format.open(root)
  if (main === null) return { kept: null, ...nothing }
  await using opened = main
  return { kept: null, ...(await sumUp(opened, nowMs)) }
}

async function sumUp(table: Table, nowMs: number): Promise<Omit<RejectedSummary, 'kept'>> {
  let lastHour = 0
  let newest: TimelineEntry | null = null
  let before: bigint | null = null
  for (let page = 0; page < PAGES_MAX; page++) {
    const range = before === null ? {} : { beforeVersionExclusive: before }
    const entries: readonly TimelineEntry[] = await table.timeline({ limit: PAGE, ...range })
    for (const entry of entries) {
      const isRecent = msFromMicros(entry.timestampMicros) > nowMs - HOUR_MS
      if (!isRecent && newest !== null) break
      if (isRecent) lastHour += rejectedBy(entry)
      if (newest === null && rejectedBy(entry) > 0) newest = entry
    }
    before = entries.at(-1)?.version ?? 0n
    const isPast = msFromMicros(entries.at(-1)?.timestampMicros ?? 0n) <= nowMs - HOUR_MS
    if (entries.length < PAGE || (isPast && newest !== null)) break
  }
  const newestCode = newest === null ? null : mostFrequent(codesOf(newest))
  const newestAtMs = newest === null ? null : msFromMicros(newest.timestampMicros)
  // What is taken back may have come before the hour.
  return { lastHour: Math.max(0, lastHour), newestCode, newestAtMs }
}

/** Negative for a commit that takes records back: they come again. */
function rejectedBy(entry: TimelineEntry): number {
  const { takenBack } = detailsOf(entry)
  if (takenBack === true) return -entry.deletedRows
  return Object.values(codesOf(entry)).reduce<number>((sum, count) => sum + Number(count), 0)
}

/** Commits of both tables say how many records they reject of each code. */
const codesOf = (entry: TimelineEntry): JsonObject => objectOf(detailsOf(entry).rejected)

const detailsOf = ({ commitInfo }: TimelineEntry): JsonObject => objectOf(commitInfo.sluice)

const objectOf = (value: JsonValue | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}

function mostFrequent(codes: JsonObject): string | null {
  const [first] = Object.entries(codes).sort(([, left], [, right]) => Number(right) - Number(left))
  return first?.[0] ?? null
}
