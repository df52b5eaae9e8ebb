/** A transaction worked on in parts is the same commit as one worked on at once. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PipelineSettings, Table } from '../../../../src/contracts/index.ts'
import { createEngine, type Engine } from '../../../../src/engine/index.ts'
import { createPipeline } from '../../../../src/ingest/index.ts'
import { createSystemClock, createTelemetry } from '../../../../src/observe/index.ts'
import { createDeltaFormat } from '../../../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../../../table-format/object-store/index.ts'
import {
  commitSettings,
  pipelineSettings,
  upsertTarget,
} from '../../../support/pipeline-settings.ts'
import {
  createScriptedSource,
  foldScript,
  type ScriptedChange,
  type ScriptedTransaction,
} from '../../../support/scripted-source.ts'
import { liveRows } from '../../../support/table-state.ts'

const clock = createSystemClock()
let engine: Engine
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-parts-'))
  const temporaryFolder = join(folder, 'engine')
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder })
})

afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** What somebody wishes to do to a key; whether it can be done depends on what is there. */
interface Wish {
  readonly stream: 'a' | 'b'
  readonly id: number
  readonly other: number
  readonly value: number
  readonly text: string | undefined
  readonly dice: number
}

const wish: fc.Arbitrary<Wish> = fc.record({
  stream: fc.constantFrom('a', 'a', 'a', 'b'),
  id: fc.nat(9),
  other: fc.nat(9),
  value: fc.nat(1e6),
  text: fc.option(fc.string({ unit: fc.constantFrom('x', 'y', 'z'), maxLength: 3 }), {
    nil: undefined,
  }),
  dice: fc.nat(99),
})

/** Wishes as the changes that a source would tell of them. */
function toHistory(transactions: readonly (readonly Wish[])[]): ScriptedTransaction[] {
  const live = { a: new Set<number>(), b: new Set<number>() }
  return transactions.map((wishes) => wishes.flatMap((one) => changesOf(one, live[one.stream])))
}

function changesOf(one: Wish, keys: Set<number>): ScriptedChange[] {
  const { stream, id, other, value, text, dice } = one
  const base = { stream, id, value, text }
  if (!keys.has(id)) {
    keys.add(id)
    return [{ ...base, op: 'i', text: text ?? 'new' }]
  }
  if (dice < 3) {
    keys.clear()
    return [{ ...base, op: 't' }]
  }
  if (dice < 30) {
    keys.delete(id)
    return [{ ...base, op: 'd' }]
  }
  if (dice < 50 && !keys.has(other)) {
    keys.delete(id)
    keys.add(other)
    return [
      { ...base, op: 'd' },
      { ...base, op: 'm', id: other },
    ]
  }
  return [{ ...base, op: 'u' }]
}

function settings(partRowsMax: number): PipelineSettings {
  const targets = ['a', 'b'].map((stream) => upsertTarget(stream))
  const commit = commitSettings({ partRowsMax })
  return pipelineSettings('parts', targets, { commit, engineMemoryBytes: 64 * 2 ** 20 })
}

/** Version → rows with their positions, of both tables. */
async function ingest(history: readonly ScriptedTransaction[], partRows: number): Promise<object> {
  const lake = await mkdtemp(join(folder, 'lake-'))
  await using store = await createLocalObjectStore(lake, clock)
  const level = 'error'
  const telemetry = createTelemetry({ level, format: 'text', stream: process.stderr, clock })
  const format = createDeltaFormat({ store, clock, writerName: 'test' })
  const pipeline = createPipeline({
    settings: settings(partRows),
    source: createScriptedSource({
      streams: ['a', 'b'],
      history,
      // Copies nothing, and ends a block after every change.
      random: () => 0,
      delivered: { transactionCount: 0, resumedCopies: 0 },
      onAcknowledge: () => undefined,
    }),
    store,
    openFormat: () => format,
    clock,
    telemetry,
    workFolder: join(lake, 'work'),
  })
  expect(await pipeline.run(new AbortController().signal)).toBe('source-ended')
  const versions: Record<string, unknown> = {}
  await using session = await engine.session()
  for (const stream of ['a', 'b']) {
    await using table = (await format.open(stream)) as Table
    const { version: newest } = await table.latest()
    for (let version = 0n; version <= newest; version++) {
      const snapshot = await table.snapshot({ kind: 'version', version })
      const cursor = snapshot.cursors('parts')[0]?.cursor
      const rows = await liveRows(session, table, snapshot, 'id, value, text, _sluice_position')
      versions[`${stream}${version}`] = { position: cursor?.nextPosition, rows: rows.sort(byId) }
      if (cursor === undefined) continue
      const folded = foldScript(history, stream, cursor.nextPosition)
      const found = rows.map(([id, value, text]) => [id, { value: Number(value), text }] as const)
      expect(new Map(found as never)).toEqual(folded)
    }
  }
  return versions
}

const byId = (left: readonly unknown[], right: readonly unknown[]): number =>
  Number(left[0]) - Number(right[0])

describe('a transaction in parts', () => {
  it('makes the same versions as one that is worked on at once', async () => {
    const transactions = fc.array(fc.array(wish, { minLength: 1, maxLength: 24 }), {
      minLength: 1,
      maxLength: 3,
    })
    await fc.assert(
      fc.asyncProperty(transactions, fc.integer({ min: 1, max: 9 }), async (wishes, partRows) => {
        const history = toHistory(wishes)
        const whole = await ingest(history, 1_000)
        expect(await ingest(history, partRows)).toEqual(whole)
      }),
      { numRuns: 12, interruptAfterTimeLimit: 40_000 },
    )
  })
})
