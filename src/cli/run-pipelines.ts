/**
 * Several pipelines in one process: run together, drained together, each with an end of its own.
 */

import { type DeathWish, type Runtime, runPipeline } from '../compose.ts'
import type { PipelineSettings, PipelineStatus, SplitStatus } from '../contracts/index.ts'
import type { SluiceError } from '../model/index.ts'
import { asSluiceError } from './errors.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'

/** How one pipeline ended. */
export interface PipelineEnd {
  readonly pipeline: string
  readonly end: 'drained' | 'source-ended' | 'failed'
  readonly error: SluiceError | null
  /** The last status; null when the pipeline did not even open. */
  readonly status: PipelineStatus | null
}

/** What to run and how. */
export interface RunRequest {
  readonly runtime: Runtime
  readonly pipelines: readonly PipelineSettings[]
  /** Aborting drains all. */
  readonly signal: AbortSignal
  /** Each pipeline ends when it has caught up with where its source stood. */
  readonly once: boolean
  readonly onStatus: (status: PipelineStatus) => void
  readonly death?: DeathWish
}

/** Runs all to their end; a pipeline that fails does not end the others. */
export function runPipelines(request: RunRequest): Promise<readonly PipelineEnd[]> {
  return Promise.all(request.pipelines.map((settings) => runOne(request, settings)))
}

/** 0 when all ended well, the error's own code when all failed alike, 8 when only some failed. */
export function exitCodeOfEnds(ends: readonly PipelineEnd[]): number {
  const errors = ends.flatMap(({ error }) => (error === null ? [] : [error]))
  const [first] = errors
  if (first === undefined) return EXIT.ok
  return errors.length < ends.length ? EXIT.partial : exitCodeOf(first)
}

async function runOne(request: RunRequest, settings: PipelineSettings): Promise<PipelineEnd> {
  const { runtime, onStatus, death } = request
  const caughtUp = new AbortController()
  const signal = AbortSignal.any([request.signal, caughtUp.signal])
  let last: PipelineStatus | null = null
  let goal: readonly SplitStatus[] = []
  const watch = (status: PipelineStatus): void => {
    last = status
    onStatus(status)
    if (goal.length === 0) goal = status.splits.filter(({ endPosition }) => endPosition !== null)
    if (request.once && hasCaughtUp(status, goal)) caughtUp.abort()
  }
  try {
    const end = await runPipeline(runtime, settings, {
      signal,
      onStatus: watch,
      ...(death && { death }),
    })
    return { pipeline: settings.name, end, error: null, status: last }
  } catch (thrown) {
    const error = asSluiceError(thrown)
    // Told at once where others go on; the end of the command tells the rest.
    if (request.pipelines.length > 1) {
      runtime.telemetry.log('error', error.message, { pipeline: settings.name, code: error.code })
    }
    return { pipeline: settings.name, end: 'failed', error, status: last }
  }
}

/**
 * True when everything before `goal`, the ends of the source when the run began, is in every table.
 */
export function hasCaughtUp(status: PipelineStatus, goal: readonly SplitStatus[]): boolean {
  const isCopying = status.tables.some((table) => table.copy !== null)
  if (goal.length === 0 || isCopying) return false
  const floors = new Map(status.splits.map(({ split, floorPosition }) => [split, floorPosition]))
  return goal.every(({ split, endPosition }) => {
    const floor = floors.get(split) ?? null
    return endPosition !== null && floor !== null && floor >= endPosition
  })
}
