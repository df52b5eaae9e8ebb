/**
 * What a checkpoint holds, row by row (PROTOCOL.md, "Checkpoints"): rows are streamed, so memory
 * does not follow the table; removes are carried over from the checkpoint before and not kept in
 * memory.
 */

import type { Clock } from '../../src/contracts/index.ts'
import { parseInterval, SluiceError } from '../../src/model/index.ts'
import { encodeAction, type RemoveAction, vectorId } from './actions.ts'
import { type Checkpoint, completeCheckpoints } from './checkpoint-read.ts'

import type { ReplaySources } from './replay.ts'
import type { TableState } from './state.ts'

/** What the rows come from. */
export interface RowTools {
  readonly clock: Clock
  readonly sources: ReplaySources
}

const RETENTION_PROPERTY = 'delta.deletedFileRetentionDuration'
const RETENTION_DEFAULT_MS = 7 * 24 * 60 * 60 * 1000

/** All but files: protocol, metadata, transactions, domains. */
export function* nonFileRows(state: TableState): Iterable<string> {
  yield encodeAction(state.protocol)
  yield encodeAction(state.metadata)
  for (const action of state.transactions.values()) yield encodeAction(action)
  for (const [domain, configuration] of state.domains.entries()) {
    yield encodeAction({ kind: 'domainMetadata', domain, configuration, removed: false })
  }
}

/** Live files, then removes that a vacuum must still respect. */
export async function* fileRows(tools: RowTools, state: TableState): AsyncIterable<string> {
  for (const file of state.files.values()) yield encodeAction({ ...file.action, dataChange: false })
  for await (const action of tombstones(tools, state)) {
    yield encodeAction({ ...action, dataChange: false })
  }
}

/** Removes not yet expired: those of the commits since the last checkpoint, then those it holds. */
async function* tombstones(tools: RowTools, state: TableState): AsyncIterable<RemoveAction> {
  const { sources, clock } = tools
  const retention = parseInterval(state.metadata.configuration[RETENTION_PROPERTY] ?? '')
  const oldestMs = clock.nowMs() - (retention ?? RETENTION_DEFAULT_MS)
  const { since, recent } = await recentRemoves(tools, state)
  const isKept = (action: RemoveAction): boolean => {
    const live = state.files.get(action.path)
    const isLive =
      live !== undefined && vectorId(live.deletionVector) === vectorId(action.deletionVector)
    return !isLive && action.deletionTimestampMs > oldestMs
  }
  for (const action of recent.values()) if (isKept(action)) yield action
  if (since === null) return
  for await (const actions of sources.checkpoints.read(since)) {
    for (const action of actions) {
      if (action.kind === 'remove' && !recent.has(keyOf(action)) && isKept(action)) yield action
    }
  }
}

async function recentRemoves(
  tools: RowTools,
  state: TableState,
): Promise<{
  readonly since: Checkpoint | null
  readonly recent: ReadonlyMap<string, RemoveAction>
}> {
  const { log } = tools.sources
  const entries = await log.list(0n)
  const since = completeCheckpoints(entries).find(({ version }) => version < state.version) ?? null
  const recent = new Map<string, RemoveAction>()
  for (let version = (since?.version ?? -1n) + 1n; version <= state.version; version++) {
    const commit = await log.readCommit(version)
    if (commit === null) {
      throw new SluiceError('SLU-TAB-3005', {
        message: `version ${version} is missing from the table log`,
        context: { version },
      })
    }
    for (const action of commit.actions) {
      if (action.kind === 'remove') recent.set(keyOf(action), action)
    }
  }
  return { since, recent }
}

function keyOf(action: RemoveAction): string {
  return `${action.path}\0${vectorId(action.deletionVector) ?? ''}`
}
