/**
 * Whose slot it is and whether it still holds every change: decided here, purely, before anything
 * is read.
 */

import {
  type Cursor,
  type JsonObject,
  SluiceError,
  type SourcePosition,
} from '../../src/model/index.ts'
import type { SlotRow } from './catalog.ts'
import { formatLsn, parseLsn } from './lsn.ts'

/** Which server the slot lives on. */
export interface ServerIdentity {
  readonly systemIdentifier: string
  readonly timeline: number
}

/** Everything the decision rests on. */
export interface SlotFacts {
  readonly slot: string
  readonly database: string
  readonly server: ServerIdentity
  /** Where the server's log ends. */
  readonly endPosition: SourcePosition
  /** Former timeline → where the server left it; needed when an identity names another timeline. */
  readonly departures: ReadonlyMap<number, SourcePosition>
  /** The note in the pipeline's memory. */
  readonly note: JsonObject | null
  readonly found: SlotRow | null
  readonly cursors: readonly Cursor[]
}

/**
 * What to do with the slot. `create`: no table depends on it; `replace`: drop the useless one
 * first.
 */
export type SlotPlan =
  | { readonly kind: 'create' }
  | { readonly kind: 'replace' }
  | { readonly kind: 'use'; readonly confirmedPosition: SourcePosition }

/**
 * Decides. Throws SLU-SRC-1210 (foreign slot), 1211 (slot lost), 1212 (slot moved), 1213 (another
 * server), 1214 (another history).
 */
export function planSlot(facts: SlotFacts): SlotPlan {
  const { slot, found, cursors } = facts
  const streaming = cursors.filter((cursor) => cursor.phase === 'stream')
  const identities = [facts.note, ...cursors.map((cursor) => cursor.identity)]
  if (streaming.length > 0) requireSameServer(facts, identities)
  for (const cursor of streaming) requireSameHistory(facts, cursor)
  const resumePosition = smallest(streaming)
  if (found === null) {
    if (resumePosition === null) return { kind: 'create' }
    throw lost(facts, resumePosition, 'does not exist any more', HOW_TO_KEEP)
  }
  const isOurs = identities.some(
    (identity) =>
      identity?.slot === slot && identity.systemIdentifier === facts.server.systemIdentifier,
  )
  requireOwnSlot(facts, found, isOurs, resumePosition)
  const { confirmedFlushLsn } = found
  if (isDead(found) || confirmedFlushLsn === null) {
    if (resumePosition === null) return { kind: 'replace' }
    const { how, prevention } = invalidation(found)
    throw lost(facts, resumePosition, how, prevention)
  }
  const confirmedPosition = parseLsn(confirmedFlushLsn)
  // While somebody reads the slot it moves on by itself; it is judged when it is ours.
  if (resumePosition !== null && found.activeProcessId === null) {
    requireNotMoved(slot, confirmedPosition, resumePosition)
  }
  return { kind: 'use', confirmedPosition }
}

/** True when the server will not decode from the slot any more. */
export function isDead(found: SlotRow): boolean {
  return (
    found.walStatus === 'lost' || found.restartLsn === null || found.invalidationReason !== null
  )
}

/**
 * Postgres silently goes on from the confirmed position when it is asked for an earlier one, so
 * this is checked again once the slot is ours. Throws SLU-SRC-1212.
 */
export function requireNotMoved(
  slot: string,
  confirmedPosition: SourcePosition,
  resumePosition: SourcePosition,
): void {
  if (confirmedPosition <= resumePosition) return
  const confirmedLsn = formatLsn(confirmedPosition)
  const resumeLsn = formatLsn(resumePosition)
  throw new SluiceError('SLU-SRC-1212', {
    message:
      `slot ${slot} stands at ${confirmedLsn}, the tables at ${resumeLsn}: somebody read it, ` +
      'moved it, or made it anew',
    context: { slot, confirmedLsn, resumeLsn },
    remedy:
      `Lost to the tables: the changes from ${resumeLsn} to ${confirmedLsn}. Find the other ` +
      'reader (SELECT application_name, client_addr FROM pg_stat_replication;) and stop it. Then ' +
      COPY_AGAIN,
  })
}

/**
 * Where each former timeline was left, from the server's history file. One line a timeline: its
 * number, the position, the reason, separated by TAB. Source: PostgreSQL 18, TIMELINE_HISTORY.
 */
export function parseTimelineHistory(content: string): ReadonlyMap<number, SourcePosition> {
  const departures = new Map<number, SourcePosition>()
  for (const line of content.split('\n')) {
    const [timeline, lsn] = line.split('\t')
    if (lsn === undefined || timeline === undefined || line.startsWith('#')) continue
    departures.set(Number(timeline), parseLsn(lsn))
  }
  return departures
}

/** The note and the identity stored in every cursor. */
export function slotIdentity(slot: string, server: ServerIdentity): JsonObject {
  return { slot, systemIdentifier: server.systemIdentifier, timeline: server.timeline }
}

const COPY_AGAIN =
  'copy the tables again in place: sluice run --on-slot-lost resync. Until then they stay ' +
  'readable as they are.'

const HOW_TO_KEEP = 'Do not drop the slot while the pipeline is to go on.'

/** What `invalidation_reason` means, and what keeps it from happening again. */
const INVALIDATIONS: Readonly<Record<string, { how: string; prevention: string }>> = {
  wal_removed: {
    how: 'was invalidated: Postgres removed WAL that it needed (max_slot_wal_keep_size)',
    prevention:
      "Raise the limit: ALTER SYSTEM SET max_slot_wal_keep_size = '…GB'; SELECT " +
      'pg_reload_conf(); and let no outage of the pipeline outlast it.',
  },
  idle_timeout: {
    how: 'was invalidated: nobody read it for idle_replication_slot_timeout',
    prevention:
      "Raise or switch it off: ALTER SYSTEM SET idle_replication_slot_timeout = '0'; SELECT " +
      'pg_reload_conf();',
  },
  wal_level_insufficient: {
    how: 'was invalidated: wal_level was lowered',
    prevention: "Keep it: ALTER SYSTEM SET wal_level = 'logical'; and restart Postgres.",
  },
  rows_removed: {
    how: 'was invalidated: Postgres removed rows of its catalogue that it needed',
    prevention: 'Read from the primary.',
  },
}

/** Before version 17 no reason is given, and WAL that was removed is the only one on a primary. */
function invalidation(found: SlotRow): { how: string; prevention: string } {
  const reason = found.invalidationReason ?? 'wal_removed'
  return INVALIDATIONS[reason] ?? { how: `was invalidated: ${reason}`, prevention: HOW_TO_KEEP }
}

function requireSameServer(facts: SlotFacts, identities: readonly (JsonObject | null)[]): void {
  const { server, slot } = facts
  for (const identity of identities) {
    const systemIdentifier = identity?.systemIdentifier
    if (typeof systemIdentifier !== 'string') continue
    if (systemIdentifier === server.systemIdentifier) continue
    throw new SluiceError('SLU-SRC-1213', {
      message:
        `the tables were copied from server ${systemIdentifier}, this one is ` +
        `${server.systemIdentifier}`,
      context: { slot, expected: systemIdentifier, found: server.systemIdentifier },
    })
  }
}

/**
 * What the tables hold must be part of the server's log. A server on another timeline shares the
 * log of the one before up to where it left it: tables that end before go on, the others hold
 * changes that this server never had. The note tells which timeline the tables followed last: the
 * cursor of an idle table may be older.
 */
function requireSameHistory(facts: SlotFacts, { nextPosition, identity }: Cursor): void {
  const { server, note, departures } = facts
  const timeline = Math.max(Number(identity.timeline ?? 0), Number(note?.timeline ?? 0))
  const isCurrent = timeline === 0 || timeline === server.timeline
  const sharedEnd = isCurrent ? facts.endPosition : departures.get(timeline)
  if (sharedEnd !== undefined && nextPosition <= sharedEnd) return
  const tables = `the tables hold changes up to ${formatLsn(nextPosition)}`
  const end = sharedEnd === undefined ? '' : formatLsn(sharedEnd)
  const where = isCurrent
    ? `the log of the server ends at ${end}`
    : sharedEnd === undefined
      ? `timeline ${timeline} is not in the history of the server`
      : `the server left timeline ${timeline} at ${end}`
  throw new SluiceError('SLU-SRC-1214', {
    message: `${where}, ${tables}`,
    context: { slot: facts.slot, timeline: server.timeline },
    remedy:
      'The server was restored or failed over without these changes. Point the url at the right ' +
      'server; or, when this is the one, compare (sluice verify TABLE) and copy again in place: ' +
      'sluice resync TABLE.',
  })
}

function requireOwnSlot(
  { slot, database }: SlotFacts,
  found: SlotRow,
  isOurs: boolean,
  resumePosition: SourcePosition | null,
): void {
  const fits =
    found.slotType === 'logical' && found.plugin === 'pgoutput' && found.database === database
  if (isOurs && fits) return
  const made = found.slotType === 'logical' ? `plugin ${found.plugin}` : 'physical'
  const stake =
    resumePosition === null
      ? 'Nothing was read and nothing is lost.'
      : `The own slot is gone: changes from ${formatLsn(resumePosition)} on are missing, the ` +
        'tables stay readable; with a free name run: sluice run --on-slot-lost resync.'
  throw new SluiceError('SLU-SRC-1210', {
    message: fits
      ? `slot ${slot} exists, and this pipeline has no record of having made it`
      : `slot ${slot} is of another kind: ${made}, database ${found.database ?? 'none'}`,
    context: { slot },
    remedy:
      `${stake} Give the source another slot name (slot: …), or, when nobody reads it: SELECT ` +
      `pg_drop_replication_slot('${slot}');`,
  })
}

function lost(
  { slot }: SlotFacts,
  resumePosition: SourcePosition,
  how: string,
  prevention: string,
): SluiceError {
  const resumeLsn = formatLsn(resumePosition)
  return new SluiceError('SLU-SRC-1211', {
    message: `slot ${slot} ${how}; the tables end at ${resumeLsn}`,
    context: { slot, resumeLsn },
    remedy: `Changes from ${resumeLsn} on cannot be read any more: ${COPY_AGAIN} ${prevention}`,
  })
}

function smallest(cursors: readonly Cursor[]): SourcePosition | null {
  let found: SourcePosition | null = null
  for (const { nextPosition } of cursors) {
    if (found === null || nextPosition < found) found = nextPosition
  }
  return found
}
