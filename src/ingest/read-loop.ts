/** Reads the blocks of one session, from the cursors of the tables to its end or to a drain. */

import type {
  Clock,
  PipelineSettings,
  Source,
  SourceBlock,
  SourceMemory,
  SourceSession,
  Telemetry,
} from '../contracts/index.ts'
import type { Cursor, JsonObject } from '../model/index.ts'
import { effectiveCursor, isResumable } from './cursors.ts'
import type { Failpoints } from './failpoints.ts'
import { lowestComplete } from './floor.ts'
import type { Lane } from './lane.ts'
import type { PipelineLog } from './pipeline-log.ts'
import { mayReject } from './rejecting.ts'
import type { StatusBoard } from './status.ts'
import type { UnknownBefore } from './unknown-members.ts'
import { createWorker, type Worker } from './worker.ts'

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
  /** Streams that patterns chose and that are not read. */
  readonly refused: ReadonlySet<string>
  /** Where the source has to look for members that no column holds. */
  readonly unknownBefore: UnknownBefore
  /** Called once the source is connected. */
  readonly onReading: () => void
}

/** How reading ended; `outdated`: the streams are others by now, reading must begin anew. */
export type ReadEnd = 'drained' | 'source-ended' | 'outdated'

/**
 * Runs until the signal aborts or the source ends or fails; all that was read and could be sealed
 * is committed then.
 */
export async function readAll(request: ReadRequest): Promise<ReadEnd> {
  const { settings, source, log, lanes, board } = request
  const streams = new Map(
    lanes.map((lane) => [lane.context.target.stream, startCursors(lane, log)]),
  )
  const matched = lanes.filter(({ context }) => context.target.isMatched === true)
  const stop = new AbortController()
  const signal = AbortSignal.any([request.signal, stop.signal])
  await using session = await source.start({
    streams,
    matched: new Set(matched.map(({ context }) => context.target.stream)),
    appended: new Set(
      lanes
        .filter(({ context }) => context.target.mode === 'append')
        .map(({ context }) => context.target.stream),
    ),
    ...(settings.selection && {
      selection: { patterns: settings.selection.patterns, known: request.refused },
    }),
    columns: new Map(lanes.map((lane) => [lane.context.target.stream, lane.origins])),
    keepsUnreadable: new Set(
      lanes.filter(({ context }) => mayReject(context)).map(({ context }) => context.target.stream),
    ),
    unknownBefore: request.unknownBefore,
    memory: sourceMemory(log),
    bufferBytesMax: settings.inFlightBytesMax,
    spoolFolder: request.spoolFolder,
    signal,
  })
  request.onReading()
  const copiesAgain = new Set(session.copiesAgain)
  for (const lane of lanes) if (copiesAgain.has(lane.context.target.stream)) await lane.copyAgain()
  board.watch(lanes, () => session.progress())
  const reached = copiesAgain.size > 0 ? null : lowestComplete(streams.values())
  for (const [split, position] of reached ?? []) board.floor(split, position)
  const worker = createWorker(request, session)
  const copying = pumpCopies(session, worker)
  try {
    const end = await pump(request, session, worker)
    if (end !== 'outdated') board.event('drain')
    worker.endCopies()
    await copying
    await worker.drain()
    return end
  } finally {
    stop.abort()
    worker.endCopies()
    await copying
    await worker.discard()
  }
}

/**
 * What a source yielded before it failed is as true as before: whole transactions are committed, so
 * that one that fails again and again gets on all the same.
 */
async function commitWhole({ settings, telemetry }: ReadRequest, worker: Worker): Promise<void> {
  try {
    await worker.drain()
  } catch (error) {
    // The failure of the source counts; what is not committed is read again.
    const fields = { pipeline: settings.name, reason: String(error) }
    telemetry.log('warn', 'what was read before the source failed is not committed', fields)
  }
}

/** What the source is told of a table: an incomplete copy only where it can go on. */
function startCursors({ context, cursors }: Lane, log: PipelineLog): readonly Cursor[] {
  return [...cursors.values()].map((durable) => {
    const cursor = effectiveCursor(durable, log.notes.floors.get(durable.split))
    if (cursor.phase !== 'copy' || isResumable(context, cursor)) return cursor
    const { copied: _, ...identity } = cursor.identity
    return { ...cursor, identity }
  })
}

function sourceMemory(log: PipelineLog): SourceMemory {
  return {
    read: async () => log.notes.sourceMemory,
    write: (notes: JsonObject) => log.write({ sourceMemory: notes }),
  }
}

/** Takes the blocks of copies beside the stream, if there are any, at their own pace. */
async function pumpCopies(session: SourceSession, worker: Worker): Promise<void> {
  try {
    for await (const block of session.copyBlocks?.() ?? []) {
      if (!(await worker.takeCopied(block))) return
    }
  } catch (error) {
    worker.fail(error)
  }
}

/**
 * Takes blocks as they come; wakes up for the deadline of the open batch and for failures of the
 * lanes.
 */
async function pump(
  request: ReadRequest,
  session: SourceSession,
  worker: Worker,
): Promise<ReadEnd> {
  const blocks = session.blocks()[Symbol.asyncIterator]()
  let waiting = Promise.withResolvers<void>()
  const wake = (): void => waiting.resolve()
  worker.onChange(wake)
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
    if (failure !== null) {
      await commitWhole(request, worker)
      throw failure
    }
    const result = arrived as IteratorResult<SourceBlock> | null
    if (result === null) {
      await worker.sealIfReady()
      continue
    }
    arrived = null
    if (result.done) {
      if (request.signal.aborted) return 'drained'
      return session.isOutdated === true ? 'outdated' : 'source-ended'
    }
    await worker.take(result.value)
    fetch()
  }
}
