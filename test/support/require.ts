/** What a test does when a real component (another engine, a server) is not on this machine. */

import { appendFileSync } from 'node:fs'

/** File to which suites that could not run write their reason; set by `run-all.ts`. */
export const NOT_RUN_FILE_VARIABLE = 'SLUICE_NOT_RUN_FILE'

/**
 * True when the component is missing and its tests are to be skipped: `it.skipIf(isMissing(…))`.
 * With SLUICE_REQUIRE=all a missing component is an error instead, so that nothing passes unseen.
 */
export function isMissing(suite: string, component: string, isThere: boolean): boolean {
  if (isThere) return false
  if (process.env.SLUICE_REQUIRE === 'all') {
    throw new Error(`${suite} needs ${component}, and SLUICE_REQUIRE=all forbids to skip it`)
  }
  const file = process.env[NOT_RUN_FILE_VARIABLE]
  if (file) appendFileSync(file, `${suite} because ${component} is not there\n`)
  return true
}
