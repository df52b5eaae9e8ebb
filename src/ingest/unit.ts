/** A unit of work: what one batch does to one table, on its way from landed bytes to a commit. */

import type { CopyProgress } from '../contracts/index.ts'
import type { LandedSegment } from '../decode/index.ts'
import type {
  Accounting,
  Cursor,
  JsonObject,
  RowDeletes,
  StagedFile,
  TableSchema,
} from '../model/index.ts'

/** What a batch says about itself to each of its tables. */
export interface BatchHeader {
  /** Counts batches of this run, from 0. */
  readonly number: bigint
  readonly split: string
  readonly splitNumber: number
  readonly nextPosition: bigint
  readonly identity: JsonObject
  readonly sourceTimeMicros: bigint | null
  /**
   * Set when the batch holds rows of an initial copy: its first block's `first`, its last block's
   * `complete`.
   */
  readonly copy: CopyProgress | null
}

/** One table's share of a batch, planned: cursors and schema are decided in batch order. */
export interface Unit {
  readonly header: BatchHeader
  readonly segments: readonly LandedSegment[]
  readonly recordCount: number
  readonly from: Cursor | null
  readonly to: Cursor
  /** The schema this unit writes with. */
  readonly schema: TableSchema
  readonly schemaChanged: boolean
  /** Milliseconds per step so far. */
  readonly timingsMs: Record<string, number>
}

/** A unit whose files are staged: ready to commit. */
export interface StagedUnit {
  readonly unit: Unit
  readonly add: readonly StagedFile[]
  readonly deletes: readonly RowDeletes[]
  readonly removeAllFiles: boolean
  readonly accounting: Accounting
  readonly details: JsonObject
}

/** Sums the records of segments. */
export function countRecords(segments: readonly LandedSegment[]): number {
  return segments.reduce((sum, segment) => sum + segment.recordCount, 0)
}
