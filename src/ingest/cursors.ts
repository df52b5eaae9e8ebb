/** What becomes of the cursors of a table, from batch to batch. Pure. */

import type { CopyProgress, CursorMove, Snapshot } from '../contracts/index.ts'
import type { Cursor, JsonObject, SourcePosition, SplitId } from '../model/index.ts'
import type { LaneContext } from './lane-context.ts'
import type { BatchHeader, SplitEnd } from './unit.ts'

/** The table gets a version that only counts as a batch: its cursors stay where they are. */
export function countBatch(cursors: Map<SplitId, Cursor>): readonly CursorMove[] {
  return [...cursors.values()].map((from) => {
    const to = { ...from, batchNumber: from.batchNumber + 1n }
    cursors.set(from.split, to)
    return { from, to }
  })
}

/** What a batch makes of the cursors of its splits. */
export function movesOf(
  cursors: ReadonlyMap<SplitId, Cursor>,
  header: BatchHeader,
): readonly CursorMove[] {
  return [...header.splits].map(([split, end]) => {
    const from = cursors.get(split) ?? null
    return { from, to: nextCursor(from, header.copy, { split, ...end }) }
  })
}

/** The cursors that this pipeline stored in the snapshot, by their splits. */
export function ownCursors(
  { pipeline }: Pick<LaneContext, 'pipeline'>,
  snapshot: Snapshot,
): Map<SplitId, Cursor> {
  return new Map(snapshot.cursors(pipeline).map(({ cursor }) => [cursor.split, cursor]))
}

/** True when the source may go on with the incomplete copy that the cursor tells of. */
export function isResumable(context: LaneContext, cursor: Cursor): boolean {
  return context.target.mode === 'upsert' && cursor.identity.copied !== undefined
}

/**
 * The position from which a table needs changes: its own cursor, or the floor when that is further.
 * The floor says nothing of an incomplete copy.
 */
export function effectiveCursor(own: Cursor, floor: SourcePosition | undefined): Cursor {
  if (own.phase === 'copy' || floor === undefined) return own
  return floor > own.nextPosition ? { ...own, nextPosition: floor } : own
}

/** Changes of the stream leave an incomplete copy where it is. */
function nextCursor(
  from: Cursor | null,
  copy: CopyProgress | null,
  end: SplitEnd & Pick<Cursor, 'split'>,
): Cursor {
  const before = from?.phase === 'copy' ? from : null
  return {
    split: end.split,
    splitNumber: end.splitNumber,
    nextPosition: end.nextPosition,
    phase: (copy === null ? before !== null : !copy.complete) ? 'copy' : 'stream',
    identity: { ...end.identity, ...(copy === null ? copyNotes(before) : notesOf(copy)) },
    batchNumber: (from?.batchNumber ?? 0n) + 1n,
    sourceTimeMicros: end.sourceTimeMicros ?? from?.sourceTimeMicros ?? null,
  }
}

function notesOf({ attempt, place, complete }: CopyProgress): JsonObject {
  const copied = complete || place === null ? {} : { copied: place }
  return { copyAttempt: attempt, ...copied }
}

function copyNotes(cursor: Cursor | null): JsonObject {
  const { copyAttempt, copied } = cursor?.identity ?? {}
  return {
    ...(copyAttempt === undefined ? {} : { copyAttempt }),
    ...(copied === undefined ? {} : { copied }),
  }
}
