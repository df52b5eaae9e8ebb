/** One Delta table: its states as they become known, its commits, its reads. */

import type {
  Clock,
  CommitOutcome,
  CommitRequest,
  ObjectStore,
  Snapshot,
  SnapshotAt,
  Table,
  VersionChanges,
} from '../../src/contracts/index.ts'
import { assert, type DataFile, SluiceError, type TimelineEntry } from '../../src/model/index.ts'
import { readChanges } from './changes.ts'
import type { CheckpointTask } from './checkpoint-write.ts'
import type { ChecksumTask } from './checksum.ts'
import { runCommit } from './commit.ts'
import { corrupt } from './deletion-vector.ts'
import { createFileCheck, type FileCheck } from './file-check.ts'
import { LOG_FOLDER } from './log-path.ts'
import { type ReplaySources, replayAt, replayForward, replayNewest, stateAfter } from './replay.ts'
import { bitmapToRows, isBelow } from './row-bitmap.ts'
import { snapshotOf, stateOf } from './snapshot.ts'
import { applyActions, completeState, type TableState } from './state.ts'
import { versionAt } from './time-travel.ts'
import { readEntry, readTimeline } from './timeline.ts'
import type { VectorStore } from './vector-store.ts'

/** What a table is put together from. */
export interface DeltaTableParts {
  readonly root: string
  readonly store: ObjectStore
  readonly clock: Clock
  readonly writerName: string
  /** Live files from which on a table gets v2 checkpoints. */
  readonly longTableFiles: number
  readonly sources: ReplaySources
  readonly vectors: VectorStore
  readonly checkpoints: CheckpointTask
  readonly checksums: ChecksumTask
}

/** Older states kept for time travel near the newest version; they share their structure. */
const RECENT_STATES_MAX = 8
/**
 * After this long without a look at the whole log, a missing next version may have been cleaned
 * away.
 */
const RELIST_AFTER_MS = 60 * 60 * 1000

/** A table whose newest state is `state`. */
export function createDeltaTable(parts: DeltaTableParts, state: TableState): Table {
  return new DeltaTable(parts, state)
}

class DeltaTable implements Table {
  readonly root: string
  readonly #parts: DeltaTableParts
  #head: TableState
  #recent: readonly TableState[]
  #seenMs: number
  #isCommitting = false
  readonly #fileCheck: FileCheck

  constructor(parts: DeltaTableParts, state: TableState) {
    this.root = parts.root
    this.#parts = parts
    this.#head = state
    this.#recent = [state]
    this.#seenMs = parts.clock.nowMs()
    this.#fileCheck = createFileCheck(parts.store, parts.sources.paths)
  }

  async latest(): Promise<Snapshot> {
    return snapshotOf(await this.#refresh())
  }

  async snapshot(at: SnapshotAt): Promise<Snapshot> {
    const head = await this.#refresh()
    const version =
      at.kind === 'version' ? at.version : await versionAt(this.#parts.sources, head, at.micros)
    return snapshotOf(await this.#stateAt(version))
  }

  async commit(request: CommitRequest): Promise<CommitOutcome> {
    assert(!this.#isCommitting, 'SLU-BUG-9001', 'one commit at a time per table', {
      table: this.root,
    })
    this.#isCommitting = true
    try {
      return await this.#commit(request)
    } finally {
      this.#isCommitting = false
    }
  }

  async timeline(options: {
    readonly limit: number
    readonly beforeVersionExclusive?: bigint
  }): Promise<readonly TimelineEntry[]> {
    const head = await this.#refresh()
    const before = options.beforeVersionExclusive ?? head.version + 1n
    const newest = before > head.version ? head.version : before - 1n
    return readTimeline(this.#parts.sources.log, { newest, limit: options.limit })
  }

  async entry(version: bigint): Promise<TimelineEntry | null> {
    return readEntry(this.#parts.sources.log, version)
  }

  async changes(
    fromVersionExclusive: bigint,
    toVersionInclusive: bigint,
  ): Promise<readonly VersionChanges[]> {
    const head = await this.#refresh()
    return readChanges({
      log: this.#parts.sources.log,
      head,
      fromVersionExclusive,
      toVersionInclusive,
      stateAt: (version) => this.#stateAt(version),
    })
  }

  async deletedRows(file: DataFile): Promise<Uint32Array> {
    const { deletionVector, statistics } = file
    const rows = await this.#parts.vectors.read(deletionVector)
    if (deletionVector !== null && statistics !== null && !isBelow(rows, statistics.recordCount)) {
      throw corrupt(deletionVector, `it names a row beyond the end of ${file.path}`)
    }
    return bitmapToRows(rows)
  }

  async checkFiles(files: Iterable<DataFile>): Promise<void> {
    await this.#fileCheck.check(files)
  }

  readUrl(file: DataFile): string {
    return this.#parts.sources.paths.readUrl(file.path)
  }

  stagedUrl(path: string): string {
    return this.#parts.sources.paths.readUrl(path)
  }

  async stageFile(localPath: string, path: string): Promise<void> {
    await this.#parts.store.putFile(this.#dataPath(path), localPath)
  }

  async stageBytes(path: string, bytes: Uint8Array): Promise<void> {
    await this.#parts.store.put(this.#dataPath(path), bytes)
  }

  async readBytes(path: string): Promise<Buffer | null> {
    return this.#parts.store.get(this.#dataPath(path))
  }

  async checkpoint(): Promise<void> {
    await this.#parts.checkpoints.write(await this.#refresh())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.checksums.settle()
    await this.#parts.checkpoints.settle()
  }

  async #commit(request: CommitRequest): Promise<CommitOutcome> {
    const { store, clock, sources, vectors, writerName, longTableFiles } = this.#parts
    const { checkpoints, checksums } = this.#parts
    const base = stateOf(request.base)
    const end = await runCommit(
      {
        store,
        clock,
        paths: sources.paths,
        vectors,
        writerName,
        longTableFiles,
        refresh: () => this.#refresh(),
      },
      request,
      { base, known: this.#head },
    )
    if (end.kind === 'fenced') return end
    if (end.kind === 'conflict') return { ...end, latest: snapshotOf(end.latest) }
    const { before, actions, inCommitTimestampMs, txnId } = end.commit
    const version = before.version + 1n
    const partial = applyActions(before, version, actions)
    const state = completeState(partial, version, BigInt(inCommitTimestampMs) * 1000n)
    this.#keep(state)
    checksums.afterCommit(state, txnId)
    checkpoints.afterCommit(state)
    return { kind: 'committed', snapshot: snapshotOf(state) }
  }

  /** Reads commits after the newest known one until there is none. */
  async #refresh(): Promise<TableState> {
    const { sources, clock } = this.#parts
    let state = this.#head
    for (;;) {
      const commit = await sources.log.readCommit(state.version + 1n)
      if (commit === null) break
      state = await stateAfter(sources, state, commit)
    }
    const nowMs = clock.nowMs()
    const isStale = state === this.#head && nowMs - this.#seenMs > RELIST_AFTER_MS
    if (isStale) state = (await replayNewest(sources)) ?? state
    this.#seenMs = nowMs
    this.#keep(state)
    return this.#head
  }

  async #stateAt(version: bigint): Promise<TableState> {
    const { sources } = this.#parts
    const known = this.#recent.find((state) => state.version === version)
    if (known !== undefined) return known
    const before = this.#recent.findLast((state) => state.version < version)
    const state =
      before !== undefined && version < this.#head.version
        ? await replayForward(sources, before, version)
        : await replayAt(sources, version)
    this.#keep(state)
    return state
  }

  #keep(state: TableState): void {
    if (state.version > this.#head.version) this.#head = state
    if (this.#recent.some((recent) => recent.version === state.version)) return
    const kept = [...this.#recent, state].sort((a, b) => (a.version < b.version ? -1 : 1))
    this.#recent = kept.slice(-RECENT_STATES_MAX)
  }

  /** Where data may be staged: anywhere in the table but its log. */
  #dataPath(path: string): string {
    if (!path.startsWith(LOG_FOLDER)) return this.#parts.sources.paths.object(path)
    throw new SluiceError('SLU-STO-2006', {
      message: `${path} lies in the table log`,
      context: { path },
    })
  }
}
