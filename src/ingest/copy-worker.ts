/**
 * Works on copies that run beside the stream: their batches go to their tables between the batches
 * of the stream, at a pace of their own.
 */

import type { SourceBlock } from '../contracts/index.ts'
import { assert, type SourcePosition, type SplitId } from '../model/index.ts'
import { createBatchLine } from './batch-line.ts'
import type { Batcher, SealedBatch } from './batcher.ts'
import { COPY_BATCHES_IN_WORK_MAX } from './limits.ts'
import type { BatchHeader, SplitEnd } from './unit.ts'

/** How far the stream was handed to the lanes, for those who must wait for it. */
export interface StreamTurn {
  /** Everything before it was handed over. */
  readonly position: SourcePosition
  /** A batch or part was handed over. */
  note(header: BatchHeader): void
  /**
   * Resolves with true where the stream was handed over up to the position and is between two
   * commits; what follows at once comes there. With false when it will not be any more.
   */
  reached(position: SourcePosition): Promise<boolean>
  /** Nobody waits any longer. */
  end(): void
}

/** Makes the turn of a session. */
export function createStreamTurn(): StreamTurn {
  let position = 0n
  let isMidCommit = false
  let isEnded = false
  let changed = Promise.withResolvers<void>()
  const wake = (): void => {
    changed.resolve()
    changed = Promise.withResolvers()
  }
  return {
    get position() {
      return position
    },
    note: ({ copy, endsCommit, splits }) => {
      if (copy !== null) return
      isMidCommit = !endsCommit
      if (endsCommit) for (const { nextPosition } of splits.values()) position = nextPosition
      wake()
    },
    reached: async (wanted) => {
      for (;;) {
        if (!isMidCommit && position >= wanted) return true
        if (isEnded) return false
        await changed.promise
      }
    },
    end: () => {
      isEnded = true
      wake()
    },
  }
}

/** Batches of copies. */
export interface CopyWorker {
  /** Returns when there is room for more; false when nothing more is wanted. */
  take(block: SourceBlock): Promise<boolean>
  /** Nothing more is taken. */
  end(): void
  /** Hands over what may be, once nothing is taken any more. */
  drain(): Promise<void>
  discard(): Promise<void>
  onFailure(callback: () => void): void
  throwIfFailed(): void
}

/** Follows a batch to its commit; `previous` is the end of the one before. */
export type BatchEnd = (batch: SealedBatch, previous: Promise<void>) => Promise<void>

/** Makes the worker of one session. */
export function createCopyWorker(request: {
  readonly batcher: Batcher
  readonly turn: StreamTurn
  readonly finish: BatchEnd
}): CopyWorker {
  const { batcher, turn } = request
  const line = createBatchLine(COPY_BATCHES_IN_WORK_MAX)
  let isEnded = false

  /**
   * The rows are right as of what the table holds of the stream by then: so that is the cursor of
   * their commit.
   */
  async function seal(): Promise<void> {
    const batch = await batcher.seal()
    await line.hasRoom()
    const [split, end] = onlySplit(batch.header)
    if (await turn.reached(end.nextPosition)) {
      const moved = { ...end, nextPosition: turn.position }
      const header = { ...batch.header, splits: new Map([[split, moved]]) }
      line.join((previous) => request.finish({ ...batch, header }, previous))
    } else await batch.spool.discard()
  }

  return {
    take: async (block) => {
      if (isEnded) return false
      if (batcher.separates(block)) await seal()
      if (isEnded) return false
      await batcher.add(block)
      if (batcher.isReady()) await seal()
      return !isEnded
    },
    end: () => {
      isEnded = true
      turn.end()
    },
    drain: async () => {
      if (batcher.canSeal) await seal()
      await line.end()
    },
    discard: async () => {
      await line.settled()
      await batcher.discard()
    },
    onFailure: (callback) => line.onFailure(callback),
    throwIfFailed: () => line.throwIfFailed(),
  }
}

/** Sources that copy have one split. */
function onlySplit({ splits }: BatchHeader): readonly [SplitId, SplitEnd] {
  const [only, ...others] = splits
  assert(only !== undefined && others.length === 0, 'SLU-BUG-9001', 'a copy of several splits')
  return only
}
