/**
 * The floor: up to where every table is complete, written after the tables and told to the source.
 */

import type { Clock, SourceSession } from '../contracts/index.ts'
import type { Cursor, SourcePosition, SplitId } from '../model/index.ts'
import { effectiveCursor } from './cursors.ts'
import type { Failpoints } from './failpoints.ts'
import type { Lane } from './lane.ts'
import { FLOOR_INTERVAL_MS } from './limits.ts'
import type { PipelineLog } from './pipeline-log.ts'
import type { StatusBoard } from './status.ts'
import type { BatchHeader } from './unit.ts'

/** What the floor rests on. */
export interface FloorRequest {
  readonly log: PipelineLog
  readonly lanes: readonly Lane[]
  readonly clock: Clock
  readonly board: StatusBoard
  readonly failpoints: Failpoints
}

/** Writes the floor and acknowledges, never beyond what is durable. */
export interface Floor {
  /** Every table holds all changes up to here, but for those that are not copied yet. */
  reached(splits: BatchHeader['splits']): Promise<void>
  /** A table that is copied beside the stream moved on. */
  copied(): void
  /** Writes the newest floor whatever the time. */
  settle(): Promise<void>
  /**
   * Until the newest floor should be written although nothing more arrives: the source would else
   * keep what an idle table no longer needs. Null when there is nothing to write.
   */
  dueInMs(): number | null
}

/**
 * Per split the position before which every table that reads it is complete; null while one is not
 * copied yet.
 */
export function lowestComplete(
  cursors: Iterable<readonly Cursor[]>,
): ReadonlyMap<SplitId, SourcePosition> | null {
  const lowest = new Map<SplitId, SourcePosition>()
  for (const ofTable of cursors) {
    if (ofTable.length === 0) return null
    for (const { split, phase, nextPosition } of ofTable) {
      if (phase !== 'stream') return null
      lower(lowest, split, nextPosition)
    }
  }
  return lowest
}

function lower(lowest: Map<SplitId, SourcePosition>, split: SplitId, to: SourcePosition): void {
  const known = lowest.get(split)
  if (known === undefined || to < known) lowest.set(split, to)
}

/** The position from which on some table still needs the split; null when none needs any. */
function lowestNeeded(
  lanes: readonly Lane[],
  split: SplitId,
  floor: SourcePosition | undefined,
): SourcePosition | null {
  let lowest: SourcePosition | null = null
  for (const lane of lanes) {
    const cursor = lane.cursors.get(split)
    const effective = cursor?.phase === 'stream' && effectiveCursor(cursor, floor)
    const needed = effective ? effective.nextPosition : lane.neededPosition(split)
    if (needed !== null && (lowest === null || needed < lowest)) lowest = needed
  }
  return lowest
}

/** Makes the floor of one session. */
export function createFloor(request: FloorRequest, session: SourceSession): Floor {
  const { log, lanes, clock, board, failpoints } = request
  let lastWriteMs = clock.monotonicMs()
  const newest = new Map<SplitId, SourcePosition>()

  /** Splits of which the newest floor says more than the tables and the log. */
  const unwritten = (): readonly (readonly [SplitId, SourcePosition])[] =>
    [...newest].filter(([split, position]) => {
      const written = log.notes.floors.get(split)
      return isBehind(split, position) && (written === undefined || written < position)
    })

  // Of a table that is not copied yet the floor says nothing.
  const isBehind = (split: SplitId, position: SourcePosition): boolean =>
    lanes.some(({ cursors }) => {
      const cursor = cursors.get(split)
      return cursor?.phase === 'stream' && cursor.nextPosition < position
    })

  async function write(): Promise<void> {
    const behind = unwritten()
    if (behind.length === 0) return
    failpoints.hit('before-floor')
    await log.write({ floors: new Map([...log.notes.floors, ...behind]) })
    lastWriteMs = clock.monotonicMs()
    failpoints.hit('after-floor')
  }

  function acknowledge(splits: Iterable<SplitId>): void {
    for (const split of splits) {
      const needed = lowestNeeded(lanes, split, log.notes.floors.get(split))
      const passed = session.copiesNothing === true ? newest.get(split) : undefined
      const lowest = needed ?? passed
      if (lowest === undefined) continue
      failpoints.hit('before-acknowledge')
      session.acknowledge(split, lowest)
      board.floor(split, lowest)
      failpoints.hit('acknowledged')
    }
  }

  return {
    reached: async (splits) => {
      for (const [split, { nextPosition }] of splits) newest.set(split, nextPosition)
      if (clock.monotonicMs() - lastWriteMs >= FLOOR_INTERVAL_MS) await write()
      acknowledge(splits.keys())
    },
    copied: () => acknowledge(newest.keys()),
    settle: async () => {
      await write()
      acknowledge(newest.keys())
    },
    dueInMs: () => {
      if (unwritten().length === 0) return null
      return Math.max(0, lastWriteMs + FLOOR_INTERVAL_MS - clock.monotonicMs())
    },
  }
}
