import { expect, test } from 'vitest'
import type { SlotRow } from '../../../../connectors/postgres/catalog.ts'
import { describeClock, describeSlot } from '../../../../connectors/postgres/check-slot.ts'

const GOOD: SlotRow = {
  plugin: 'pgoutput',
  slotType: 'logical',
  database: 'shop',
  activeProcessId: null,
  restartLsn: '0/10',
  confirmedFlushLsn: '0/20',
  walStatus: 'reserved',
  invalidationReason: null,
  safeWalBytes: null,
  isFailover: false,
}
const statusOf = (changes: Partial<SlotRow> | null): string =>
  describeSlot('s', 'shop', changes === null ? null : { ...GOOD, ...changes }).status

test('finds nothing wrong with a slot that is not there or can go on', () => {
  expect(statusOf(null)).toBe('ok')
  expect(statusOf({})).toBe('ok')
  expect(statusOf({ walStatus: 'extended', activeProcessId: 7 })).toBe('ok')
})

test('warns of a slot whose WAL is about to go', () => {
  expect(statusOf({ walStatus: 'unreserved' })).toBe('warn')
})

test('fails a slot that is lost, whatever the server tells of it', () => {
  expect(statusOf({ walStatus: 'lost' })).toBe('fail')
  expect(statusOf({ walStatus: null, invalidationReason: 'idle_timeout' })).toBe('fail')
})

test('fails a slot of another kind', () => {
  expect(statusOf({ slotType: 'physical', plugin: null, database: null })).toBe('fail')
  expect(statusOf({ plugin: 'wal2json' })).toBe('fail')
  expect(statusOf({ database: 'other' })).toBe('fail')
})

test('takes for a difference of clocks what the round trip does not explain', () => {
  expect(describeClock(1500, 10).status).toBe('ok')
  expect(describeClock(-2900, 2000).status).toBe('ok')
  expect(describeClock(60_000, 10)).toMatchObject({
    status: 'warn',
    seen: expect.stringContaining('behind Postgres'),
  })
  expect(describeClock(-60_000, 10).seen).toContain('ahead of Postgres')
})
