import { describe, expect, it } from 'vitest'
import { summarizeRejected } from '../../../../src/cli/rejected-summary.ts'
import type { Table, TableFormat } from '../../../../src/contracts/index.ts'
import type { JsonObject, TimelineEntry } from '../../../../src/model/index.ts'
import { timelineEntry } from '../../../support/cli/timeline-entry.ts'

const NOW_MS = 10_000_000_000

interface Commit {
  readonly minutesAgo: number
  readonly details: JsonObject
  readonly deletedRows?: number
}

/** A format whose tables have these commits, the newest first. */
function formatOf(tables: Readonly<Record<string, readonly Commit[]>>): TableFormat {
  return {
    open: async (root) => {
      const commits = tables[root]
      if (commits === undefined) return null
      const entries = commits.map(({ minutesAgo, details, deletedRows = 0 }, index) => ({
        ...timelineEntry(BigInt(commits.length - index), 'ingest'),
        timestampMicros: BigInt(NOW_MS - minutesAgo * 60_000) * 1000n,
        deletedRows,
        commitInfo: { sluice: details },
      }))
      return {
        latest: async () => ({ rowCount: 7n }),
        timeline: async ({ limit, beforeVersionExclusive }: Parameters<Table['timeline']>[0]) =>
          entries
            .filter(({ version }) => version < (beforeVersionExclusive ?? 10_000n))
            .slice(0, limit) as TimelineEntry[],
        [Symbol.asyncDispose]: async () => undefined,
      } as unknown as Table
    },
    create: () => Promise.reject(new Error('creates nothing')),
  }
}

const rejects = (onError: 'stop' | 'dlq' | 'skip') => ({
  root: 't',
  rejects: { onError, stopAfter: null },
})
const summary = (tables: Parameters<typeof formatOf>[0], onError: 'stop' | 'dlq' | 'skip') =>
  summarizeRejected(formatOf(tables), rejects(onError), NOW_MS)

describe('the summary of rejected records', () => {
  it('counts those of the last hour and names the newest, most frequent code', async () => {
    const dead = [
      { minutesAgo: 1, details: { purged: { mistyped: 3 } }, deletedRows: 3 },
      { minutesAgo: 2, details: { rejected: { 'null-key': 1, mistyped: 4 } } },
      { minutesAgo: 59, details: { rejected: { 'invalid-json': 2 } } },
      { minutesAgo: 61, details: { rejected: { 'invalid-json': 100 } } },
    ]
    expect(await summary({ t: [], t__dlq: dead }, 'dlq')).toEqual({
      kept: 7n,
      lastHour: 7,
      newestCode: 'mistyped',
      newestAtMs: NOW_MS - 120_000,
    })
  })

  it('does not count twice what was taken back and came again', async () => {
    const dead = [
      { minutesAgo: 1, details: { rejected: { mistyped: 2 } } },
      { minutesAgo: 2, details: { rejected: {}, takenBack: true }, deletedRows: 2 },
      { minutesAgo: 3, details: { rejected: { mistyped: 2 } } },
    ]
    expect(await summary({ t__dlq: dead }, 'dlq')).toMatchObject({ lastHour: 2 })
    const [, ...before] = [...dead.slice(0, 2), { ...dead[2]!, minutesAgo: 61 }]
    expect(await summary({ t__dlq: before }, 'dlq')).toMatchObject({ lastHour: 0 })
  })

  it('looks behind many commits, of long ago and of the hour', async () => {
    const quiet = Array.from({ length: 250 }, () => ({ minutesAgo: 90, details: {} }))
    const old = { minutesAgo: 900, details: { rejected: { 'too-long': 1 } } }
    expect(await summary({ t: [...quiet, old] }, 'skip')).toEqual({
      kept: null,
      lastHour: 0,
      newestCode: 'too-long',
      newestAtMs: NOW_MS - 900 * 60_000,
    })
    const busy = Array.from({ length: 250 }, () => ({
      minutesAgo: 30,
      details: { rejected: { mistyped: 1 } },
    }))
    expect(await summary({ t: busy }, 'skip')).toMatchObject({ lastHour: 250 })
  })

  it('is none where nothing may be rejected, and empty where nothing was', async () => {
    expect(await summary({ t: [] }, 'stop')).toBeNull()
    const nothing = { lastHour: 0, newestCode: null, newestAtMs: null }
    expect(await summary({ t: [] }, 'dlq')).toEqual({ kept: 0n, ...nothing })
    expect(await summary({}, 'skip')).toEqual({ kept: null, ...nothing })
  })
})
