/**
 * The loop: recover, read, batch, hand to the lanes, move the floor, acknowledge; start over after
 * a failure.
 */

import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import type {
  Clock,
  ObjectStore,
  PipelineSettings,
  PipelineStatus,
  Source,
  TableFormat,
  Telemetry,
} from '../contracts/index.ts'
import { createEngine } from '../engine/index.ts'
import { SluiceError, wrapError } from '../model/index.ts'
import { decideOnError, endsGoodLife } from './error-policy.ts'
import { type Failpoints, noFailpoints, withStoreFailpoints } from './failpoints.ts'
import { HEAP_GROWING_PERCENT, SPOOL_FOLDER } from './limits.ts'
import { openPipelineLog } from './pipeline-log.ts'
import { type ReadEnd, readAll } from './read-loop.ts'
import { recover } from './recover.ts'
import { isDoubtful, movedByAnother } from './second-look.ts'
import { emptySpool } from './stager.ts'
import { createStatusBoard, type StatusBoard } from './status.ts'
import { callRoll, leftStreams, noteRoll } from './stream-roll.ts'
import { noteUnknown, type UnknownBefore } from './unknown-members.ts'

/** What a pipeline is made of. */
export interface PipelineParts {
  readonly settings: PipelineSettings
  readonly source: Source
  readonly store: ObjectStore
  /** Makes the table format over a store; the pipeline wraps the store with its failpoints. */
  readonly openFormat: (store: ObjectStore) => TableFormat
  readonly clock: Clock
  readonly telemetry: Telemetry
  /** Local folder for spooling; owned by this pipeline. */
  readonly workFolder: string
  readonly failpoints?: Failpoints
}

/** How a run ended. */
export type RunEnd = 'drained' | 'source-ended'

/** A pipeline ready to run. */
export interface Pipeline {
  readonly settings: PipelineSettings
  /**
   * Runs until the signal aborts (then what was read is committed: a drain) or a finite source
   * ends.
   * Throws the SluiceError that stopped it.
   */
  run(signal: AbortSignal): Promise<RunEnd>
  status(): PipelineStatus
}

/** Makes a pipeline; nothing is opened before `run`. */
export function createPipeline(parts: PipelineParts): Pipeline {
  const board = createStatusBoard(parts.settings.name, parts.clock)
  return {
    settings: parts.settings,
    run: (signal) => runWithRestarts(parts, board, signal),
    status: () => board.snapshot(),
  }
}

async function runWithRestarts(
  parts: PipelineParts,
  board: StatusBoard,
  signal: AbortSignal,
): Promise<RunEnd> {
  const { clock, telemetry, settings } = parts
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`)
  let attempt = 0
  let failingSinceMs: number | null = null
  let commitsSeen = 0
  const unknownBefore: UnknownBefore = new Map()
  for (;;) {
    let readingSinceMs = Number.POSITIVE_INFINITY
    try {
      board.event('start')
      const life = { board, signal, unknownBefore }
      const end = await runOnce(parts, life, () => {
        readingSinceMs = clock.monotonicMs()
      })
      if (end === 'outdated') {
        attempt = 0
        failingSinceMs = null
        continue
      }
      board.event('drained')
      return end
    } catch (thrown) {
      const error = wrapError(thrown, 'SLU-BUG-9001', 'the pipeline failed')
      if (noteUnknown(error, unknownBefore)) {
        telemetry.log('info', 'looking for new columns', {
          pipeline: settings.name,
          reason: error.message,
        })
        continue
      }
      const { commits } = board.snapshot()
      const nowMs = clock.monotonicMs()
      if (commits > commitsSeen || endsGoodLife(error, nowMs - readingSinceMs)) {
        commitsSeen = commits
        attempt = 0
        failingSinceMs = null
      }
      attempt++
      failingSinceMs ??= nowMs
      const decision = decideOnError(error, attempt, nowMs - failingSinceMs, clock.random())
      if (signal.aborted && decision.kind === 'restart') {
        // Told to stop while it began: there is nothing to drain, and nothing failed.
        board.event('drained')
        return 'drained'
      }
      board.failed(error)
      const { code } = error
      telemetry.count('sluice_pipeline_errors_total', 1, { pipeline: settings.name, code })
      if (decision.kind === 'stop') throw error
      telemetry.log('warn', 'starting over', {
        pipeline: settings.name,
        code,
        reason: error.message,
        attempt,
        delayMs: Math.round(decision.delayMs),
      })
      await clock.sleep(decision.delayMs, signal)
      if (signal.aborted) {
        board.event('drained')
        return 'drained'
      }
    }
  }
}

/** What a life shares with the others of a run. */
interface Life {
  readonly board: StatusBoard
  readonly signal: AbortSignal
  readonly unknownBefore: UnknownBefore
}

/** One life between two recoveries: everything in memory belongs to it and ends with it. */
async function runOnce(
  parts: PipelineParts,
  { board, signal, unknownBefore }: Life,
  onReading: () => void,
): Promise<ReadEnd> {
  const { settings, clock } = parts
  const failpoints = parts.failpoints ?? noFailpoints
  const store = parts.failpoints ? withStoreFailpoints(parts.store, failpoints) : parts.store
  const spoolFolder = join(parts.workFolder, SPOOL_FOLDER)
  await emptySpool(spoolFolder).catch((error: unknown) => {
    throw new SluiceError('SLU-STO-2001', {
      message: `the work folder ${parts.workFolder} cannot be written`,
      cause: error,
    })
  })
  await using engine = await createEngine({
    memoryBytes: settings.engineMemoryBytes,
    threads: settings.engineThreads,
    temporaryFolder: join(spoolFolder, 'engine'),
  })
  const log = await openPipelineLog(store, settings.name, clock.uuid())
  const roll = await callRoll(settings, parts.source, log)
  await using recovered = await recover({
    settings,
    targets: roll.targets,
    schemas: roll.schemas,
    format: parts.openFormat(store),
    engine,
    log,
    spoolFolder,
    failpoints,
    clock,
    ...{ telemetry: parts.telemetry, signal },
  })
  if (signal.aborted) return 'drained'
  for (const lane of recovered.lanes) {
    if (roll.returned.has(lane.context.target.stream)) await lane.copyAgain()
  }
  await noteRoll(log, roll, settings.selection)
  board.warn([...roll.refused, ...leftStreams(log)])
  failpoints.hit('recovered')
  try {
    return await readAll({
      ...parts,
      log,
      lanes: recovered.lanes,
      refused: new Set(roll.refused.map(({ stream }) => stream)),
      board,
      failpoints,
      spoolFolder,
      signal,
      unknownBefore,
      onReading,
    })
  } catch (thrown) {
    const error = wrapError(thrown, 'SLU-BUG-9001', 'the pipeline failed')
    if (!isDoubtful(error)) throw error
    const newest = await openPipelineLog(store, settings.name, clock.uuid())
    const moved = await movedByAnother(recovered.lanes, log, newest)
    if (moved === null) throw error
    throw new SluiceError('SLU-ING-4007', {
      message: `another instance moved ${moved} on, so ${error.code} may not be true`,
      cause: error,
    })
  } finally {
    board.watch(null, null)
  }
}
