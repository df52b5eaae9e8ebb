/**
 * How much WAL the server may still write before it invalidates the slot, and when to say so.
 * Only a limited `max_slot_wal_keep_size` makes a budget; without one the disk of Postgres is it.
 */

import type { SourceWarning } from '../../src/contracts/index.ts'
import { SluiceError } from '../../src/model/index.ts'

/** What is known of a slot and its limit, in bytes. */
export interface WalBudget {
  readonly slot: string
  /** `safe_wal_size`; null when the server does not tell. */
  readonly leftBytes: number | null
  /** `max_slot_wal_keep_size`; null when there is no limit. */
  readonly limitBytes: number | null
  /** `walBudgetWarn`: `50%`. */
  readonly warnShare: string
}

const MB = 1024 * 1024

/** SLU-SRC-1229 when less is left than the share; null when all is well, or nothing is limited. */
export function walWarning(budget: WalBudget): SourceWarning | null {
  const { slot, leftBytes, limitBytes, warnShare } = budget
  if (leftBytes === null || limitBytes === null || limitBytes === 0) return null
  if (leftBytes >= (limitBytes * Number.parseInt(warnShare, 10)) / 100) return null
  const left = `${Math.max(0, Math.floor(leftBytes / MB))} MB`
  const percent = Math.max(0, Math.floor((leftBytes / limitBytes) * 100))
  const { code, message, remedy } = new SluiceError('SLU-SRC-1229', {
    message: `slot ${slot} has ${left} of WAL left (${percent}% of max_slot_wal_keep_size)`,
    remedy:
      'When nothing is left, Postgres invalidates the slot and every table must be copied again. ' +
      'Let the pipeline run and catch up (sluice status), or give it room: ALTER SYSTEM SET ' +
      `max_slot_wal_keep_size = '${Math.ceil((limitBytes * 2) / MB)}MB'; SELECT pg_reload_conf();`,
  })
  return { code, message, remedy }
}
