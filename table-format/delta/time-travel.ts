/** Which version was the newest at a time. */

import { boundsOf, notReadable, type ReplaySources } from './replay.ts'
import type { TableState } from './state.ts'

/**
 * The newest version whose timestamp is not after `micros`. In-commit timestamps grow with the
 * version, so the log is searched by halves; without them modification times are taken as growing.
 * Throws SLU-TAB-3003 when the time is before the oldest readable version.
 */
export async function versionAt(
  sources: ReplaySources,
  head: TableState,
  micros: bigint,
): Promise<bigint> {
  if (micros >= head.timestampMicros) return head.version
  const bounds = boundsOf(await sources.log.list(0n))
  if (bounds === null) throw notReadable('that time', null)
  let low = bounds.oldest
  let high = head.version
  let found: bigint | null = null
  while (low <= high) {
    const middle = (low + high) / 2n
    const timestamp = await timestampOf(sources, middle)
    if (timestamp !== null && timestamp <= micros) {
      found = middle
      low = middle + 1n
    } else if (timestamp === null) {
      low = middle + 1n
    } else {
      high = middle - 1n
    }
  }
  if (found === null) throw notReadable(`the time ${micros} (epoch microseconds)`, bounds)
  return found
}

async function timestampOf(sources: ReplaySources, version: bigint): Promise<bigint | null> {
  const commit = await sources.log.readCommit(version)
  return commit === null ? null : sources.log.timestampMicros(commit)
}
