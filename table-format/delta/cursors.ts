/** How cursors stand in the table: one metadata domain and one transaction a split. */

import {
  type Cursor,
  cursorFromJson,
  cursorToJson,
  type JsonObject,
  SluiceError,
} from '../../src/model/index.ts'
import type { Action } from './actions.ts'
import { parsePlainObject } from './json.ts'
import type { TableState } from './state.ts'

const DOMAIN_PREFIX = 'sluice.source.'

/** Domain that holds the cursor of a split. */
export function cursorDomain(pipeline: string, split: string): string {
  return `${DOMAIN_PREFIX}${pipeline}.${split}`
}

/** The stored cursor of a split; null when there is none. */
export function storedCursor(state: TableState, pipeline: string, split: string): Cursor | null {
  const domain = cursorDomain(pipeline, split)
  const text = state.domains.get(domain)
  return text === undefined ? null : parseCursor(domain, text)
}

/** All cursors, ordered by domain. */
export function allCursors(
  state: TableState,
): readonly { readonly pipeline: string; readonly cursor: Cursor }[] {
  return [...state.domains.entries()]
    .filter(([domain]) => domain.startsWith(DOMAIN_PREFIX))
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([domain, text]) => {
      const cursor = parseCursor(domain, text)
      return { pipeline: pipelineOf(domain, cursor.split), cursor }
    })
}

/** Cursors that the actions of one commit store. */
export function cursorsIn(actions: readonly Action[]): readonly Cursor[] {
  return actions.flatMap((action) =>
    action.kind === 'domainMetadata' && !action.removed && action.domain.startsWith(DOMAIN_PREFIX)
      ? [parseCursor(action.domain, action.configuration)]
      : [],
  )
}

/** The two actions that store a cursor. */
export function cursorActions(request: {
  readonly pipeline: string
  readonly cursor: Cursor
  readonly nowMs: number
}): readonly [Action, Action] {
  const { pipeline, cursor, nowMs } = request
  return [
    {
      kind: 'txn',
      appId: `sluice/${pipeline}/${cursor.split}`,
      version: cursor.batchNumber,
      lastUpdatedMs: nowMs,
    },
    {
      kind: 'domainMetadata',
      domain: cursorDomain(pipeline, cursor.split),
      configuration: JSON.stringify(cursorToJson(cursor)),
      removed: false,
    },
  ]
}

function parseCursor(domain: string, text: string): Cursor {
  const json = parsePlainObject(text)
  try {
    const cursor = cursorFromJson(json ?? ({} as JsonObject))
    if (pipelineOf(domain, cursor.split) !== '') return cursor
  } catch (error) {
    throw noCursor(domain, error)
  }
  throw noCursor(domain, null)
}

function noCursor(domain: string, cause: unknown): SluiceError {
  return new SluiceError('SLU-TAB-3001', {
    message: `the metadata domain ${domain} does not hold a cursor`,
    remedy:
      'Restore the log of the table from a backup, or copy the stream into a table of a new ' +
      'name. The rows stay readable.',
    context: { domain },
    ...(cause === null ? {} : { cause }),
  })
}

/**
 * Pipeline and split may both hold dots; the split is known from the cursor. Empty when the domain
 * is not one of that split: under another name the cursor would be of nobody.
 */
function pipelineOf(domain: string, split: string): string {
  if (!domain.endsWith(`.${split}`)) return ''
  return domain.slice(DOMAIN_PREFIX.length, domain.length - split.length - 1)
}
