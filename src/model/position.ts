/** Where a source stands: splits, positions, cursors. */

import { assert } from './errors.ts'

/** Stable name of a split within its source: `slot`, `folder`, `orders-3`. */
export type SplitId = string

/** Comparable place in a split; 64-bit. For Postgres the LSN of a transaction's commit record. */
export type SourcePosition = bigint

/** Plain JSON, as stored in cursors and commit details. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject
/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** A half-open run of positions of one split. */
export interface PositionRange {
  readonly split: SplitId
  readonly fromInclusive: SourcePosition
  readonly toExclusive: SourcePosition
}

/**
 * The next position of a split, stored in the table commit that holds everything before it.
 * Invariants: (1) `nextPosition` never decreases from version to version except by `resync`;
 * (2) `batchNumber` grows by one with each commit that moves the cursor; it is `txn.version`.
 */
export interface Cursor {
  readonly split: SplitId
  /** Small number that stands for the split in the meta column `_sluice_split`. */
  readonly splitNumber: number
  readonly nextPosition: SourcePosition
  /** `copy`: rows of an initial copy, not yet complete; `stream`: complete up to `nextPosition`. */
  readonly phase: 'copy' | 'stream'
  /** What the source needs to go on and to notice a gap: slot identity, timeline, copy attempt. */
  readonly identity: JsonObject
  readonly batchNumber: bigint
  /** Source time of the newest change included, epoch microseconds; null when unknown. */
  readonly sourceTimeMicros: bigint | null
}

/**
 * True when two cursors name the same place of the same attempt: the test of the commit's
 * compare-and-swap.
 */
export function sameCursor(left: Cursor | null, right: Cursor | null): boolean {
  if (left === null || right === null) return left === right
  return (
    left.split === right.split &&
    left.nextPosition === right.nextPosition &&
    left.phase === right.phase &&
    left.batchNumber === right.batchNumber &&
    JSON.stringify(left.identity) === JSON.stringify(right.identity)
  )
}

/** The cursor of a stream of one split; null when it was never read. Throws for several. */
export function onlyCursor(cursors: readonly Cursor[] | undefined): Cursor | null {
  assert((cursors?.length ?? 0) <= 1, 'SLU-BUG-9001', 'a stream of one split has several cursors')
  return cursors?.[0] ?? null
}

/** Cursor → JSON; 64-bit numbers become strings. */
export function cursorToJson(cursor: Cursor): JsonObject {
  return {
    split: cursor.split,
    splitNumber: cursor.splitNumber,
    nextPosition: cursor.nextPosition.toString(),
    phase: cursor.phase,
    identity: cursor.identity,
    batchNumber: cursor.batchNumber.toString(),
    sourceTimeMicros: cursor.sourceTimeMicros?.toString() ?? null,
  }
}

/** `BigInt` would take an empty text for zero. */
const WHOLE_NUMBER = /^-?\d+$/

/** JSON → cursor; the inverse of `cursorToJson`. Throws a `TypeError` on another shape. */
export function cursorFromJson(json: JsonObject): Cursor {
  const { split, splitNumber, nextPosition, phase, identity, batchNumber, sourceTimeMicros } = json
  if (
    typeof split !== 'string' ||
    typeof splitNumber !== 'number' ||
    typeof nextPosition !== 'string' ||
    !WHOLE_NUMBER.test(nextPosition) ||
    (phase !== 'copy' && phase !== 'stream') ||
    typeof batchNumber !== 'string' ||
    !WHOLE_NUMBER.test(batchNumber) ||
    typeof identity !== 'object' ||
    identity === null ||
    Array.isArray(identity)
  ) {
    throw new TypeError(`not a cursor: ${JSON.stringify(json)}`)
  }
  return {
    split,
    splitNumber,
    nextPosition: BigInt(nextPosition),
    phase,
    identity: identity as JsonObject,
    batchNumber: BigInt(batchNumber),
    sourceTimeMicros: typeof sourceTimeMicros === 'string' ? BigInt(sourceTimeMicros) : null,
  }
}
