/** Takes blocks, seals batches, hands them to the lanes and follows each to its acknowledgement. */

import type {
  Clock,
  PipelineSettings,
  SourceBlock,
  SourceSession,
  Telemetry,
} from '../contracts/index.ts'
import { assert } from '../model/index.ts'
import { createBatcher, type SealedBatch } from './batcher.ts'
import type { Failpoints } from './failpoints.ts'
import { createFloor } from './floor.ts'
import { byteLengthOf } from './lander.ts'
import type { Lane } from './lane.ts'
import { BATCHES_IN_WORK_MAX } from './limits.ts'
import type { PipelineLog } from './pipeline-log.ts'
import type { StatusBoard } from './status.ts'

/** What a worker needs. */
export interface WorkerRequest {
  readonly settings: PipelineSettings
  readonly clock: Clock
  readonly telemetry: Telemetry
  readonly log: PipelineLog
  readonly lanes: readonly Lane[]
  readonly board: StatusBoard
  readonly failpoints: Failpoints
  readonly spoolFolder: string
}

/** Batches from blocks to acknowledgement. */
export interface Worker {
  /** Calls back when a batch failed, or `dueInMs` has a new answer. */
  onChange(callback: () => void): void
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
  const line = createLine()
  let isSettling = false
  let changed = (): void => undefined

  async function finish(batch: SealedBatch, previous: Promise<void>): Promise<void> {
    const tableCount = await commitBatch(batch, laneOf)
    await previous
    const { copy, split, nextPosition, endsCommit } = batch.header
    if (!endsCommit) return
    if (tableCount > 0) board.committed(batch.recordCount)
    // A copy is complete for its own stream only: the others may still need what lies below.
    if (copy === null) await floor.reached(split, nextPosition)
    if (floor.dueInMs() !== null) changed()
  }

  /** In its turn: the log of the pipeline is written by one at a time. */
  function settleFloor(): void {
    isSettling = true
    line.join(async (previous) => {
      await previous
      await floor.settle()
      isSettling = false
    })
  }

  async function seal(): Promise<void> {
    const batch = await batcher.seal()
    await line.hasRoom()
    line.join((previous) => finish(batch, previous))
  }

  return {
    onChange: (callback) => {
      changed = callback
      line.onFailure(callback)
    },
    throwIfFailed: () => line.throwIfFailed(),
    dueInMs: () => {
      const floorInMs = isSettling ? null : floor.dueInMs()
      const batchInMs = batcher.dueInMs()
      if (floorInMs === null || batchInMs === null) return floorInMs ?? batchInMs
      return Math.min(floorInMs, batchInMs)
    },
    take: async (block) => {
      noteBlock(request, block)
      if (batcher.separates(block)) await seal()
      await batcher.add(block)
      if (batcher.isReady()) await seal()
    },
    sealIfReady: async () => {
      if (batcher.isReady()) await seal()
      if (!isSettling && floor.dueInMs() === 0) settleFloor()
    },
    drain: async () => {
      if (batcher.canSeal) await seal()
      await line.end()
      await floor.settle()
    },
    discard: async () => {
      await line.settled()
      await batcher.discard()
    },
  }
}

/** Work that overlaps, and whose ends come in the order in which it joined. */
interface Line {
  join(work: (previous: Promise<void>) => Promise<void>): void
  /** Waits while as much is in work as may be. */
  hasRoom(): Promise<void>
  /** Resolves or rejects with the last of it. */
  end(): Promise<void>
  settled(): Promise<void>
  onFailure(callback: () => void): void
  throwIfFailed(): void
}

function createLine(): Line {
  const inWork = new Set<Promise<void>>()
  let tail: Promise<void> = Promise.resolve()
  let failure: unknown = null
  let failed = (): void => undefined
  return {
    join: (work) => {
      const joined = work(tail)
      tail = joined
      inWork.add(joined)
      joined.then(
        () => inWork.delete(joined),
        (error: unknown) => {
          failure ??= error
          failed()
        },
      )
    },
    hasRoom: async () => {
      while (inWork.size >= BATCHES_IN_WORK_MAX) await Promise.race(inWork)
    },
    end: () => tail,
    settled: async () => {
      await Promise.allSettled(inWork)
    },
    onFailure: (callback) => {
      failed = callback
    },
    throwIfFailed: () => {
      if (failure !== null) throw failure
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

function noteBlock({ board, settings, telemetry }: WorkerRequest, block: SourceBlock): void {
  const recordCount = block.parts.reduce((sum, part) => sum + part.recordCount, 0)
  const byteCount = block.parts.reduce((sum, part) => sum + byteLengthOf(part), 0)
  board.read(recordCount)
  telemetry.count('sluice_read_bytes_total', byteCount, { pipeline: settings.name })
  if (block.copy !== null) board.event('copy-block')
  else if (recordCount > 0) board.event('stream-block')
  else board.event('caught-up')
}
