/** For tests of crashes: a failpoint at which this process kills itself, as `kill -9` would. */

import type { DeathWish } from '../compose.ts'
import { readFailpoint } from '../config/index.ts'
import { FAILPOINTS, type FailpointName } from '../ingest/index.ts'
import { SluiceError } from '../model/index.ts'
import type { VerbContext } from './context.ts'

/**
 * Reads SLUICE_FAILPOINT, `name` or `name:occurrence`; null when it is not set. Throws
 * SLU-CLI-8001.
 */
export function readDeathWish({ host }: VerbContext): DeathWish | null {
  const text = readFailpoint()
  if (text === null) return null
  const [name = '', number = '1'] = text.split(':')
  const isKnown = (FAILPOINTS as readonly string[]).includes(name)
  if (!isKnown || !/^[1-9]\d{0,8}$/.test(number)) {
    throw new SluiceError('SLU-CLI-8001', {
      message: `SLUICE_FAILPOINT=${text} names no failpoint`,
      remedy: `Known: ${FAILPOINTS.join(', ')}; with :N at the N-th passing.`,
    })
  }
  return {
    failpoint: name as FailpointName,
    occurrence: Number(number),
    die: () => host.killSelf(),
  }
}
