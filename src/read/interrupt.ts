/** Ends the statements of a session when a signal aborts. */

import type { Clock } from '../contracts/index.ts'
import type { Session } from '../engine/index.ts'

/** DuckDB forgets an interrupt that arrives before its statement has begun, so it is repeated. */
const REPEAT_MS = 20

/**
 * From the abort of `signal` on, statements of the session fail until the watch is disposed.
 * Dispose it before the session is used to tidy up.
 */
export function interruptOnAbort(
  session: Session,
  clock: Clock,
  signal: AbortSignal | undefined,
): AsyncDisposable {
  const ended = new AbortController()
  let repeating = Promise.resolve()
  const repeat = async (): Promise<void> => {
    while (!ended.signal.aborted) {
      session.interrupt()
      await clock.sleep(REPEAT_MS, ended.signal)
    }
  }
  const begin = (): void => {
    repeating = repeat()
  }
  signal?.addEventListener('abort', begin, { once: true })
  if (signal?.aborted) begin()
  return {
    [Symbol.asyncDispose]: async () => {
      signal?.removeEventListener('abort', begin)
      ended.abort()
      await repeating
    },
  }
}
