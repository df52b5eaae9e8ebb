/** Random commits of racing writers over a store that loses answers, against a plain model. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CommitOutcome, Snapshot, Table } from '../../../../src/contracts/index.ts'
import { createDeltaFormat } from '../../../../table-format/delta/index.ts'
import { createMemoryObjectStore } from '../../../../table-format/object-store/index.ts'
import { createFaultyStore } from '../../../support/table-format/faulty-store.ts'
import {
  commitRequest,
  cursorAt,
  newColumn,
  stagedFile,
  tableSpec,
} from '../../../support/table-format/requests.ts'
import { createTestClock } from '../../../support/test-clock.ts'

const ROWS = 40

/** What a writer does in a round. `file` counts through the live files of its base. */
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('add' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('delete' as const),
      files: fc.uniqueArray(fc.nat(20), { minLength: 1, maxLength: 3 }),
      rows: fc.uniqueArray(fc.nat(ROWS - 1), { minLength: 1, maxLength: 25 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('cursor' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('truncate' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('column' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

const runs = fc.record({
  seed: fc.string({ maxLength: 6 }),
  faultShare: fc.constantFrom(0, 0.1, 0.2),
  rounds: fc.array(fc.array(step, { minLength: 3, maxLength: 3 }), { maxLength: 10 }),
})

/** Live file → its deleted rows, as plain as it gets. */
type Model = Map<string, Set<number>>

async function contentsOf(table: Table, snapshot: Snapshot): Promise<Record<string, number[]>> {
  const entries: [string, number[]][] = []
  for (const file of snapshot.files()) {
    entries.push([file.path, [...(await table.deletedRows(file))]])
  }
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function requestOf(action: Step, base: Snapshot, name: string): ReturnType<typeof commitRequest> {
  switch (action.kind) {
    case 'add':
      return commitRequest(base, { add: [stagedFile(name, ROWS)] })
    case 'delete': {
      const live = [...base.files()].map((file) => file.path)
      const paths = new Set(action.files.flatMap((file) => live[file % live.length] ?? []))
      const rows = Uint32Array.from(action.rows).sort()
      return commitRequest(base, { deletes: [...paths].map((path) => ({ path, rows })) })
    }
    case 'cursor': {
      const from = base.cursors('p')[0]?.cursor ?? null
      const number = (from?.batchNumber ?? 0n) + 1n
      return commitRequest(base, {
        pipeline: 'p',
        cursors: [{ from, to: cursorAt(number * 10n, number) }],
      })
    }
    case 'truncate':
      return commitRequest(base, { operation: 'truncate', removeAllFiles: true })
    case 'column': {
      const columns = [...base.schema.columns, newColumn(name)]
      return commitRequest(base, { operation: 'schema', schema: { ...base.schema, columns } })
    }
  }
}

/** Applies what a committed request asked for. */
function applyToModel(model: Model, request: ReturnType<typeof commitRequest>): void {
  if (request.removeAllFiles) for (const file of request.base.files()) model.delete(file.path)
  for (const { path, rows } of request.deletes) {
    const deleted = model.get(path)
    if (deleted === undefined) continue
    for (const row of rows) deleted.add(row)
    if (deleted.size === ROWS) model.delete(path)
  }
  for (const file of request.add) model.set(file.path, new Set())
}

interface Ended {
  readonly request: ReturnType<typeof commitRequest>
  readonly outcome: CommitOutcome
}

describe('racing writers', () => {
  it('leave exactly what was committed, to the bit, and one winner for each cursor', async () => {
    await fc.assert(
      fc.asyncProperty(runs, async ({ seed, faultShare, rounds }) => {
        const clock = createTestClock(1_700_000_000_000, seed)
        const inner = createMemoryObjectStore(clock)
        const store = createFaultyStore(inner, (method, path) => {
          if (method !== 'putIfAbsent' && !path.endsWith('.json')) return null
          if (clock.random() >= faultShare) return null
          return clock.random() < 0.5 ? 'lost' : 'applied'
        })
        const quiet = createDeltaFormat({ store: inner, clock, writerName: 'reader' })
        const loud = createDeltaFormat({ store, clock, writerName: 'writer', cacheBytesMax: 2000 })
        await quiet.create('t', tableSpec())
        const writers = await Promise.all([0, 1, 2].map(() => openPatiently(() => loud.open('t'))))
        const done: (Ended & { readonly version: bigint })[] = []
        for (const [number, round] of rounds.entries()) {
          const ended = await Promise.all(
            round.map(async (action, index): Promise<Ended> => {
              const writer = writers[index]!
              const base = await openPatiently(() => writer.latest())
              const request = requestOf(action, base, `${number}-${index}`)
              return { request, outcome: await commitPatiently(writer, request) }
            }),
          )
          for (const { request, outcome } of ended) {
            if (outcome.kind === 'committed') {
              done.push({ request, outcome, version: outcome.snapshot.version })
            }
          }
        }
        const model: Model = new Map()
        for (const { request } of done.sort((a, b) => Number(a.version - b.version))) {
          applyToModel(model, request)
        }
        await using fresh = (await quiet.open('t'))!
        const replayed = await fresh.latest()
        const wanted = Object.fromEntries(
          [...model]
            .map(([path, rows]): [string, number[]] => [path, [...rows].sort((a, b) => a - b)])
            .sort(([a], [b]) => (a < b ? -1 : 1)),
        )
        expect(await contentsOf(fresh, replayed)).toEqual(wanted)
        expect(new Set(done.map(({ version }) => version)).size).toBe(done.length)
        const moves = done.filter(({ request }) => request.cursors.length > 0)
        const cursor = replayed.cursors('p')[0]?.cursor.batchNumber ?? 0n
        expect(cursor).toBe(BigInt(moves.length))
        await sameEverywhere(writers, replayed)
      }),
      { numRuns: 120 },
    )
  })
})

/** Every writer's own, stepwise state equals the one replayed from the log at once. */
async function sameEverywhere(writers: readonly Table[], replayed: Snapshot): Promise<void> {
  for (const writer of writers) {
    const own = await openPatiently(() => writer.latest())
    expect([...own.files()]).toEqual([...replayed.files()])
    expect(own.rowCount).toBe(replayed.rowCount)
    expect(own.sizeBytes).toBe(replayed.sizeBytes)
    expect(own.schema).toEqual(replayed.schema)
    expect(own.cursors()).toEqual(replayed.cursors())
    expect(own.timestampMicros).toBe(replayed.timestampMicros)
    expect(own.domain('delta.rowTracking')).toEqual(replayed.domain('delta.rowTracking'))
  }
}

/** Reads meet the faults too; they say so and are asked again. */
async function openPatiently<T>(read: () => Promise<T | null>): Promise<T> {
  for (;;) {
    try {
      const value = await read()
      if (value !== null) return value
    } catch (error) {
      if ((error as { kind?: string }).kind !== 'transient') throw error
    }
  }
}

/**
 * Faults outside the commit object end a commit with an error. It is tried again only when it did
 * not take effect: a request without a cursor has nothing that would refuse it the second time.
 */
async function commitPatiently(
  writer: Table,
  request: ReturnType<typeof commitRequest>,
): Promise<CommitOutcome> {
  for (;;) {
    try {
      return await writer.commit(request)
    } catch (error) {
      if ((error as { code?: string }).code !== 'SLU-STO-2002') throw error
    }
  }
}
