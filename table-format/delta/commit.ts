/**
 * The commit: one log entry put if absent, until it is ours, fenced or in conflict.
 *
 * 1. The request is checked against the newest known state and made into actions
 *    (`commit-plan.ts`).
 * 2. `_delta_log/<v>.json` is put if absent. An unknown outcome is read back: our `txnId` means
 *    that it took effect, another one that we lost; absence proves nothing, so the same bytes are
 *    put at the same version again. The next version is never tried, nor anything removed, before
 *    v is resolved.
 * 3. A lost version is read, and step 1 begins again with it. Row ids and timestamps are given
 *    anew.
 *
 * Source: PROTOCOL.md "Creation of New Log Entries", "Deletion Vectors", "Row Tracking",
 * "In-Commit Timestamps".
 */

import type { Clock, CommitRequest, ObjectStore } from '../../src/contracts/index.ts'
import {
  assert,
  type Cursor,
  type DeletionVectorDescriptor,
  isSluiceError,
  SluiceError,
  type StagedFile,
} from '../../src/model/index.ts'
import { type Action, encodeAction, vectorId } from './actions.ts'
import { deleteTargets, obstacleOf, planCommit, planDeletes } from './commit-plan.ts'
import type { DeletePlan } from './commit-types.ts'
import { withChecksum } from './entry-checksum.ts'
import { decodeCommit } from './log.ts'
import { checkpointPath, commitPath } from './log-path.ts'
import { checkWritable } from './protocol.ts'
import { isBelow, type RowBitmap, rowsToBitmap } from './row-bitmap.ts'
import type { TableState } from './state.ts'
import type { TablePaths } from './table-paths.ts'
import type { VectorStore } from './vector-store.ts'

/** What a commit works with. */
export interface CommitTools {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly paths: TablePaths
  readonly vectors: VectorStore
  readonly writerName: string
  /** Live files from which on a table gets v2 checkpoints. */
  readonly longTableFiles: number
  /** The newest state in storage. */
  refresh(): Promise<TableState>
}

/** What has been written: the version after `before`. */
export interface WrittenCommit {
  readonly before: TableState
  readonly actions: readonly Action[]
  readonly inCommitTimestampMs: number
  readonly txnId: string
}

/** How it ended; see `CommitOutcome`. */
export type CommitEnd =
  | { readonly kind: 'written'; readonly commit: WrittenCommit }
  | { readonly kind: 'fenced'; readonly expected: Cursor | null; readonly found: Cursor | null }
  | {
      readonly kind: 'conflict'
      readonly reason: 'file-removed' | 'schema-changed'
      readonly latest: TableState
    }

/** Versions lost in a row before giving up: many times the number of sensible writers. */
const LOST_VERSIONS_MAX = 200
/** Attempts at a version whose outcome is unknown: with the waits between, half a minute. */
const ATTEMPTS_MAX = 10
const FIRST_WAIT_MS = 50
const LONGEST_WAIT_MS = 8_000

/**
 * Commits. `known` is the newest state that this process has seen. Throws SLU-TAB-3008 for a table
 * that this writer must leave alone, if only since the version it lost.
 */
export async function runCommit(
  tools: CommitTools,
  request: CommitRequest,
  at: { readonly base: TableState; readonly known: TableState },
): Promise<CommitEnd> {
  const { clock } = tools
  const staged = new StagedVectors(tools.vectors)
  let state = at.known.version > at.base.version ? at.known : at.base
  let isFresh = false
  for (let lost = 0; lost <= LOST_VERSIONS_MAX; ) {
    // The winner of a version may have changed what a writer must know.
    checkWritable(state.protocol, state.metadata)
    const obstacle = obstacleOf(request, at.base, state)
    if (obstacle !== null && isFresh) {
      return obstacle.kind === 'fenced' ? obstacle : { ...obstacle, latest: state }
    }
    if (obstacle !== null) {
      state = await tools.refresh()
      isFresh = true
      continue
    }
    const written = await tryVersion(tools, { request, base: at.base, state, staged })
    if (written !== null) {
      await checkNotCleaned(tools, written)
      return { kind: 'written', commit: written }
    }
    lost += 1
    state = await tools.refresh()
    isFresh = true
    if (lost > 1) await clock.sleep(clock.random() * Math.min(lost * 5, 100))
  }
  throw new SluiceError('SLU-TAB-3009', {
    message: `lost ${LOST_VERSIONS_MAX} versions of ${tools.paths.root} to other writers`,
    context: { table: tools.paths.root },
  })
}

/**
 * Puts a log entry, resolving unknown outcomes: `written` when the entry of that version is ours.
 * Throws SLU-TAB-3006 when the outcome stays unknown, or the store's error when nothing was
 * written.
 */
export async function putLogEntry(
  tools: Pick<CommitTools, 'store' | 'clock' | 'paths'>,
  entry: { readonly version: bigint; readonly bytes: Buffer; readonly txnId: string },
): Promise<'written' | 'lost'> {
  const { store, clock } = tools
  const path = tools.paths.object(commitPath(entry.version))
  let fault: unknown = null
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (attempt > 0) await waitBefore(clock, attempt)
    const put = await attemptOf(() => store.putIfAbsent(path, entry.bytes))
    if (put.value === 'created') return 'written'
    const read = await attemptOf(() => store.get(path))
    fault = put.fault ?? read.fault
    if (read.fault !== null || read.value === null || read.value === undefined) {
      if (isDefinite(put.fault) && read.fault === null) throw put.fault
      continue
    }
    return decodeCommit(entry.version, read.value, path).txnId === entry.txnId ? 'written' : 'lost'
  }
  if (isSluiceError(fault, 'SLU-STO-2003')) throw fault
  throw new SluiceError('SLU-TAB-3006', {
    message: `the outcome of version ${entry.version} is unknown after ${ATTEMPTS_MAX} attempts`,
    context: { path, version: entry.version },
    cause: fault,
  })
}

/** Actions → the bytes of a log entry. */
export function encodeEntry([first, ...others]: readonly Action[]): Buffer {
  const rest = Buffer.from(others.map((action) => `${encodeAction(action)}\n`).join(''))
  return Buffer.concat([Buffer.from(`${encodeAction(withChecksum(first!, rest))}\n`), rest])
}

/** Writes the version after `state`; null when another writer has it. */
async function tryVersion(
  tools: CommitTools,
  at: {
    readonly request: CommitRequest
    readonly base: TableState
    readonly state: TableState
    readonly staged: StagedVectors
  },
): Promise<WrittenCommit | null> {
  const { clock, vectors, writerName, longTableFiles } = tools
  const { request, base, state, staged } = at
  const targets = deleteTargets(request, state)
  const hidden = await vectors.readAll(targets.map((file) => file.deletionVector))
  const deletes = planDeletes(request, targets, hidden)
  const descriptors = await staged.write(deletes)
  const addedVectors = await staged.ofAdded(request.add)
  const txnId = clock.uuid()
  const nowMs = Math.floor(clock.nowMs())
  const context = { txnId, writerName, nowMs, uuid: () => clock.uuid(), longTableFiles }
  const plan = planCommit({
    commit: request,
    base,
    state,
    deletes,
    vectors: descriptors,
    addedVectors,
    context,
  })
  const bytes = encodeEntry(plan.actions)
  const outcome = await putLogEntry(tools, { version: state.version + 1n, bytes, txnId })
  if (outcome === 'lost') return null
  deletes.updates.forEach(({ rows }, index) => {
    vectors.remember(descriptors[index]!, rows)
  })
  return { before: state, txnId, ...plan }
}

/**
 * A writer that slept while others went on and cleaned the log would create a version anew that
 * was there before. Its predecessor is gone then: the entry is taken back, and the writer is
 * fenced. Looked at after every write, since no clock can be trusted to tell who slept.
 */
async function checkNotCleaned(tools: CommitTools, written: WrittenCommit): Promise<void> {
  const { store, paths } = tools
  const { version } = written.before
  const own = paths.object(commitPath(version + 1n))
  const isThere = await patiently(tools, async () => {
    for (const path of [commitPath(version), checkpointPath(version)]) {
      if ((await store.head(paths.object(path))) !== null) return true
    }
    await store.delete(own)
    return false
  })
  if (isThere.value === true) return
  if (isThere.value === undefined) {
    throw new SluiceError('SLU-TAB-3006', {
      message: `version ${version + 1n} is written, but the log before it cannot be seen`,
      context: { path: own, version: version + 1n },
      cause: isThere.fault,
    })
  }
  throw new SluiceError('SLU-TAB-3011', {
    message: `version ${version} was cleaned away before ${version + 1n} was written`,
    context: { version },
  })
}

/** Tries again, with waits, what fails for a reason that may pass. */
async function patiently<T>(
  tools: CommitTools,
  deed: () => Promise<T>,
): Promise<{ readonly value?: T; readonly fault: unknown }> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptOf(deed)
    if (outcome.fault === null || isDefinite(outcome.fault) || attempt === ATTEMPTS_MAX) {
      return outcome
    }
    await waitBefore(tools.clock, attempt)
  }
}

/** Grows with each attempt, within a bound, and differs between writers. */
async function waitBefore(clock: Clock, attempt: number): Promise<void> {
  const waitMs = Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS)
  await clock.sleep(waitMs * (0.5 + clock.random() / 2))
}

/** Vectors written for this commit, kept over lost versions while the file's vector is the same. */
class StagedVectors {
  readonly #vectors: VectorStore
  readonly #written = new Map<
    string,
    { readonly before: string | null; readonly descriptor: DeletionVectorDescriptor }
  >()
  #ofAdded: ReadonlyMap<string, DeletionVectorDescriptor> | null = null

  constructor(vectors: VectorStore) {
    this.#vectors = vectors
  }

  async write(plan: DeletePlan): Promise<readonly DeletionVectorDescriptor[]> {
    const missing = plan.updates.filter(({ file }) => {
      const written = this.#written.get(file.path)
      return written === undefined || written.before !== vectorId(file.deletionVector)
    })
    const descriptors = await this.#vectors.write(missing.map((update) => update.rows))
    missing.forEach(({ file }, index) => {
      const before = vectorId(file.deletionVector)
      this.#written.set(file.path, { before, descriptor: descriptors[index]! })
    })
    return plan.updates.map(({ file }) => this.#written.get(file.path)!.descriptor)
  }

  /** Vectors of files that come with rows to hide, by path; no other writer can change them. */
  async ofAdded(
    files: readonly StagedFile[],
  ): Promise<ReadonlyMap<string, DeletionVectorDescriptor>> {
    if (this.#ofAdded === null) {
      const hiding = files.flatMap((file) => hiddenOf(file) ?? [])
      const descriptors = await this.#vectors.write(hiding.map(({ rows }) => rows))
      hiding.forEach(({ rows }, index) => {
        this.#vectors.remember(descriptors[index]!, rows)
      })
      this.#ofAdded = new Map(hiding.map(({ path }, index) => [path, descriptors[index]!]))
    }
    return this.#ofAdded
  }
}

/** Rows that a staged file comes without; null when it is whole. */
function hiddenOf(file: StagedFile): { readonly path: string; readonly rows: RowBitmap } | null {
  const { path, hiddenRows, statistics } = file
  if (hiddenRows === undefined || hiddenRows.length === 0) return null
  const rows = rowsToBitmap(hiddenRows)
  const leavesSome = rows.cardinality < statistics.recordCount
  const isWithin = isBelow(rows, statistics.recordCount)
  assert(leavesSome && isWithin, 'SLU-BUG-9001', 'the rows to hide are not some of the file', {
    path,
  })
  return { path, rows }
}

async function attemptOf<T>(
  deed: () => Promise<T>,
): Promise<{ readonly value?: T; readonly fault: unknown }> {
  try {
    return { value: await deed(), fault: null }
  } catch (error) {
    return { fault: error }
  }
}

/** Errors that another attempt meets again: no permission, a wrong path. */
function isDefinite(error: unknown): boolean {
  return isSluiceError(error) && error.kind !== 'transient'
}
