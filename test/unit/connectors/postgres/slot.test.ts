import { describe, expect, it } from 'vitest'
import type { SlotRow } from '../../../../connectors/postgres/catalog.ts'
import {
  parseTimelineHistory,
  planSlot,
  type SlotFacts,
  slotIdentity,
} from '../../../../connectors/postgres/slot.ts'
import type { Cursor } from '../../../../src/model/index.ts'

const server = { systemIdentifier: '71', timeline: 1 }
const identity = slotIdentity('s', server)
const row: SlotRow = {
  plugin: 'pgoutput',
  slotType: 'logical',
  database: 'shop',
  activeProcessId: null,
  restartLsn: '0/100',
  confirmedFlushLsn: '0/200',
  walStatus: 'reserved',
  invalidationReason: null,
  safeWalBytes: null,
  isFailover: false,
}
const cursor = (nextPosition: bigint, phase: Cursor['phase'] = 'stream'): Cursor => ({
  split: 'slot',
  splitNumber: 0,
  nextPosition,
  phase,
  identity,
  batchNumber: 1n,
  sourceTimeMicros: null,
})
const facts = (more: Partial<SlotFacts>): SlotFacts => ({
  slot: 's',
  database: 'shop',
  server,
  endPosition: 0x1000n,
  departures: new Map(),
  note: identity,
  found: row,
  cursors: [],
  ...more,
})
const codeOf = (more: Partial<SlotFacts>): string => {
  try {
    return planSlot(facts(more)).kind
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('the decision about a slot', () => {
  it('makes a slot when nothing depends on one yet', () => {
    expect(codeOf({ note: null, found: null })).toBe('create')
    expect(codeOf({ found: null, cursors: [cursor(5n, 'copy')] })).toBe('create')
  })

  it('uses its own slot, known by the note or by a cursor', () => {
    expect(planSlot(facts({ cursors: [cursor(0x200n)] }))).toEqual({
      kind: 'use',
      confirmedPosition: 0x200n,
    })
    expect(codeOf({ note: null, cursors: [cursor(0x200n)] })).toBe('use')
  })

  it('stops when the slot is gone or dead and a table depends on it', () => {
    expect(codeOf({ found: null, cursors: [cursor(0x200n)] })).toBe('SLU-SRC-1211')
    const dead = { ...row, walStatus: 'lost' }
    expect(codeOf({ found: dead, cursors: [cursor(0x200n)] })).toBe('SLU-SRC-1211')
    expect(codeOf({ found: { ...row, restartLsn: null }, cursors: [cursor(0x200n)] })).toBe(
      'SLU-SRC-1211',
    )
  })

  it('replaces its own dead slot while every table is still to be copied', () => {
    expect(codeOf({ found: { ...row, walStatus: 'lost' } })).toBe('replace')
  })

  it('does not touch a slot that it did not make or that is of another kind', () => {
    expect(codeOf({ note: null })).toBe('SLU-SRC-1210')
    expect(codeOf({ note: { ...identity, slot: 'other' } })).toBe('SLU-SRC-1210')
    expect(codeOf({ found: { ...row, plugin: 'test_decoding' } })).toBe('SLU-SRC-1210')
    expect(codeOf({ found: { ...row, database: 'other' } })).toBe('SLU-SRC-1210')
    expect(codeOf({ found: { ...row, slotType: 'physical', plugin: null } })).toBe('SLU-SRC-1210')
  })

  it('stops when somebody moved the slot past the smallest cursor', () => {
    expect(codeOf({ cursors: [cursor(0x300n), cursor(0x1ffn)] })).toBe('SLU-SRC-1212')
    expect(codeOf({ cursors: [cursor(0x300n), cursor(0x1ffn, 'copy')] })).toBe('use')
  })

  it('does not judge a slot that moves on because somebody is reading it', () => {
    const found = { ...row, activeProcessId: 4711 }
    expect(codeOf({ found, cursors: [cursor(0x1ffn)] })).toBe('use')
  })

  it('says why the slot was invalidated and what keeps it from happening again', () => {
    const errorOf = (invalidationReason: string | null): { message: string; remedy: string } => {
      const found = { ...row, walStatus: 'lost', restartLsn: null, invalidationReason }
      try {
        planSlot(facts({ found, cursors: [cursor(0x200n)] }))
      } catch (error) {
        return error as { message: string; remedy: string }
      }
      throw new Error('nothing was thrown')
    }
    expect(errorOf('idle_timeout').remedy).toContain('SET idle_replication_slot_timeout')
    expect(errorOf('wal_removed').remedy).toContain('SET max_slot_wal_keep_size')
    expect(errorOf(null).message).toContain('max_slot_wal_keep_size')
    expect(errorOf('something_new').message).toContain('something_new')
    expect(errorOf('idle_timeout').remedy).toContain('--on-slot-lost resync')
  })

  it('stops on another server', () => {
    const cursors = [cursor(0x200n)]
    expect(codeOf({ cursors, server: { ...server, systemIdentifier: '72' } })).toBe('SLU-SRC-1213')
  })

  it('follows a server to a new timeline only when it has all that the tables hold', () => {
    const onSecond = { ...server, timeline: 2 }
    const departures = parseTimelineHistory('1\t0/200\tno recovery target specified\n\n')
    const at = (position: bigint, more: Partial<SlotFacts> = {}): string =>
      codeOf({ cursors: [cursor(position)], server: onSecond, departures, ...more })
    expect(at(0x200n)).toBe('use')
    expect(at(0x201n)).toBe('SLU-SRC-1214')
    expect(at(0x200n, { departures: new Map() })).toBe('SLU-SRC-1214')
    expect(at(0x200n, { server: { ...server, timeline: 3 } })).toBe('use')
  })

  it('believes the note, not the old cursor of an idle table, about the last timeline', () => {
    const note = { ...identity, timeline: 2 }
    const departures = parseTimelineHistory('1\t0/200\tx\n2\t0/400\tx\n')
    const at = (position: bigint, timeline: number): string =>
      codeOf({ cursors: [cursor(position)], note, server: { ...server, timeline }, departures })
    expect(at(0x300n, 2)).toBe('use')
    expect(at(0x300n, 3)).toBe('use')
    expect(at(0x401n, 3)).toBe('SLU-SRC-1214')
    expect(codeOf({ cursors: [cursor(0x300n)], note })).toBe('SLU-SRC-1214')
  })

  it('stops when the log of the server ends before the tables do', () => {
    expect(codeOf({ cursors: [cursor(0x1000n)] })).toBe('use')
    expect(codeOf({ cursors: [cursor(0x1001n)] })).toBe('SLU-SRC-1214')
  })
})
