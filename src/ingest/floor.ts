/**
 * The floor: up to where every table is complete, written after the tables and told to the source.
 */

import type { Clock, SourceSession } from '../contracts/index.ts'
import type { Cursor, SourcePosition } from '../model/index.ts'
import type { Failpoints } from './failpoints.ts'
import { effectiveCursor, type Lane } from './lane.ts'
import { FLOOR_INTERVAL_MS } from './limits.ts'
import type { PipelineLog } from './pipeline-log.ts'
import type { StatusBoard } from './status.ts'

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
  reached(split: string, position: SourcePosition): Promise<void>
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

/** The position before which every table is complete; null while one is not copied yet. */
export function lowestComplete(cursors: readonly (Cursor | null)[]): SourcePosition | null {
  const positions: SourcePosition[] = []
  for (const cursor of cursors) {
    if (cursor?.phase !== 'stream') return null
    positions.push(cursor.nextPosition)
  }
  return positions.reduce((left, right) => (left < right ? left : right))
}

/** The position from which on some table still needs the stream; null when none needs any. */
function lowestNeeded(
  lanes: readonly Lane[],
  floor: SourcePosition | undefined,
): SourcePosition | null {
  let lowest: SourcePosition | null = null
  for (const { durableCursor, neededPosition } of lanes) {
    const effective = durableCursor?.phase === 'stream' && effectiveCursor(durableCursor, floor)
    const needed = effective ? effective.nextPosition : neededPosition
    if (needed !== null && (lowest === null || needed < lowest)) lowest = needed
  }
  return lowest
}

/** Makes the floor of one session. */
export function createFloor(request: FloorRequest, session: SourceSession): Floor {
  const { log, lanes, clock, board, failpoints } = request
  let lastWriteMs = clock.monotonicMs()
  let newest: { readonly split: string; readonly position: SourcePosition } | null = null

  async function write(split: string, position: SourcePosition): Promise<void> {
    const written = log.notes.floors.get(split)
    if (written !== undefined && written >= position) return
    failpoints.hit('before-floor')
    const floors = new Map(log.notes.floors).set(split, position)
    await log.write({ floors })
    lastWriteMs = clock.monotonicMs()
    failpoints.hit('after-floor')
  }

  function acknowledge(split: string): void {
    const lowest = lowestNeeded(lanes, log.notes.floors.get(split))
    if (lowest === null) return
    failpoints.hit('before-acknowledge')
    session.acknowledge(lowest)
    board.floor(lowest)
    failpoints.hit('acknowledged')
  }

  // Of a table that is not copied yet the floor says nothing.
  const isBehind = (position: SourcePosition): boolean =>
    lanes.some(
      ({ durableCursor: cursor }) => cursor?.phase === 'stream' && cursor.nextPosition < position,
    )

  return {
    reached: async (split, position) => {
      newest = { split, position }
      const isDue = clock.monotonicMs() - lastWriteMs >= FLOOR_INTERVAL_MS
      if (isBehind(position) && isDue) await write(split, position)
      acknowledge(split)
    },
    copied: () => {
      if (newest !== null) acknowledge(newest.split)
    },
    settle: async () => {
      if (newest === null) return
      const { split, position } = newest
      if (isBehind(position)) await write(split, position)
      acknowledge(split)
    },
    dueInMs: () => {
      if (newest === null || !isBehind(newest.position)) return null
      const written = log.notes.floors.get(newest.split)
      if (written !== undefined && written >= newest.position) return null
      return Math.max(0, lastWriteMs + FLOOR_INTERVAL_MS - clock.monotonicMs())
    },
  }
}
