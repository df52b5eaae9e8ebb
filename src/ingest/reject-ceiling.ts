/** How many records a table may reject in a while: more mean that something else is wrong. */

import type { RejectPolicy } from '../contracts/index.ts'
import { formatDurationMs, SluiceError } from '../model/index.ts'

/** Rejected records of a moment. */
export interface RejectedAt {
  readonly atMs: number
  readonly count: number
}

/** The ceiling of one table. */
export interface RejectCeiling {
  /** Throws SLU-ING-4030 when these records and those of the while before are too many. */
  check(count: number, nowMs: number): void
  /** Counts them. */
  add(count: number, nowMs: number): void
}

/** Makes the ceiling of a table; `past` is what was rejected before this run. */
export function createRejectCeiling(
  table: string,
  stopAfter: RejectPolicy['stopAfter'],
  past: readonly RejectedAt[],
): RejectCeiling {
  let recent = [...past]
  return {
    check: (count, nowMs) => {
      if (stopAfter === null) return
      recent = recent.filter(({ atMs }) => atMs > nowMs - stopAfter.windowMs)
      const before = recent.reduce((sum, rejected) => sum + rejected.count, 0)
      if (before + count <= stopAfter.count) return
      const allowed = `${stopAfter.count} in ${formatDurationMs(stopAfter.windowMs)}`
      throw new SluiceError('SLU-ING-4030', {
        message: `${before + count} records of ${table} were rejected; ${allowed} may be`,
        context: { table, rejected: before + count },
      })
    },
    add: (count, nowMs) => {
      recent.push({ atMs: nowMs, count })
    },
  }
}
