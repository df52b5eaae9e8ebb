/** What a running pipeline shows, as text. Pure. */

import type { PipelineStatus, TableStatus } from '../../contracts/index.ts'
import { countText, durationText } from '../format.ts'

type Copy = NonNullable<TableStatus['copy']>

/** Progress of a first copy: `copying 1,200,000 of about 5,000,000 (24%)`. */
export function copyText({ rowsCopied, rowsExpected }: Copy): string {
  if (rowsExpected === null || rowsExpected <= 0) return `copying ${countText(rowsCopied)}`
  // The source only estimates: never show more than all.
  const percent = Math.min(99, Math.floor((rowsCopied / rowsExpected) * 100))
  return `copying ${countText(rowsCopied)} of about ${countText(rowsExpected)} (${percent}%)`
}

/** Time until the first copies are done at the present rate; null when that cannot be told. */
export function copyEtaMs(status: PipelineStatus): number | null {
  const copies = status.tables.flatMap(({ copy }) => (copy === null ? [] : [copy]))
  return etaMs(copies, status.rowsPerSecond)
}

/** Progress of one table's copy as a document: rows, rate and time left. */
export function copyJson(copy: Copy, rowsPerSecond: number): object {
  return { ...copy, rowsPerSecond, etaMs: etaMs([copy], rowsPerSecond) }
}

/** Progress of one table's copy with the time it takes: `copying 5 of about 9 (55%), 2s left`. */
export function copyProgressText(copy: Copy, rowsPerSecond: number): string {
  const leftMs = etaMs([copy], rowsPerSecond)
  return leftMs === null ? copyText(copy) : `${copyText(copy)}, ${durationText(leftMs)} left`
}

function etaMs(copies: readonly Copy[], rowsPerSecond: number): number | null {
  let left = 0
  for (const { rowsCopied, rowsExpected } of copies) {
    if (rowsExpected === null) return null
    left += Math.max(0, rowsExpected - rowsCopied)
  }
  return rowsPerSecond > 0 && left > 0 ? Math.round((left / rowsPerSecond) * 1000) : null
}

/** One line about a pipeline, time lag first. */
export function statusLine(status: PipelineStatus): string {
  const parts = [`${status.pipeline}: ${status.state}`]
  const copying = status.tables.filter((table) => table.copy !== null)
  if (copying.length > 0) {
    const eta = copyEtaMs(status)
    parts.push(...copying.map((table) => `${table.table} ${copyText(table.copy as Copy)}`))
    if (eta !== null) parts.push(`${durationText(eta)} left`)
  } else {
    parts.push(`lag ${durationText(status.lagMs)}`)
  }
  parts.push(`${countText(Math.round(status.rowsPerSecond))} rows/s`)
  parts.push(`${countText(status.commits)} commits`)
  if (status.lastError !== null) parts.push(`${status.lastError.code} ${status.lastError.message}`)
  for (const { code, message } of status.warnings) parts.push(`warning ${code} ${message}`)
  return parts.join(' · ')
}
