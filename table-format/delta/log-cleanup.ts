/**
 * Removes what has expired from a log (PROTOCOL.md, "Metadata Cleanup"): commits, checkpoints,
 * checksums and log compactions before the newest checkpoint that is itself not newer than the
 * retention. That checkpoint and its commit stay, and everything after it, so that each retained
 * version can be read.
 *
 * Order: checkpoints, then what only repeats, then commits from the oldest on. Whenever it stops,
 * the log begins at a checkpoint with all commits after it, or at version 0.
 */

import type { Clock, ObjectStore } from '../../src/contracts/index.ts'
import { parseInterval } from '../../src/model/index.ts'
import { completeCheckpoints } from './checkpoint-read.ts'

import type { LogEntry } from './log.ts'
import { SIDECAR_FOLDER } from './log-path.ts'
import { boundsOf, type ReplaySources } from './replay.ts'
import type { TableState } from './state.ts'

/** What the clean-up works with. */
export interface CleanupTools {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly sources: ReplaySources
}

const DAY_MS = 86_400_000
const RETENTION_DEFAULT_MS = 30 * DAY_MS
/** Objects removed after one checkpoint: the rest waits for the next, ingest does not. */
const REMOVED_MAX = 10_000

/** Removes expired files of the log; returns how many. Throws SLU-STO codes, SLU-TAB-3001, 3012. */
export async function cleanLog(tools: CleanupTools, state: TableState): Promise<number> {
  const { store, clock, sources } = tools
  const { configuration } = state.metadata
  if (configuration['delta.enableExpiredLogCleanup'] === 'false') return 0
  const retention = parseInterval(configuration['delta.logRetentionDuration'] ?? '')
  const cutoffMs = midnightBefore(clock.nowMs() - (retention ?? RETENTION_DEFAULT_MS))
  const entries = await sources.log.list(0n)
  const kept = await keptCheckpoint(sources, entries, { head: state.version, cutoffMs })
  if (kept === null) return 0
  const expired = expiredFiles(entries, kept).slice(0, REMOVED_MAX)
  for (const path of expired) await store.delete(sources.paths.object(path))
  return expired.length + (await cleanSidecars(tools, entries, kept))
}

/** Paths before the version, in the order they may go. */
export function expiredFiles(entries: readonly LogEntry[], kept: bigint): readonly string[] {
  const pathsOf = (isOne: (entry: LogEntry) => boolean): readonly string[] =>
    entries.filter(isOne).map(({ path }) => path)
  return [
    ...pathsOf(
      ({ file }) =>
        (file.kind === 'checkpoint' || file.kind === 'checkpoint-part') && file.version < kept,
    ),
    ...pathsOf(({ file }) => file.kind === 'compaction' && file.fromVersion <= kept),
    ...pathsOf(({ file }) => file.kind === 'checksum' && file.version < kept),
    ...pathsOf(({ file }) => file.kind === 'commit' && file.version < kept),
  ]
}

/** The newest checkpoint at or before the newest commit that is not after the time. */
async function keptCheckpoint(
  sources: ReplaySources,
  entries: readonly LogEntry[],
  at: { readonly head: bigint; readonly cutoffMs: number },
): Promise<bigint | null> {
  const checkpoints = completeCheckpoints(entries)
  const bounds = boundsOf(entries)
  if (bounds === null || checkpoints.length === 0) return null
  const cutoffMicros = BigInt(at.cutoffMs) * 1000n
  let low = bounds.oldest
  let high = at.head < bounds.newest ? at.head : bounds.newest
  let cutoff: bigint | null = null
  while (low <= high) {
    const middle = (low + high) / 2n
    const commit = await sources.log.readCommit(middle)
    if (commit === null || (await sources.log.timestampMicros(commit)) <= cutoffMicros) {
      cutoff = middle
      low = middle + 1n
    } else {
      high = middle - 1n
    }
  }
  if (cutoff === null) return null
  const newest = cutoff
  return checkpoints.find(({ version }) => version <= newest)?.version ?? null
}

/** Sidecars that no checkpoint names and that no checkpoint on its way can name any more. */
async function cleanSidecars(
  { store, clock, sources }: CleanupTools,
  entries: readonly LogEntry[],
  kept: bigint,
): Promise<number> {
  const beforeMs = midnightBefore(clock.nowMs()) - DAY_MS
  const old: string[] = []
  for await (const entry of store.list(sources.paths.object(SIDECAR_FOLDER))) {
    if (entry.modificationTimeMs < beforeMs) old.push(entry.path)
  }
  if (old.length === 0) return 0
  const named = new Set<string>()
  for (const checkpoint of completeCheckpoints(entries)) {
    if (checkpoint.version < kept) continue
    for (const path of await sources.checkpoints.sidecars(checkpoint)) {
      named.add(sources.paths.object(path))
    }
  }
  const unnamed = old.filter((path) => !named.has(path)).slice(0, REMOVED_MAX)
  for (const path of unnamed) await store.delete(path)
  return unnamed.length
}

function midnightBefore(timeMs: number): number {
  return Math.floor(timeMs / DAY_MS) * DAY_MS
}
