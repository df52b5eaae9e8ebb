/** What the steps of a lane share: one table with its index, engine and bounds. */

import type { Clock, KeyIndex, Table, TableTarget, Telemetry } from '../contracts/index.ts'
import type { Engine } from '../engine/index.ts'
import type { TableColumn, TableSchema } from '../model/index.ts'
import type { FileOrdinals } from '../state/index.ts'
import type { Failpoints } from './failpoints.ts'
import type { RejectCeiling } from './reject-ceiling.ts'
import type { DeadLetters } from './rejects.ts'
import type { Scratch } from './scratch.ts'

/** Shared by the steps of one lane. */
export interface LaneContext {
  readonly pipeline: string
  readonly target: TableTarget
  readonly table: Table
  readonly engine: Engine
  readonly index: KeyIndex
  readonly ordinals: FileOrdinals
  /** Where rejected records go, and how many may be. */
  readonly deadLetters: DeadLetters
  readonly ceiling: RejectCeiling
  /** Arrays of the units, which are staged one after the other. */
  readonly scratch: Scratch
  /** Spool folder of this run. */
  readonly spoolFolder: string
  readonly compressionLevel: number
  /** What the engine may use: bounds the row groups of files. */
  readonly engineMemoryBytes: number
  readonly tombstoneTtlMs: number
  readonly failpoints: Failpoints
  readonly clock: Clock
  readonly telemetry: Telemetry
}

/** The user's ordering column in a schema; null when source order decides. */
export function orderingColumn(context: LaneContext, schema: TableSchema): TableColumn | null {
  const name = context.target.orderingColumn
  return name === null ? null : (schema.columns.find((column) => column.name === name) ?? null)
}

/** Runs a step and adds its duration to the timings. */
export async function timed<Result>(
  clock: Clock,
  timingsMs: Record<string, number>,
  step: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const startMs = clock.monotonicMs()
  try {
    return await work()
  } finally {
    timingsMs[step] = (timingsMs[step] ?? 0) + Math.round(clock.monotonicMs() - startMs)
  }
}
