/** Recovery: tables are opened or created, indexes rebuilt. The only way a run begins. */

import { join } from 'node:path'
import type {
  Clock,
  PipelineSettings,
  Table,
  TableFormat,
  TableTarget,
  Telemetry,
} from '../contracts/index.ts'
import type { Engine } from '../engine/index.ts'
import type { StreamSchema } from '../model/index.ts'
import { createFileOrdinals, createIndexStorage, openKeyIndex } from '../state/index.ts'
import { openDeadLetters, rejectedSince } from './dead-letters.ts'
import type { Failpoints } from './failpoints.ts'
import type { Lane } from './lane.ts'
import type { LaneContext } from './lane-context.ts'
import { openLane, openTargetTable } from './open-lane.ts'
import type { PipelineLog } from './pipeline-log.ts'
import { createRejectCeiling } from './reject-ceiling.ts'
import { createScratch } from './scratch.ts'

/** Part of the spool for what key indexes hold beyond their memory. */
const INDEX_FOLDER = 'index'

/** What recovery needs. */
export interface RecoverRequest {
  readonly settings: PipelineSettings
  readonly targets: readonly TableTarget[]
  /** Stream → its columns. */
  readonly schemas: ReadonlyMap<string, StreamSchema>
  readonly format: TableFormat
  readonly engine: Engine
  readonly log: PipelineLog
  readonly spoolFolder: string
  readonly failpoints: Failpoints
  readonly clock: Clock
  readonly telemetry: Telemetry
  /** Once it aborts the lanes are of no use: their indexes may lack keys. */
  readonly signal: AbortSignal
}

/** The lanes of a run, in the order of the targets. */
export interface Recovered extends AsyncDisposable {
  readonly lanes: readonly Lane[]
}

/** Opens every lane; closes all again when one cannot be opened. */
export async function recover(request: RecoverRequest): Promise<Recovered> {
  const { settings, clock, telemetry } = request
  const opened = new AsyncDisposableStack()
  const lanes: Lane[] = []
  const { memoryBytes, spill } = settings.index
  const folder = spill === 'disk' ? join(request.spoolFolder, INDEX_FOLDER) : null
  const storage = createIndexStorage({ memoryBytes, folder, telemetry })
  try {
    for (const wanted of request.targets) {
      const startMs = clock.monotonicMs()
      const stream = request.schemas.get(wanted.stream) as StreamSchema
      const pipeline = settings.name
      const found = await openTargetTable(request.format, { target: wanted, pipeline }, stream)
      const table = opened.use(found.table)
      const { target } = found
      if (target.isModeOpen && target.mode === 'append') {
        telemetry.log('warn', 'a stream without a key is only appended to', {
          table: target.table,
          stream: target.stream,
          remedy: 'an update or delete stops the pipeline: give the stream a primary key, or a key',
        })
      }
      const capacityHint = Number((await table.latest()).rowCount ?? 0n)
      const name = target.root.replaceAll('/', '.')
      const index = opened.use(openKeyIndex({ storage, name, capacityHint }))
      const rejects = await openRejects(request, target, table)
      opened.use(rejects.deadLetters)
      const context: LaneContext = {
        ...rejects,
        target,
        pipeline,
        table,
        engine: request.engine,
        index,
        ordinals: createFileOrdinals(),
        scratch: createScratch(),
        spoolFolder: request.spoolFolder,
        compressionLevel: settings.compressionLevel,
        engineMemoryBytes: settings.engineMemoryBytes,
        tombstoneTtlMs: settings.tombstoneTtlMs,
        failpoints: request.failpoints,
        clock,
        telemetry,
      }
      const lane = await openLane(context, request.signal)
      lanes.push(lane)
      telemetry.log('info', 'table opened', {
        table: target.table,
        version: lane.status.version,
        keys: index.keyCount,
        durationMs: Math.round(clock.monotonicMs() - startMs),
      })
    }
  } catch (error) {
    await opened.disposeAsync()
    throw error
  }
  return { lanes, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

/** The dead-letter table, settled before anything is read, and the ceiling. */
async function openRejects(
  { format, settings, clock, failpoints }: RecoverRequest,
  target: TableTarget,
  table: Table,
): Promise<Pick<LaneContext, 'deadLetters' | 'ceiling'>> {
  const of = { format, pipeline: settings.name, target }
  const deadLetters = await openDeadLetters({ ...of, clock, failpoints }, await table.latest())
  const stopAfter = target.rejects?.stopAfter ?? null
  const past = stopAfter === null ? [] : await rejectedSince(of, clock.nowMs() - stopAfter.windowMs)
  return { deadLetters, ceiling: createRejectCeiling(target.table, stopAfter, past) }
}
