/** A unit of work: what one batch does to one table, on its way from landed bytes to a commit. */

import type { CopyProgress, CursorMove } from '../contracts/index.ts'
import { CHANGE_SPLIT, type LandedSegment } from '../decode/index.ts'
import {
  type Accounting,
  assert,
  type JsonObject,
  type RejectCode,
  type RowDeletes,
  type SchemaChange,
  type SourceColumn,
  type SplitId,
  type StagedFile,
  type TableSchema,
} from '../model/index.ts'

/** Where a split stands at the end of a batch. */
export interface SplitEnd {
  readonly splitNumber: number
  readonly nextPosition: bigint
  readonly identity: JsonObject
  readonly sourceTimeMicros: bigint | null
}

/** What a batch says about itself to each of its tables. */
export interface BatchHeader {
  /** Counts batches of this run, from 0. */
  readonly number: bigint
  /** Those that the batch is about; one at least. */
  readonly splits: ReadonlyMap<SplitId, SplitEnd>
  /**
   * Set when the batch holds rows of an initial copy: its first block's `first`, its last block's
   * `complete`.
   */
  readonly copy: CopyProgress | null
  /** False when more parts of the same commit follow: a transaction larger than one batch. */
  readonly endsCommit: boolean
}

/** Field id → column of the stream whose `initial` is the value of rows from before it. */
export type Initials = ReadonlyMap<number, SourceColumn>

/** A landed segment with the places of the table's columns in it: field id → place. */
export interface PlacedSegment extends LandedSegment {
  readonly places: ReadonlyMap<number, number>
  /** Of columns that come after the segment, in the same unit. */
  readonly initials: Initials
}

/** One table's share of a batch or of a part; cursors and schema are decided in batch order. */
export interface Unit {
  readonly header: BatchHeader
  readonly segments: readonly PlacedSegment[]
  readonly recordCount: number
  /** One for each split of the header. */
  readonly moves: readonly CursorMove[]
  /**
   * True when the table is not complete before this unit: rows may be missing that changes are
   * about, and the copy may bring rows that are there.
   */
  readonly isCopying: boolean
  /** Rows of a copy, and something may be known of their keys. */
  readonly meetsRows: boolean
  /** The schema this unit writes with. */
  readonly schema: TableSchema
  readonly schemaChanged: boolean
  /** True for the unit that only writes the rows there are in the types of its schema. */
  readonly rewrites: boolean
  /** Of the columns that are new in it, or in an earlier part of its commit. */
  readonly initials: Initials
  /** What the policies made of changes of the stream; stored in the commit. */
  readonly schemaChanges: readonly SchemaChange[]
  /** Milliseconds per step so far. */
  readonly timingsMs: Record<string, number>
}

/** Records of a unit that were passed over. */
export interface StagedRejects {
  readonly count: number
  /** How many of each code. */
  readonly counts: readonly (readonly [RejectCode, number])[]
  /** Their files in the dead-letter table; none where the policy is to skip them. */
  readonly files: readonly StagedFile[]
}

/** A unit whose files are staged: ready to commit, or to be joined with the parts that follow. */
export interface StagedUnit {
  readonly unit: Unit
  readonly add: readonly StagedFile[]
  readonly deletes: readonly RowDeletes[]
  readonly removeAllFiles: boolean
  readonly accounting: Accounting
  /** Paths of the objects that remember its deletes. */
  readonly tombstones: readonly string[]
  /** Null when every record could be decoded. */
  readonly rejects: StagedRejects | null
}

/** The accounting of nothing. */
export const NO_RECORDS: Accounting = {
  read: 0,
  applied: 0,
  superseded: 0,
  filtered: 0,
  late: 0,
  rejected: 0,
  inserted: 0,
  updated: 0,
  deleted: 0,
}

/** What staging makes of a unit without records: the end of a commit whose parts came before. */
export function emptyStagedUnit(unit: Unit): StagedUnit {
  return {
    unit,
    add: [],
    deletes: [],
    removeAllFiles: false,
    accounting: NO_RECORDS,
    tombstones: [],
    rejects: null,
  }
}

/** Sums the records of segments. */
export function countRecords(segments: readonly LandedSegment[]): number {
  return segments.reduce((sum, segment) => sum + segment.recordCount, 0)
}

/** The positions that a unit begins with and those before which it ends, for messages. */
export function rangeText({ segments, header }: Pick<Unit, 'segments' | 'header'>): string {
  const first = segments[0]?.firstPosition
  const all = [...header.splits]
  const [only, ...others] = all
  const ends =
    others.length === 0
      ? [only?.[1].nextPosition]
      : all.slice(0, ENDS_SHOWN_MAX).map(([split, end]) => `${end.nextPosition} of ${split}`)
  return `${first ?? 'the cursor'} and ${ends.join(', ')}`
}

const ENDS_SHOWN_MAX = 3

/** The split of each row of a unit's change relation. */
export function splitSql(unit: Unit): string {
  return String(onlySplitNumber(unit) ?? CHANGE_SPLIT)
}

/**
 * The number of the split that all records of a unit come from; null when their marks tell, record
 * by record.
 */
export function onlySplitNumber({ header, segments }: Unit): number | null {
  if (segments.some(({ marks }) => marks !== undefined)) return null
  const [end, ...others] = header.splits.values()
  assert(end !== undefined && others.length === 0, 'SLU-BUG-9001', 'records of an unknown split')
  return end.splitNumber
}
