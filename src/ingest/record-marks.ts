/** What a source knows of each record beside its bytes, from the blocks to the engine. */

import type { RecordMarks } from '../contracts/index.ts'
import {
  createMarksSql,
  type LandedSegment,
  marksColumns,
  NO_TIME,
  type SegmentMarks,
} from '../decode/index.ts'
import type { Session } from '../engine/index.ts'

/** The marks of a part, and the split that its records are of. */
export interface MarkedPart extends RecordMarks {
  readonly splitNumber: number
}

/** The marks of parts that follow each other in a segment; null when there are none. */
export function joinMarks(parts: readonly MarkedPart[], table: string): SegmentMarks | null {
  if (parts.length === 0) return null
  const count = parts.reduce((sum, { positions }) => sum + positions.length, 0)
  const splits = new Int32Array(count)
  const positions = new BigInt64Array(count)
  const timesMs = new BigInt64Array(count).fill(NO_TIME)
  const deletes = parts.some((part) => part.deletes !== null) ? new Uint8Array(count) : null
  let at = 0
  for (const part of parts) {
    const end = at + part.positions.length
    splits.fill(part.splitNumber, at, end)
    positions.set(part.positions, at)
    if (part.timesMs !== null) timesMs.set(part.timesMs, at)
    if (part.deletes !== null) deletes?.set(part.deletes, at)
    at = end
  }
  return { table, splits, positions, timesMs, deletes }
}

/** Puts the marks of segments where the statements of a session look for them. */
export async function loadMarks(
  session: Session,
  segments: readonly Pick<LandedSegment, 'marks'>[],
): Promise<void> {
  for (const { marks } of segments) {
    if (marks === undefined) continue
    await session.run(createMarksSql(marks))
    await session.append(marks.table, marksColumns(marks), marks.positions.length)
  }
}
