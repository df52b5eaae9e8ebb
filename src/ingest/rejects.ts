/** What is known of rejected records, and where they go: types. */

import type { Session } from '../engine/index.ts'
import type { RejectCode, StagedFile } from '../model/index.ts'
import type { PlacedSegment, StagedRejects, Unit } from './unit.ts'

/**
 * Temp table of the session with a row a rejected record: `segment`, `row`, `code`, `column_name`,
 * `value`.
 */
export const REJECTED_TABLE = 'rejected'

/** The rejected records of a unit. `REJECTED_TABLE` of the session says more of each. */
export interface Isolation {
  readonly count: number
  /** How many of each code. */
  readonly counts: readonly (readonly [RejectCode, number])[]
  /** What is wrong with the first of them, for people. */
  readonly example: RejectedRecord
  /** Segments in the place of the unit's, which pass over the rejected records. */
  readonly segments: readonly PlacedSegment[]
  /**
   * SELECT of the records themselves: `segment`, `row`, `file` and `line` where they stand, `raw`.
   */
  readonly recordsSql: string
}

/** One rejected record. */
export interface RejectedRecord {
  readonly position: bigint
  /** `orders.ndjson:17`; null when the source has no files. */
  readonly place: string | null
  readonly code: RejectCode
  readonly column: string | null
  /** The value as it may be shown; null when the whole record is at fault. */
  readonly value: string | null
}

/** The rejected records of one table. */
export interface DeadLetters extends AsyncDisposable {
  /** Writes the records that `REJECTED_TABLE` tells of; nobody sees them before `commit`. */
  stage(request: DeadLetterStage): Promise<readonly StagedFile[]>
  /**
   * Commits what was staged for a unit, before the unit itself. Throws SLU-ING-4001 when another
   * instance did so meanwhile.
   */
  commit(unit: Unit, rejects: StagedRejects): Promise<void>
}

/** What to stage. */
export interface DeadLetterStage {
  readonly session: Session
  readonly unit: Unit
  readonly isolation: Isolation
  /** Spool folder for the file. */
  readonly folder: string
  readonly compressionLevel: number
}
