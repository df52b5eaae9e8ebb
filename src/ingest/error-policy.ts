/** What the loop does about an error, by its kind. */

import type { SluiceError } from '../model/index.ts'
import { GOOD_LIFE_MS, RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_MIN, RETRY_FOR_MS_MAX } from './limits.ts'

/**
 * `restart` drops everything in memory and recovers from the tables; `stop` ends the pipeline with
 * the error.
 */
export type ErrorDecision =
  | { readonly kind: 'restart'; readonly delayMs: number }
  | { readonly kind: 'stop' }

/** Decides. `attempt` counts failures since the last progress, from 1; `jitter` is in [0, 1). */
export function decideOnError(
  error: SluiceError,
  attempt: number,
  withoutProgressMs: number,
  jitter: number,
): ErrorDecision {
  const isPassing = error.kind === 'transient' || error.kind === 'conflict'
  if (!isPassing || withoutProgressMs > RETRY_FOR_MS_MAX) return { kind: 'stop' }
  const exponential = RETRY_DELAY_MS_MIN * 2 ** Math.min(attempt - 1, 20)
  const delayMs = Math.min(exponential, RETRY_DELAY_MS_MAX) * (0.75 + jitter / 2)
  return { kind: 'restart', delayMs }
}

/**
 * True when a life that read from its source for `readMs` and made no commit was a good one all the
 * same: its source had nothing to commit, and then failed. A failing store is no sign of a good
 * life, however long the source was read before.
 */
export function endsGoodLife(error: SluiceError, readMs: number): boolean {
  return readMs >= GOOD_LIFE_MS && error.code.startsWith('SLU-SRC-')
}
