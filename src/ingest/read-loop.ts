/** Reads blocks, seals batches, hands them to the lanes, and after their commits moves the floor and acknowledges. */

import type {
  Clock,
  PipelineSettings,
  Source,
  SourceBlock,
  SourceMemory,
  SourceSession,
  Telemetry,
} from '../contracts/index.ts'
import { assert, type Cursor, type JsonObject, type SourcePosition } from '../model/index.ts'
import { createBatcher, type SealedBatch } from './batcher.ts'
import type { Failpoints } from './failpoints.ts'
import { effectiveCursor, type Lane } from './lane.ts'
import { BATCHES_IN_WORK_MAX, FLOOR_INTERVAL_MS } from './limits.ts'
import type { PipelineLog } from './pipeline-log.ts'
import type { StatusBoard } from './status.ts'

/** What the loop works with. */
export interface ReadRequest {
  readonly settings: PipelineSettings
  readonly source: Source
  readonly clock: Clock
  readonly telemetry: Telemetry
  readonly log: PipelineLog
  readonly lanes: readonly Lane[]
  readonly board: StatusBoard
  readonly failpoints: Failpoints
  readonly spoolFolder: string
  readonly signal: AbortSignal
}

/** Runs until the signal aborts or the source ends; all that was read and could be sealed is committed then. */
export async function readAll(request: ReadRequest): Promise<'drained' | 'source-ended'> {
  const { settings, source, log, lanes, board } = request
  const splitOf = (lane: Lane): string => lane.durableCursor?.split ?? ''
  const streams = new Map<string, Cursor | null>(
    lanes.map((lane) => [
      lane.context.target.stream,
      effectiveCursor(lane.durableCursor, log.notes.floors.get(splitOf(lane))),
    ]),
  )
  const stop = new AbortController()
  const signal = AbortSignal.any([request.signal, stop.signal])
  await using session = await source.start({
    streams,
    memory: sourceMemory(log),
    bufferBytesMax: settings.inFlightBytesMax,
    signal,
  })
  board.watch(lanes, () => session.progress())
  const reached = lowestComplete([...streams.values()])
  if (reached !== null) board.floor(reached)
  const worker = createWorker(request, session)
  try {
    const end = await pump(request, session, worker)
    board.event('drain')
    await worker.drain()
    return end
  } finally {
    stop.abort()
    await worker.discard()
  }
}

/** The position before which every table is complete; null while one is not copied yet. */
function lowestComplete(cursors: readonly (Cursor | null)[]): SourcePosition | null {
  const positions: SourcePosition[] = []
  for (const cursor of cursors) {
    if (cursor?.phase !== 'stream') return null
    positions.push(cursor.nextPosition)
  }
  return positions.reduce((left, right) => (left < right ? left : right))
}

function sourceMemory(log: PipelineLog): SourceMemory {
  return {
    read: async () => log.notes.sourceMemory,
    write: (notes: JsonObject) => log.write({ ...log.notes, sourceMemory: notes }),
  }
}

/** Takes blocks as they come; wakes up for the deadline of the open batch and for failures of the lanes. */
async function pump(
  request: ReadRequest,
  session: SourceSession,
  worker: Worker,
): Promise<'drained' | 'source-ended'> {
  const blocks = session.blocks()[Symbol.asyncIterator]()
  let waiting = Promise.withResolvers<void>()
  const wake = (): void => waiting.resolve()
  worker.onFailure(wake)
  let arrived: IteratorResult<SourceBlock> | null = null
  let failure: unknown = null
  const fetch = (): void => {
    blocks.next().then(
      (result) => {
        arrived = result
        wake()
      },
      (error: unknown) => {
        failure = error
        wake()
      },
    )
  }
  fetch()
  for (;;) {
    const deadline = new AbortController()
    const dueInMs = worker.dueInMs()
    const { promise, resolve } = waiting
    if (dueInMs !== null) request.clock.sleep(dueInMs, deadline.signal).then(() => resolve())
    await promise
    waiting = Promise.withResolvers<void>()
    deadline.abort()
    worker.throwIfFailed()
    if (failure !== null) throw failure
    const result = arrived as IteratorResult<SourceBlock> | null
    if (result === null) {
      await worker.sealIfReady()
      continue
    }
    arrived = null
    if (result.done) return request.signal.aborted ? 'drained' : 'source-ended'
    await worker.take(result.value)
    fetch()
  }
}

/** Batches from blocks to acknowledgement. */
interface Worker {
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

function createWorker(request: ReadRequest, session: SourceSession): Worker {
  const { settings, clock, board, failpoints, lanes } = request
  const batcher = createBatcher(request.spoolFolder, settings.commit, clock, failpoints)
  const floor = createFloor(request, session)
  const laneOf = new Map(lanes.map((lane) => [lane.context.target.stream, lane]))
  let failure: unknown = null
  let failed = (): void => undefined
  const inWork = new Set<Promise<void>>()
  let finishTail: Promise<void> = Promise.resolve()

  function work(batch: SealedBatch): void {
    const previous = finishTail
    const finished = finishBatch(batch, previous)
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

  async function finishBatch(batch: SealedBatch, previous: Promise<void>): Promise<void> {
    const { header } = batch
    const touched = new Map(batch.segments)
    const { copy } = header
    if (copy !== null && !touched.has(copy.stream)) touched.set(copy.stream, [])
    const commits: Promise<void>[] = []
    try {
      for (const [stream, segments] of touched) {
        const lane = laneOf.get(stream)
        assert(lane !== undefined, 'SLU-BUG-9001', `${stream} was not asked for`)
        commits.push(lane.submit(header, segments))
      }
      await Promise.all(commits)
    } finally {
      await Promise.allSettled(commits)
      await batch.spool.discard()
    }
    await previous
    if (touched.size > 0) board.committed(batch.recordCount)
    // A copy block is complete for its own stream only: the others may still need what lies below.
    if (copy === null) await floor.reached(header.split, header.nextPosition)
  }

  async function seal(): Promise<void> {
    const batch = await batcher.seal()
    while (inWork.size >= BATCHES_IN_WORK_MAX) await Promise.race(inWork)
    work(batch)
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

function noteBlock(board: StatusBoard, block: SourceBlock): void {
  const recordCount = block.parts.reduce((sum, part) => sum + part.recordCount, 0)
  board.read(recordCount)
  if (block.copy !== null) board.event('copy-block')
  else if (recordCount > 0) board.event('stream-block')
  else board.event('caught-up')
}

/** Writes the floor and acknowledges, never beyond what is durable. */
interface Floor {
  /** Every table is complete up to here. */
  reached(split: string, position: SourcePosition): Promise<void>
  /** Writes the newest floor whatever the time. */
  settle(): Promise<void>
}

function createFloor(request: ReadRequest, session: SourceSession): Floor {
  const { log, lanes, clock, board, failpoints } = request
  let lastWriteMs = clock.monotonicMs()
  let newest: { readonly split: string; readonly position: SourcePosition } | null = null

  async function write(split: string, position: SourcePosition): Promise<void> {
    const written = log.notes.floors.get(split)
    if (written !== undefined && written >= position) return
    failpoints.hit('before-floor')
    const floors = new Map(log.notes.floors).set(split, position)
    await log.write({ ...log.notes, floors })
    lastWriteMs = clock.monotonicMs()
    failpoints.hit('after-floor')
  }

  function acknowledge(split: string): void {
    const floor = log.notes.floors.get(split)
    const lowest = lowestComplete(lanes.map((lane) => effectiveCursor(lane.durableCursor, floor)))
    if (lowest === null) return
    failpoints.hit('before-acknowledge')
    session.acknowledge(lowest)
    board.floor(lowest)
    failpoints.hit('acknowledged')
  }

  return {
    reached: async (split, position) => {
      const isCopying = lanes.some(
        (lane) => lane.durableCursor === null || lane.durableCursor.phase === 'copy',
      )
      if (isCopying) return
      newest = { split, position }
      const isBehind = lanes.some((lane) => (lane.durableCursor as Cursor).nextPosition < position)
      const isDue = clock.monotonicMs() - lastWriteMs >= FLOOR_INTERVAL_MS
      if (isBehind && isDue) await write(split, position)
      acknowledge(split)
    },
    settle: async () => {
      if (newest === null) return
      const { split, position } = newest
      const isBehind = lanes.some((lane) => (lane.durableCursor as Cursor).nextPosition < position)
      if (isBehind) await write(split, position)
      acknowledge(split)
    },
  }
}
