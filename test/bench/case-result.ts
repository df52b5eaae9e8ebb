/** What the cases of bench `ingest` are given and give back, and how a person reads them. */

import type { CommitTiming, Cost } from './jobs.ts'

/** What to run. */
export interface IngestRequest {
  readonly folder: string
  readonly cases: readonly CaseName[]
  /** Events of limit, append and upsert. */
  readonly rows: number
  /** Keys of the large table. */
  readonly largeKeys: number
  /** Changes of the Postgres backlog. */
  readonly changes: number
  readonly profileFolder: string | null
  readonly print: (line: string) => void
}

/** Names of the cases, in the order they run. */
export const CASE_NAMES = ['limit', 'append', 'upsert', 'upsert-large', 'cdc'] as const
/** One of them. */
export type CaseName = (typeof CASE_NAMES)[number]

/** One line of the result. Numbers that a case does not have are left out. */
export interface CaseResult {
  readonly case: string
  readonly rows: number
  readonly seconds: number
  readonly rowsPerSecond: number
  readonly megabytesPerSecond: number
  readonly cpuSeconds: number
  readonly peakRssMb: number
  /** Rows a second against those of the limit. */
  readonly ratioToLimit?: number
  /** CPU time of the limit against ours: the same, were the machine's cores all ours. */
  readonly cpuRatioToLimit?: number
  readonly commits?: number
  /** Seconds in each step of the journey, over all commits; steps of different batches overlap. */
  readonly stepSeconds?: Readonly<Record<string, number>>
  /** Time per commit in the large table against a small one, the same changes each. */
  readonly commitTimeRatio?: number
  readonly stepSecondsSmall?: Readonly<Record<string, number>>
  readonly commitMsSmall?: number
  readonly commitMsLarge?: number
  /** Median time from one commit to the next. */
  readonly gapMsSmall?: number
  readonly gapMsLarge?: number
  /** What the result should have been and was not; empty when all is right. */
  readonly wrong: readonly string[]
}

const MEGABYTE = 1e6

const rate = (rows: number, cost: Cost): number => rows / (cost.elapsedMs / 1000)

/** Rounds for people. */
export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

/** One line of the result from what a process cost. */
export function caseOf(
  name: string,
  rows: number,
  bytes: number,
  cost: Cost,
  more: Partial<CaseResult> & Pick<CaseResult, 'wrong'>,
): CaseResult {
  return {
    case: name,
    rows,
    seconds: round(cost.elapsedMs / 1000, 2),
    rowsPerSecond: Math.round(rate(rows, cost)),
    megabytesPerSecond: round(bytes / MEGABYTE / (cost.elapsedMs / 1000), 1),
    cpuSeconds: round(cost.cpuSeconds, 2),
    peakRssMb: Math.round(cost.peakRssMb),
    ...more,
  }
}

/** How a case compares with its limit over the same rows. */
export function ratiosTo(
  limit: Cost,
  cost: Cost,
): Pick<CaseResult, 'ratioToLimit' | 'cpuRatioToLimit'> {
  return {
    ratioToLimit: round(limit.elapsedMs / cost.elapsedMs, 3),
    cpuRatioToLimit: round(limit.cpuSeconds / cost.cpuSeconds, 3),
  }
}

/** Sums the recorded time of each step over commits. */
export function sumSteps(timeline: readonly CommitTiming[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { stepTimingsMs } of timeline) {
    for (const [step, ms] of Object.entries(stepTimingsMs)) {
      sums[step] = round((sums[step] ?? 0) + ms / 1000, 2)
    }
  }
  return sums
}

/** The results as an aligned table. */
export function tableLines(results: readonly CaseResult[]): readonly string[] {
  const head = [
    'case',
    'rows',
    'seconds',
    'rows/s',
    'MB/s',
    'CPU s',
    'peak MB',
    'of limit',
    'notes',
  ]
  const body = results.map((result) => [
    result.case,
    `${result.rows}`,
    result.seconds.toFixed(2),
    `${result.rowsPerSecond}`,
    result.megabytesPerSecond.toFixed(1),
    result.cpuSeconds.toFixed(2),
    `${result.peakRssMb}`,
    result.ratioToLimit?.toFixed(2) ?? '',
    result.cpuRatioToLimit?.toFixed(2) ?? '',
    notesOf(result),
  ])
  const rows = [head, ...body]
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const isText = (column: number): boolean => column === 0 || column === head.length - 1
  return rows.map((row) =>
    row
      .map((cell, column) =>
        isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
}

function notesOf(result: CaseResult): string {
  const notes: string[] = []
  if (result.commits !== undefined) notes.push(`${result.commits} commits`)
  if (result.stepSeconds !== undefined) {
    const steps = Object.entries(result.stepSeconds)
    notes.push(steps.map(([step, seconds]) => `${step} ${seconds} s`).join(', '))
  }
  const { commitTimeRatio, commitMsLarge, commitMsSmall } = result
  if (commitTimeRatio !== undefined) {
    notes.push(`commit ${commitMsLarge} ms, ${commitMsSmall} ms small: × ${commitTimeRatio}`)
  }
  return [...notes, ...result.wrong.map((wrong) => `WRONG: ${wrong}`)].join('; ')
}
