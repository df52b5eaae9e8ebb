/** Takes blocks, seals batches, hands them to the lanes and follows each to its acknowledgement. */

import type {
  Clock,
  PipelineSettings,
  SourceBlock,
  SourceSession,
  Telemetry,
} from '../contracts/index.ts'
import { assert, type SplitId } from '../model/index.ts'
import { type BatchLine, createBatchLine } from './batch-line.ts'
import { type Batcher, createBatcher, type SealedBatch } from './batcher.ts'
import {
  type BatchEnd,
  type CopyWorker,
  createCopyWorker,
  createStreamTurn,
  type StreamTurn,
} from './copy-worker.ts'
import type { Failpoints } from './failpoints.ts'
import { createFloor, type Floor } from './floor.ts'
import { byteLengthOf } from './lander.ts'
import type { Lane } from './lane.ts'
import { BATCHES_IN_WORK_MAX } from './limits.ts'
import type { PipelineLog } from './pipeline-log.ts'
import type { StatusBoard } from './status.ts'
import type { BatchHeader } from './unit.ts'

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
  /** Takes a block of a copy beside the stream; false when no more are wanted. */
  takeCopied(block: SourceBlock): Promise<boolean>
  /** No more blocks of copies are wanted; those that wait for the stream are let go. */
  endCopies(): void
  /** Makes `throwIfFailed` throw. */
  fail(error: unknown): void
  sealIfReady(): Promise<void>
  /** Seals what may be sealed and waits until every batch is committed and acknowledged. */
  drain(): Promise<void>
  discard(): Promise<void>
}

/** Makes the worker of one session. */
export function createWorker(request: WorkerRequest, session: SourceSession): Worker {
  const floor = createFloor(request, session)
  let changed = (): void => undefined
  const end = endOfBatches(request, floor, () => changed())
  const line = createBatchLine(BATCHES_IN_WORK_MAX)
  const turn = createStreamTurn()
  const { batcher, copies } = batchersOf(request, turn, end.copied)
  const settling = settleInTurn(floor, line)
  let failure: unknown = null

  async function seal(): Promise<void> {
    const batch = await batcher.seal()
    await line.hasRoom()
    line.join((previous) => end.streamed(batch, previous))
    turn.note(batch.header)
  }

  return {
    onChange: (callback) => {
      changed = callback
      line.onFailure(callback)
      copies.onFailure(callback)
    },
    throwIfFailed: () => {
      line.throwIfFailed()
      copies.throwIfFailed()
      if (failure !== null) throw failure
    },
    fail: (error) => {
      failure ??= error
      changed()
    },
    dueInMs: () => {
      const floorInMs = settling.dueInMs()
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
    takeCopied: async (block) => {
      countBlock(request, block)
      return await copies.take(block)
    },
    endCopies: () => copies.end(),
    sealIfReady: async () => {
      if (batcher.isReady()) await seal()
      settling.settleIfDue()
    },
    drain: async () => {
      if (batcher.canSeal) await seal()
      await copies.drain()
      await line.end()
      await floor.settle()
    },
    discard: async () => {
      await line.settled()
      await batcher.discard()
      await copies.discard()
    },
  }
}

/** Writes the floor in its turn: the log of the pipeline is written by one at a time. */
function settleInTurn(
  floor: Floor,
  line: BatchLine,
): { dueInMs(): number | null; settleIfDue(): void } {
  let isSettling = false
  return {
    dueInMs: () => (isSettling ? null : floor.dueInMs()),
    settleIfDue: () => {
      if (isSettling || floor.dueInMs() !== 0) return
      isSettling = true
      line.join(async (previous) => {
        await previous
        await floor.settle()
        isSettling = false
      })
    },
  }
}

/** The batches of the stream, and those of copies beside it; no two have one number. */
function batchersOf(
  { spoolFolder, settings, clock, failpoints }: WorkerRequest,
  turn: StreamTurn,
  finish: BatchEnd,
): { readonly batcher: Batcher; readonly copies: CopyWorker } {
  let number = 0n
  const nextNumber = (): bigint => number++
  const limits = settings.commit
  const making = { folder: spoolFolder, limits, clock, failpoints, nextNumber }
  return {
    batcher: createBatcher(making),
    copies: createCopyWorker({ batcher: createBatcher(making), turn, finish }),
  }
}

/** What follows when a batch is in its tables. */
function endOfBatches(
  { lanes, board }: WorkerRequest,
  floor: Floor,
  changed: () => void,
): { readonly streamed: BatchEnd; readonly copied: BatchEnd } {
  const laneOf = new Map(lanes.map((lane) => [lane.context.target.stream, lane]))
  return {
    streamed: async (batch, previous) => {
      const tableCount = await commitBatch(batch, laneOf)
      await previous
      const { copy, splits, endsCommit } = batch.header
      if (!endsCommit) return
      if (tableCount > 0) board.committed(batch.recordCount)
      // A copy is complete for its own stream only: the others may still need what lies below.
      if (copy === null) await floor.reached(splits)
      if (floor.dueInMs() !== null) changed()
    },
    copied: async (batch, previous) => {
      await commitBatch(batch, laneOf)
      await previous
      board.committed(batch.recordCount)
      floor.copied()
      changed()
    },
  }
}

/**
 * Hands a batch to its lanes; resolves with the number of tables when all have committed, or have
 * staged a part.
 */
async function commitBatch(batch: SealedBatch, laneOf: ReadonlyMap<string, Lane>): Promise<number> {
  const { header, segments, splitsOf, spool } = batch
  const touched = new Map(segments)
  const { copy } = header
  if (copy !== null && !touched.has(copy.stream)) touched.set(copy.stream, [])
  const commits: Promise<void>[] = []
  try {
    for (const [stream, ofStream] of touched) {
      const lane = laneOf.get(stream)
      assert(lane !== undefined, 'SLU-BUG-9001', `${stream} was not asked for`)
      const splits = copy === null ? ownSplits(header, splitsOf.get(stream)) : header.splits
      commits.push(lane.submit({ ...header, splits }, ofStream))
    }
    await Promise.all(commits)
  } finally {
    await Promise.allSettled(commits)
    await spool.discard()
  }
  return touched.size
}

/** Those that records of a stream come from. */
function ownSplits(
  { splits }: BatchHeader,
  own: ReadonlySet<SplitId> | undefined,
): BatchHeader['splits'] {
  return new Map([...splits].filter(([split]) => own?.has(split)))
}

/** Counts what a block brings; returns its records. */
function countBlock({ board, settings, telemetry }: WorkerRequest, block: SourceBlock): number {
  const recordCount = block.parts.reduce((sum, part) => sum + part.recordCount, 0)
  const byteCount = block.parts.reduce((sum, part) => sum + byteLengthOf(part), 0)
  board.read(recordCount)
  telemetry.count('sluice_read_bytes_total', byteCount, { pipeline: settings.name })
  return recordCount
}

function noteBlock(request: WorkerRequest, block: SourceBlock): void {
  const recordCount = countBlock(request, block)
  const { board } = request
  if (block.copy !== null && block.copy.beside !== true) board.event('copy-block')
  else if (recordCount > 0) board.event('stream-block')
  else board.event('caught-up')
}
