/**
 * Before an error ends a pipeline: was it judged by tables that another instance has moved on
 * since?
 */

import type { ErrorKind, SluiceError } from '../model/index.ts'
import { sameCursor } from '../model/index.ts'
import { ownCursors } from './cursors.ts'
import type { Lane } from './lane.ts'
import type { PipelineLog } from './pipeline-log.ts'

/**
 * Errors that old knowledge can cause: a slot that looks moved, a change whose row is not known.
 */
const DOUBTFUL: ReadonlySet<ErrorKind> = new Set(['gap', 'bad-data', 'corrupt', 'bug'])

/** True when a second look at the tables is worth while before the error is believed. */
export function isDoubtful(error: SluiceError): boolean {
  return DOUBTFUL.has(error.kind)
}

/**
 * What another instance has moved since this run read it: the name of a table, `the floor`, or
 * null. `newest` is the pipeline's log as it is now.
 */
export async function movedByAnother(
  lanes: readonly Lane[],
  log: PipelineLog,
  newest: PipelineLog,
): Promise<string | null> {
  for (const lane of lanes) {
    const found = ownCursors(lane.context, await lane.context.table.latest())
    for (const split of new Set([...found.keys(), ...lane.cursors.keys()])) {
      const known = lane.cursors.get(split) ?? null
      if (!sameCursor(found.get(split) ?? null, known)) return lane.context.target.table
    }
  }
  for (const [split, position] of newest.notes.floors) {
    if (log.notes.floors.get(split) !== position) return 'the floor'
  }
  return null
}
