/** Cursors in JSON documents. */

import type { Cursor } from '../../model/index.ts'
import { timeJson } from '../format.ts'

/** What people and scripts need of a cursor; positions are text, since they are 64-bit. */
export function cursorJson(cursor: Cursor): object {
  return {
    split: cursor.split,
    phase: cursor.phase,
    nextPosition: cursor.nextPosition,
    batchNumber: cursor.batchNumber,
    sourceTime: timeJson(cursor.sourceTimeMicros),
    identity: cursor.identity,
  }
}
