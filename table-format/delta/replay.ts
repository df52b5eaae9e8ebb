/**
 * From the log to a table state: the newest usable checkpoint, then the commits after it.
 * A checkpoint that cannot be read is passed over while the log still reaches back without it.
 */

import type { ObjectStore, Telemetry } from '../../src/contracts/index.ts'
import { isSluiceError, SluiceError } from '../../src/model/index.ts'
import { type Checkpoint, type CheckpointReader, completeCheckpoints } from './checkpoint-read.ts'
import { checksumFault } from './checksum.ts'
import type { LogCommit, LogEntry, TableLog } from './log.ts'
import { commitPath, LAST_CHECKPOINT } from './log-path.ts'
import { obstacleToWriting } from './protocol.ts'
import {
  applyActions,
  CheckpointLoad,
  completeState,
  NOTHING,
  type PartialState,
  type TableState,
} from './state.ts'
import type { TablePaths } from './table-paths.ts'

/** What a replay works with. */
export interface ReplaySources {
  readonly store: ObjectStore
  readonly paths: TablePaths
  readonly log: TableLog
  readonly checkpoints: CheckpointReader
  readonly telemetry: Telemetry | null
}

/** Commits read at once: a store answers one about as soon as eight. */
const READ_AHEAD = 8

/** Versions whose state can be put together. */
export interface VersionBounds {
  readonly oldest: bigint
  readonly newest: bigint
}

/** The newest state; null when there is no log. */
export async function replayNewest(sources: ReplaySources): Promise<TableState | null> {
  const hint = await readHint(sources)
  const tail = hint === null ? [] : await sources.log.list(hint)
  const usable = hint !== null && completeCheckpoints(tail).some((found) => found.version === hint)
  const entries = usable ? tail : await sources.log.list(0n)
  const newest = newestVersion(entries)
  if (newest === null) return null
  try {
    return await replayFrom(sources, entries, newest)
  } catch (error) {
    if (!usable || !isSluiceError(error)) throw error
    return replayFrom(sources, await sources.log.list(0n), newest)
  }
}

/** The state at a version. Throws SLU-TAB-3003 when it is not there or no longer readable. */
export async function replayAt(sources: ReplaySources, version: bigint): Promise<TableState> {
  const entries = await sources.log.list(0n)
  const bounds = boundsOf(entries)
  if (bounds === null || version < bounds.oldest || version > bounds.newest) {
    throw notReadable(`version ${version}`, bounds)
  }
  return replayFrom(sources, entries, version)
}

/** The state of a later version, from one that is there. Cost follows the commits between. */
export async function replayForward(
  sources: ReplaySources,
  from: TableState,
  version: bigint,
): Promise<TableState> {
  let state = from
  while (state.version < version) {
    const commit = await sources.log.readCommit(state.version + 1n)
    if (commit === null) throw missingVersion(state.version + 1n)
    state = await stateAfter(sources, state, commit)
  }
  return state
}

/** The state that a commit leads to. */
export async function stateAfter(
  sources: ReplaySources,
  state: TableState,
  commit: LogCommit,
): Promise<TableState> {
  const partial = applyActions(state, commit.version, commit.actions)
  return completeState(partial, commit.version, await sources.log.timestampMicros(commit))
}

/** Oldest and newest readable version of a listing of the whole log; null when there is none. */
export function boundsOf(entries: readonly LogEntry[]): VersionBounds | null {
  const newest = newestVersion(entries)
  if (newest === null) return null
  const first = commitVersions(entries)[0]
  const checkpoint = completeCheckpoints(entries).at(-1)?.version
  const oldest = first === 0n || checkpoint === undefined ? (first ?? newest) : checkpoint
  return { oldest, newest }
}

/** The error for a version or time that cannot be read. */
export function notReadable(what: string, bounds: VersionBounds | null): SluiceError {
  const range = bounds === null ? 'the table has none' : `${bounds.oldest} to ${bounds.newest}`
  return new SluiceError('SLU-TAB-3003', {
    message: `${what} is not readable; readable versions: ${range}`,
    context: bounds === null ? {} : { oldest: bounds.oldest, newest: bounds.newest },
  })
}

async function replayFrom(
  sources: ReplaySources,
  entries: readonly LogEntry[],
  version: bigint,
): Promise<TableState> {
  const candidates = completeCheckpoints(entries).filter((found) => found.version <= version)
  let fault: unknown = null
  for (const checkpoint of [...candidates, null]) {
    if (checkpoint === null && fault !== null && !reachesBack(entries)) break
    try {
      return await replayOn(sources, { entries, checkpoint, version })
    } catch (error) {
      if (checkpoint === null || !isUnreadable(error)) throw fault ?? error
      fault ??= error
    }
  }
  throw fault
}

async function replayOn(
  sources: ReplaySources,
  plan: {
    readonly entries: readonly LogEntry[]
    readonly checkpoint: Checkpoint | null
    readonly version: bigint
  },
): Promise<TableState> {
  const { entries, checkpoint, version } = plan
  let state: PartialState = NOTHING
  if (checkpoint !== null) {
    const load = new CheckpointLoad()
    for await (const actions of sources.checkpoints.read(checkpoint)) load.add(actions)
    state = load.finish(checkpoint.version)
  }
  const first = checkpoint === null ? 0n : checkpoint.version + 1n
  checkContiguous(entries, first, version)
  let commit: LogCommit | null = null
  for await (commit of readAhead(sources.log, first, version)) {
    state = applyActions(state, commit.version, commit.actions)
  }
  commit ??= await sources.log.readCommit(version)
  const timestamp =
    commit === null
      ? BigInt(checkpoint?.modificationTimeMs ?? 0) * 1000n
      : await sources.log.timestampMicros(commit)
  const replayed = completeState(state, version, timestamp)
  await checkAgainstChecksum(sources, entries, replayed)
  return replayed
}

/** Commits of a range in order, the next few of them on their way while one is applied. */
async function* readAhead(log: TableLog, first: bigint, last: bigint): AsyncIterable<LogCommit> {
  const waiting: Promise<LogCommit | null>[] = []
  let next = first
  try {
    for (let version = first; version <= last; version++) {
      for (; next <= last && waiting.length < READ_AHEAD; next++) {
        const read = log.readCommit(next)
        // One that fails is met when its turn comes.
        read.catch(() => {})
        waiting.push(read)
      }
      const commit = await waiting.shift()
      if (commit === null || commit === undefined) throw missingVersion(version)
      yield commit
    }
  } finally {
    await Promise.allSettled(waiting)
  }
}

/**
 * Holds the state against the checksum of its version, if it has one. Throws SLU-TAB-3013 when that
 * says something else and the table is one that this writer keeps; of other engines' checksums it
 * is only told, since some have written wrong ones.
 */
async function checkAgainstChecksum(
  { store, paths, telemetry }: ReplaySources,
  entries: readonly LogEntry[],
  state: TableState,
): Promise<void> {
  const entry = entries.find(
    ({ file }) => file.kind === 'checksum' && file.version === state.version,
  )
  if (entry === undefined) return
  const bytes = await store.get(paths.object(entry.path))
  const fault = bytes === null ? null : checksumFault(state, bytes.toString('utf8'), entry.path)
  if (fault === null) return
  if (obstacleToWriting(state.protocol, state.metadata) === null) throw fault
  telemetry?.log('warn', fault.message, { table: paths.root, version: state.version })
}

/** The version that `_last_checkpoint` names; null when it is missing or makes no sense. */
async function readHint(sources: ReplaySources): Promise<bigint | null> {
  const bytes = await sources.store.get(sources.paths.object(LAST_CHECKPOINT))
  if (bytes === null) return null
  const match = /"version"\s*:\s*(\d{1,19})\b/.exec(bytes.toString('utf8'))
  return match === null ? null : BigInt(match[1]!)
}

function newestVersion(entries: readonly LogEntry[]): bigint | null {
  const commit = commitVersions(entries).at(-1) ?? null
  const checkpoint = completeCheckpoints(entries)[0]?.version ?? null
  if (commit === null || checkpoint === null) return commit ?? checkpoint
  return commit > checkpoint ? commit : checkpoint
}

function commitVersions(entries: readonly LogEntry[]): readonly bigint[] {
  return entries.flatMap(({ file }) => (file.kind === 'commit' ? [file.version] : []))
}

function reachesBack(entries: readonly LogEntry[]): boolean {
  return commitVersions(entries)[0] === 0n
}

function checkContiguous(entries: readonly LogEntry[], first: bigint, last: bigint): void {
  const there = new Set(commitVersions(entries))
  for (let version = first; version <= last; version++) {
    if (!there.has(version)) throw missingVersion(version)
  }
}

function missingVersion(version: bigint): SluiceError {
  return new SluiceError('SLU-TAB-3005', {
    message: `version ${version} is missing from the table log: ${commitPath(version)}`,
    context: { version },
  })
}

/** Errors after which an older checkpoint is worth a try. */
function isUnreadable(error: unknown): boolean {
  return isSluiceError(error) && (error.kind === 'corrupt' || error.kind === 'bad-data')
}
