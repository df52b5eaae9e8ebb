/** Takes blocks, seals batches, hands them to the lanes and follows each to its acknowledgement. */

import type { Clock, PipelineSettings, SourceBlock, SourceSession } from '../contracts/index.ts'
import { assert } from '../model/index.ts'
import { createBatcher, type SealedBatch } from './batcher.ts'
import type { Failpoints } from './failpoints.ts'
import { createFloor } from './floor.ts'
import type { Lane } from './lane.ts'
import { BATCHES_IN_WORK_MAX } from './limits.ts'
import type { PipelineLog } from './pipeline-log.ts'
import type { StatusBoard } from './status.ts'

/** What a worker needs. */
export interface WorkerRequest {
  readonly settings: PipelineSettings
  readonly clock: Clock
  readonly log: PipelineLog
  readonly lanes: readonly Lane[]
  readonly board: StatusBoard
  readonly failpoints: Failpoints
  readonly spoolFolder: string
}

/** Batches from blocks to acknowledgement. */
export interface Worker {
  /** Calls back once when a batch failed. */
  onFailure(callback: () => void): void
  throwIfFailed(): void
  dueInMs(): number | null
  take(block: SourceBlock): Promise<void>
  sealIfReady(): Promise<void>
  /** Seals what may be sealed and waits until every batch is committed and acknowledged. */
  drain(): Promise<void>
  discard(): Promise<void>
}

/** Makes the worker of one session. */
export function createWorker(request: WorkerRequest, session: SourceSession): Worker {
  const { settings, clock, board, failpoints } = request
  const batcher = createBatcher(request.spoolFolder, settings.commit, clock, failpoints)
  const floor = createFloor(request, session)
  const laneOf = new Map(request.lanes.map((lane) => [lane.context.target.stream, lane]))
  const inWork = new Set<Promise<void>>()
  let failure: unknown = null
  let failed = (): void => undefined
  let finishTail: Promise<void> = Promise.resolve()

  async function finish(batch: SealedBatch, previous: Promise<void>): Promise<void> {
    const tableCount = await commitBatch(batch, laneOf)
    await previous
    const { copy, split, nextPosition, endsCommit } = batch.header
    if (!endsCommit) return
    if (tableCount > 0) board.committed(batch.recordCount)
    // A copy is complete for its own stream only: the others may still need what lies below.
    if (copy === null) await floor.reached(split, nextPosition)
  }

  async function seal(): Promise<void> {
    const batch = await batcher.seal()
    while (inWork.size >= BATCHES_IN_WORK_MAX) await Promise.race(inWork)
    const finished = finish(batch, finishTail)
    finishTail = finished
    inWork.add(finished)
    finished.then(
      () => inWork.delete(finished),
      (error: unknown) => {
        failure ??= error
        failed()
      },
    )
  }

  return {
    onFailure: (callback) => {
      failed = callback
    },
    throwIfFailed: () => {
      if (failure !== null) throw failure
    },
    dueInMs: () => batcher.dueInMs(),
    take: async (block) => {
      noteBlock(board, block)
      if (batcher.separates(block)) await seal()
      await batcher.add(block)
      if (batcher.isReady()) await seal()
    },
    sealIfReady: async () => {
      if (batcher.isReady()) await seal()
    },
    drain: async () => {
      if (batcher.canSeal) await seal()
      await finishTail
      await floor.settle()
    },
    discard: async () => {
      await Promise.allSettled(inWork)
      await batcher.discard()
    },
  }
}

/**
 * Hands a batch to its lanes; resolves with the number of tables when all have committed, or have
 * staged a part.
 */
async function commitBatch(batch: SealedBatch, laneOf: ReadonlyMap<string, Lane>): Promise<number> {
  const { header, segments, spool } = batch
  const touched = new Map(segments)
  const { copy } = header
  if (copy !== null && !touched.has(copy.stream)) touched.set(copy.stream, [])
  const commits: Promise<void>[] = []
  try {
    for (const [stream, ofStream] of touched) {
      const lane = laneOf.get(stream)
      assert(lane !== undefined, 'SLU-BUG-9001', `${stream} was not asked for`)
      commits.push(lane.submit(header, ofStream))
    }
    await Promise.all(commits)
  } finally {
    await Promise.allSettled(commits)
    await spool.discard()
  }
  return touched.size
}

function noteBlock(board: StatusBoard, block: SourceBlock): void {
  const recordCount = block.parts.reduce((sum, part) => sum + part.recordCount, 0)
  board.read(recordCount)
  if (block.copy !== null) board.event('copy-block')
  else if (recordCount > 0) board.event('stream-block')
  else board.event('caught-up')
}
