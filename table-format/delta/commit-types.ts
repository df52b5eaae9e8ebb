/** What the parts of a commit tell each other. */

import type { LiveFile } from './live-file.ts'
import type { RowBitmap } from './row-bitmap.ts'

/** A live file with rows to hide. `rows` is the union of what is hidden and what is to be. */
export interface VectorUpdate {
  readonly file: LiveFile
  readonly rows: RowBitmap
  readonly newRows: number
}

/** Deletes as they apply to a state. */
export interface DeletePlan {
  readonly updates: readonly VectorUpdate[]
  /** Files that lose their last row. */
  readonly emptied: readonly LiveFile[]
  /** Rows hidden or removed that were live. */
  readonly deletedRows: number
}

/** Who commits and when. */
export interface CommitContext {
  readonly txnId: string
  readonly writerName: string
  readonly nowMs: number
  readonly uuid: () => string
  /** Live files from which on a table gets v2 checkpoints. */
  readonly longTableFiles: number
}
