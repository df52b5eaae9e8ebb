/** A fresh copy of a table that has one: its cursor says that its copy is not complete. */

import type { Snapshot, Table } from '../contracts/index.ts'
import { type Cursor, type JsonObject, SluiceError } from '../model/index.ts'

/** Of a copy: who made it and how far it was. A fresh one begins without. */
const COPY_KEYS: ReadonlySet<string> = new Set(['copyAttempt', 'copied'])

/** The cursor of a table that is to be copied again; the rows stay until the copy replaces them. */
export function recopyCursor(cursor: Cursor): Cursor {
  const entries = Object.entries(cursor.identity).filter(([key]) => !COPY_KEYS.has(key))
  const identity: JsonObject = Object.fromEntries(entries)
  return { ...cursor, phase: 'copy', identity, batchNumber: cursor.batchNumber + 1n }
}

/** True when the table holds a whole copy that a fresh one shall replace. */
export function isCopyRequested(cursor: Cursor | null): boolean {
  return cursor?.phase === 'copy' && cursor.identity.copyAttempt === undefined
}

/** True when `found` is what somebody made of `expected` to have the table copied again. */
export function isCopyRequest(expected: Cursor | null, found: Cursor | null): boolean {
  return (
    isCopyRequested(found) &&
    found?.batchNumber === (expected?.batchNumber ?? 0n) + 1n &&
    found.nextPosition === expected?.nextPosition
  )
}

/**
 * Stores the request in the table: one commit without data. Returns the snapshot that holds it.
 * Throws SLU-ING-4007 when the pipeline committed meanwhile.
 */
export async function requestCopy(request: {
  readonly table: Table
  readonly pipeline: string
  readonly base: Snapshot
  readonly cursor: Cursor
}): Promise<Snapshot> {
  const { table, pipeline, base, cursor } = request
  const outcome = await table.commit({
    base,
    operation: 'copy',
    pipeline,
    cursors: [{ from: cursor, to: recopyCursor(cursor) }],
    add: [],
    deletes: [],
    removeAllFiles: false,
    schema: null,
    accounting: null,
    stepTimingsMs: {},
    details: { resync: 'requested' },
  })
  if (outcome.kind === 'committed') return outcome.snapshot
  throw new SluiceError('SLU-ING-4007', {
    message: `the pipeline committed to ${table.root} at the same moment`,
    remedy: 'Run the command again. Nothing was changed.',
    context: { root: table.root, pipeline },
  })
}
