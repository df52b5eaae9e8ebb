/**
 * Members of JSON records that no column of the table holds. Nobody looks for them in records that
 * decode; when decoding ends at one, the life ends too, and in the next one the source looks at
 * each record up to there: it then yields them under a schema that has the columns.
 */

import { unknownMembersSql } from '../decode/index.ts'
import type { Session } from '../engine/index.ts'
import { isSluiceError, SluiceError, type SourcePosition } from '../model/index.ts'
import type { LaneContext } from './lane-context.ts'
import type { PlacedSegment } from './unit.ts'

/** Throws SLU-ING-4018 when a segment that must not have such members has some. */
export async function refuseUnknown(
  { target }: LaneContext,
  segments: readonly PlacedSegment[],
  session: Session,
): Promise<void> {
  for (const segment of segments) {
    const sql = unknownMembersSql(segment)
    const names = sql === null ? [] : (await session.query(sql)).rows.map(([name]) => String(name))
    if (names.length === 0) continue
    const { firstPosition, recordCount } = segment
    const before = firstPosition + BigInt(recordCount)
    const shown = names.map((name) => JSON.stringify(name)).join(', ')
    throw new SluiceError('SLU-ING-4018', {
      message:
        `records of ${target.stream} between positions ${firstPosition} and ${before} have ` +
        `members that ${target.table} has no column for: ${shown}`,
      context: { stream: target.stream, table: target.table, before },
    })
  }
}

/** Stream → where a source has to look for members without a column, over the lives of a run. */
export type UnknownBefore = Map<string, SourcePosition>

/**
 * Notes what the source has to look for; false when the error is another one, or when the source
 * has looked there already.
 */
export function noteUnknown(error: SluiceError, noted: UnknownBefore): boolean {
  if (!isSluiceError(error, 'SLU-ING-4018')) return false
  const { stream, before } = error.context
  if (typeof stream !== 'string' || typeof before !== 'bigint') return false
  if ((noted.get(stream) ?? -1n) >= before) return false
  noted.set(stream, before)
  return true
}
