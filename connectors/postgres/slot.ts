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
 * server), 1214 (another timeline).
 */
export function planSlot(facts: SlotFacts): SlotPlan {
  const { slot, found, cursors } = facts
  const streaming = cursors.filter((cursor) => cursor.phase === 'stream')
  const identities = [facts.note, ...cursors.map((cursor) => cursor.identity)]
  if (streaming.length > 0) requireSameServer(facts, identities)
  if (found === null) {
    if (streaming.length === 0) return { kind: 'create' }
    throw lost(facts, streaming, 'does not exist any more')
  }
  const isOurs = identities.some(
    (identity) =>
      identity?.slot === slot && identity.systemIdentifier === facts.server.systemIdentifier,
  )
  requireOwnSlot(facts, found, isOurs)
  const isDead = found.walStatus === 'lost' || found.restartLsn === null
  if (isDead || found.confirmedFlushLsn === null) {
    if (streaming.length === 0) return { kind: 'replace' }
    throw lost(facts, streaming, 'was invalidated by the server')
  }
  const confirmedPosition = parseLsn(found.confirmedFlushLsn)
  const resumePosition = smallest(streaming)
  // While somebody reads the slot it moves on by itself; it is judged when it is ours.
  if (resumePosition !== null && found.activeProcessId === null) {
    requireNotMoved(slot, confirmedPosition, resumePosition)
  }
  return { kind: 'use', confirmedPosition }
}

/**
 * Postgres silently goes on from the confirmed position when it is asked for an earlier one, so
 * this
 * is checked again once the slot is ours. Throws SLU-SRC-1212.
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
    message: `slot ${slot} stands at ${confirmedLsn}, the tables at ${resumeLsn}`,
    context: { slot, confirmedLsn, resumeLsn },
    remedy:
      'Another reader used the slot. Find it (application_name in pg_stat_replication) and stop ' +
      `it. ${copyAgain(slot)}`,
  })
}

/** The note and the identity stored in every cursor. */
export function slotIdentity(slot: string, server: ServerIdentity): JsonObject {
  return { slot, systemIdentifier: server.systemIdentifier, timeline: server.timeline }
}

function requireSameServer(facts: SlotFacts, identities: readonly (JsonObject | null)[]): void {
  const { server, slot } = facts
  for (const identity of identities) {
    const systemIdentifier = identity?.systemIdentifier
    if (typeof systemIdentifier !== 'string') continue
    if (systemIdentifier !== server.systemIdentifier) {
      throw new SluiceError('SLU-SRC-1213', {
        message:
          `the tables were copied from server ${systemIdentifier}, this one is ` +
          `${server.systemIdentifier}`,
        context: { slot, expected: systemIdentifier, found: server.systemIdentifier },
      })
    }
    if (identity?.timeline !== server.timeline) {
      throw new SluiceError('SLU-SRC-1214', {
        message:
          `the tables follow timeline ${String(identity?.timeline)}, the server is on ` +
          `${server.timeline}`,
        context: { slot, expected: String(identity?.timeline), found: server.timeline },
        remedy: `Compare first: sluice verify. ${copyAgain(slot)}`,
      })
    }
  }
}

function requireOwnSlot(facts: SlotFacts, found: SlotRow, isOurs: boolean): void {
  const { slot, database } = facts
  const fits =
    found.slotType === 'logical' && found.plugin === 'pgoutput' && found.database === database
  if (isOurs && fits) return
  const made = found.slotType === 'logical' ? `plugin ${found.plugin}` : 'physical'
  throw new SluiceError('SLU-SRC-1210', {
    message: fits
      ? `slot ${slot} exists, and this pipeline has no record of having made it`
      : `slot ${slot} is of another kind: ${made}, database ${found.database ?? 'none'}`,
    context: { slot },
    remedy:
      'Give the source another slot name (slot: …), or, when nobody reads it: SELECT ' +
      `pg_drop_replication_slot('${slot}');`,
  })
}

function lost(facts: SlotFacts, streaming: readonly Cursor[], how: string): SluiceError {
  const resumePosition = smallest(streaming)
  return new SluiceError('SLU-SRC-1211', {
    message: `slot ${facts.slot} ${how}; the tables end at ${formatLsn(resumePosition ?? 0n)}`,
    context: { slot: facts.slot, resumeLsn: formatLsn(resumePosition ?? 0n) },
    remedy:
      `Changes since then cannot be read any more. ${copyAgain(facts.slot)} To prevent ` +
      'it: raise max_slot_wal_keep_size, and do not drop the slot.',
  })
}

function copyAgain(slot: string): string {
  return (
    'The tables must be copied again: drop the slot if it exists (SELECT ' +
    `pg_drop_replication_slot('${slot}');) and start a pipeline of a new name. The old ` +
    'tables stay readable.'
  )
}

function smallest(cursors: readonly Cursor[]): SourcePosition | null {
  let found: SourcePosition | null = null
  for (const { nextPosition } of cursors) {
    if (found === null || nextPosition < found) found = nextPosition
  }
  return found
}
