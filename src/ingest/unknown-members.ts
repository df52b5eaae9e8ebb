/**
 * Members of JSON records that no column of the table holds. Nobody looks for them in records that
 * decode; when decoding ends at one, the life ends too, and in the next one the source looks at
 * each record up to there: it then yields them under a schema that has the columns.
 */

import { unknownMembersSql } from '../decode/index.ts'
import type { Session } from '../engine/index.ts'
import { isSluiceError, SluiceError, type SourcePosition, type SplitId } from '../model/index.ts'
import type { LaneContext } from './lane-context.ts'
import { type BatchHeader, type PlacedSegment, rangeText, type Unit } from './unit.ts'

/** Throws SLU-ING-4018 when a segment that must not have such members has some. */
export async function refuseUnknown(
  { target }: LaneContext,
  { header, segments }: Pick<Unit, 'header' | 'segments'>,
  session: Session,
): Promise<void> {
  for (const segment of segments) {
    const sql = unknownMembersSql(segment)
    const names = sql === null ? [] : (await session.query(sql)).rows.map(([name]) => String(name))
    if (names.length === 0) continue
    const { splits } = header
    const before = Object.fromEntries(
      [...endsOf(segment, splits)].map(([split, position]) => [split, position.toString()]),
    )
    const shown = names.map((name) => JSON.stringify(name)).join(', ')
    throw new SluiceError('SLU-ING-4018', {
      message:
        `records of ${target.stream} between positions ` +
        `${rangeText({ header, segments: [segment] })} ` +
        `have members that ${target.table} has no column for: ${shown}`,
      context: { stream: target.stream, table: target.table, before: JSON.stringify(before) },
    })
  }
}

/** Split → the position after the last of its records in the segment. */
function endsOf(
  { marks, firstPosition, recordCount }: PlacedSegment,
  splits: BatchHeader['splits'],
): ReadonlyMap<SplitId, SourcePosition> {
  const ends = new Map<SplitId, SourcePosition>()
  for (const [split, { splitNumber }] of splits) {
    if (marks === undefined) ends.set(split, firstPosition + BigInt(recordCount))
    const last = marks?.splits.lastIndexOf(splitNumber) ?? -1
    if (marks !== undefined && last >= 0) ends.set(split, (marks.positions[last] as bigint) + 1n)
  }
  return ends
}

/** Stream → split → where a source has to look for members without a column, over a run's lives. */
export type UnknownBefore = Map<string, Map<SplitId, SourcePosition>>

/**
 * Notes what the source has to look for; false when the error is another one, or when the source
 * has looked there already.
 */
export function noteUnknown(error: SluiceError, noted: UnknownBefore): boolean {
  if (!isSluiceError(error, 'SLU-ING-4018')) return false
  const { stream, before } = error.context
  if (typeof stream !== 'string' || typeof before !== 'string') return false
  const known = noted.get(stream) ?? new Map<SplitId, SourcePosition>()
  let isNew = false
  for (const [split, text] of Object.entries(JSON.parse(before) as Record<string, string>)) {
    const position = BigInt(text)
    if ((known.get(split) ?? -1n) >= position) continue
    known.set(split, position)
    isNew = true
  }
  noted.set(stream, known)
  return isNew
}
