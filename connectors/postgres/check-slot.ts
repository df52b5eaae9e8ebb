/** What `sluice check` says of the slot of a pipeline, of what threatens it, and of the clock. */

import type { Clock, SourceCheck } from '../../src/contracts/index.ts'
import { formatDurationMs } from '../../src/model/index.ts'
import type { SlotRow } from './catalog.ts'
import type { Connection } from './connection.ts'

/** How far apart two clocks may be before lags in time say something else. */
const CLOCK_SKEW_MAX_MS = 2000

/** Pure: is the slot there, ours to read, and able to go on? */
export function describeSlot(name: string, database: string, slot: SlotRow | null): SourceCheck {
  const check = (status: SourceCheck['status'], seen: string, remedy = ''): SourceCheck => ({
    ...{ name: 'replication slot', status, seen: `${name} ${seen}`, remedy },
  })
  if (slot === null) return check('ok', 'is not there: it is made when no table depends on it')
  const isFit =
    slot.slotType === 'logical' && slot.plugin === 'pgoutput' && slot.database === database
  if (!isFit) {
    const plugin = slot.plugin === null ? '' : ` of ${slot.plugin}`
    const seen = `is a ${slot.slotType} slot${plugin}, database ${slot.database ?? 'none'}`
    const remedy = `Name another slot in the source (slot: …), or drop it when nobody reads it.`
    return check('fail', seen, remedy)
  }
  const { walStatus, invalidationReason } = slot
  if (invalidationReason !== null || walStatus === 'lost') {
    const why = invalidationReason ?? 'its WAL was removed'
    const remedy = 'Copy again in place: sluice run --on-slot-lost resync'
    return check('fail', `was invalidated: ${why}`, remedy)
  }
  const reader = slot.activeProcessId === null ? 'idle' : `read by process ${slot.activeProcessId}`
  const where = `exists at ${slot.confirmedFlushLsn ?? 'no position'}, ${reader}`
  if (walStatus !== 'unreserved') return check('ok', where)
  const seen = `${where}; its WAL goes with the next checkpoint of Postgres`
  return check('warn', seen, 'Start the pipeline now: sluice run')
}

/** Since version 18 Postgres may invalidate a slot that nobody reads. */
export async function checkIdleLimit(connection: Connection): Promise<readonly SourceCheck[]> {
  const rows = await connection.query<{ limit: string }>(
    `SELECT current_setting('idle_replication_slot_timeout') AS limit
    FROM pg_catalog.pg_settings
    WHERE name = 'idle_replication_slot_timeout' AND setting <> '0'`,
  )
  return rows.map(({ limit }) => ({
    name: 'idle limit of slots',
    status: 'warn',
    seen: `idle_replication_slot_timeout is ${limit}: a pipeline that stands longer loses its slot`,
    remedy:
      "Switch it off: ALTER SYSTEM SET idle_replication_slot_timeout = '0'; SELECT " +
      'pg_reload_conf(); or let no stop last longer.',
  }))
}

/** Lags in time are the difference of two clocks. */
export async function checkClock(connection: Connection, clock: Clock): Promise<SourceCheck> {
  const before = clock.nowMs()
  const rows = await connection.query<{ ms: number }>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
  )
  const after = clock.nowMs()
  return describeClock(rows[0]!.ms - (before + after) / 2, after - before)
}

/** Pure: positive when the server's clock is ahead; half of the round trip cannot be told. */
export function describeClock(skewMs: number, roundTripMs: number): SourceCheck {
  const name = 'clock'
  const sureMs = Math.abs(skewMs) - roundTripMs / 2
  if (sureMs <= CLOCK_SKEW_MAX_MS) {
    return { name, status: 'ok', seen: 'agrees with the one of Postgres', remedy: '' }
  }
  const way = skewMs > 0 ? 'behind' : 'ahead of'
  return {
    name,
    status: 'warn',
    seen: `this machine is ${formatDurationMs(Math.round(Math.abs(skewMs)))} ${way} Postgres`,
    remedy: 'Lags in time are wrong by as much; positions are not. Set both clocks by NTP.',
  }
}
