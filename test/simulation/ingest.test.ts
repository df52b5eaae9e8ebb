/**
 * The true ingest room over a scripted source: crashes at every failpoint, every version checked
 * against the fold.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Clock, PipelineSettings, Table } from '../../src/contracts/index.ts'
import { createEngine, createParquetPort, type Engine } from '../../src/engine/index.ts'
import {
  createPipeline,
  FAILPOINTS,
  type FailpointName,
  type Failpoints,
} from '../../src/ingest/index.ts'
import type { Cursor } from '../../src/model/index.ts'
import { createSystemClock, createTelemetry } from '../../src/observe/index.ts'
import { createDeltaFormat } from '../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { commitSettings, pipelineSettings, upsertTarget } from '../support/pipeline-settings.ts'
import { createDice } from '../support/random.ts'
import {
  createScriptedSource,
  foldScript,
  positionOf,
  type ScriptedChange,
  type ScriptedTransaction,
} from '../support/scripted-source.ts'
import { liveRows } from '../support/table-state.ts'

const STREAMS = ['a', 'b'] as const
const system = createSystemClock()
let ticks = 0
/**
 * A clock on which every look takes a quarter of a second: deadlines pass at all kinds of places.
 */
const clock: Clock = {
  ...system,
  monotonicMs: () => (ticks += 250),
  sleep: async () => undefined,
}
let engine: Engine
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-simulation-'))
  const temporaryFolder = join(folder, 'engine')
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder })
})

afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** How the invented world begins: with nothing, or with a table worth copying. */
type World = 'small' | 'filled'

const FILLED_ROWS = 40

function fillTable(keys: Set<number>): ScriptedTransaction {
  return Array.from({ length: FILLED_ROWS }, (_, id) => {
    keys.add(id)
    return { stream: 'a', op: 'i', id, value: id, text: `t${id}` }
  })
}

function inventHistory(random: () => number, world: World): ScriptedTransaction[] {
  const live = { a: new Set<number>(), b: new Set<number>() }
  const pick = (limit: number): number => Math.floor(random() * limit)
  const ids = world === 'filled' ? FILLED_ROWS : 12
  const begin = world === 'filled' ? [fillTable(live.a)] : []
  const rest = Array.from({ length: world === 'filled' ? 16 : 30 }, () => {
    const changes: ScriptedChange[] = []
    for (let left = 1 + pick(12); left > 0; left--) {
      const stream = STREAMS[random() < 0.95 ? 0 : 1]
      const keys = live[stream]
      const [id, other] = [pick(ids), pick(ids)]
      const base = {
        stream,
        id,
        value: pick(1e6),
        text: random() < 0.4 ? undefined : `t${pick(1e6)}`,
      }
      const dice = random()
      if (!keys.has(id)) {
        keys.add(id)
        changes.push({ ...base, op: 'i', text: base.text ?? 'new' })
      } else if (dice < 0.02) {
        keys.clear()
        changes.push({ ...base, op: 't' })
      } else if (dice < 0.2) {
        keys.delete(id)
        changes.push({ ...base, op: 'd' })
      } else if (dice < 0.4 && !keys.has(other)) {
        keys.delete(id)
        keys.add(other)
        changes.push({ ...base, op: 'd' }, { ...base, op: 'm', id: other })
      } else changes.push({ ...base, op: 'u' })
    }
    return changes
  })
  return [...begin, ...rest]
}

function settings(rowsMax: number, partRowsMax: number): PipelineSettings {
  const targets = STREAMS.map((stream) => upsertTarget(stream, { root: `tables/${stream}` }))
  return pipelineSettings('sim', targets, {
    commit: commitSettings({ rowsMax, partRowsMax }),
    // None: every batch puts its keys on disk and looks them up there.
    index: { memoryBytes: rowsMax % 4 === 0 ? 0 : 2 ** 24, spill: 'disk' },
  })
}

class Crash extends Error {}

/**
 * Ends the life of a run: from the fatal passing on, every failpoint throws, so nothing durable can
 * follow.
 */
function dyingAt(name: FailpointName, occurrence: number, onDeath: () => void): Failpoints {
  let left = occurrence
  return {
    hit: (passed) => {
      if (passed === name) left--
      if (left > 0) return
      onDeath()
      throw new Crash(name)
    },
  }
}

/** The crash may come wrapped by whoever it passed. */
function isCrash(error: unknown): boolean {
  if (error instanceof Crash) return true
  return error instanceof Error && error.cause !== undefined && isCrash(error.cause)
}

interface Outcome {
  readonly crashes: number
  readonly resumedCopies: number
  readonly versionsChecked: number
}

/**
 * Runs until the script is in the tables, crashing as told, then checks every version of every
 * table.
 */
async function simulate(
  name: string,
  seed: number,
  crashAt: (run: number) => { name: FailpointName; occurrence: number } | null,
  world: World = 'small',
): Promise<Outcome> {
  const random = createDice(seed).next
  const history = inventHistory(random, world)
  const store = await createLocalObjectStore(join(folder, name), clock)
  const telemetry = createTelemetry({
    level: 'error',
    format: 'text',
    stream: process.stderr,
    clock,
  })
  const parquet = createParquetPort({
    openSession: () => engine.session(),
    spoolFolder: folder,
    clock,
  })
  const openFormat = (over: typeof store) =>
    createDeltaFormat({ store: over, clock, writerName: 'simulation', parquet })
  const delivered = { transactionCount: world === 'filled' ? 1 : 0, resumedCopies: 0 }
  let crashes = 0
  let acknowledged = 0n
  for (let run = 0; ; run++) {
    const plan = crashAt(run)
    const life = new AbortController()
    const failpoints: Failpoints | null =
      plan === null ? null : dyingAt(plan.name, plan.occurrence, () => life.abort())
    const pipeline = createPipeline({
      settings: settings(1 + Math.floor(random() * 20), 1 + Math.floor(random() * 3)),
      source: createScriptedSource({
        streams: STREAMS,
        history,
        random,
        delivered,
        onAcknowledge: (position) => {
          acknowledged = position
        },
      }),
      store,
      openFormat,
      clock,
      telemetry,
      workFolder: join(folder, `${name}-work`),
      ...(failpoints === null ? {} : { failpoints }),
    })
    try {
      const end = await pipeline.run(life.signal)
      if (end === 'source-ended') break
      expect(life.signal.aborted).toBe(true)
      crashes++
    } catch (error) {
      if (!isCrash(error)) throw error
      crashes++
    }
  }
  const end = positionOf(history.length)
  let versionsChecked = 0
  for (const stream of STREAMS) {
    await using table = (await openFormat(store).open(`tables/${stream}`)) as Table
    versionsChecked += await checkVersions(table, stream, history)
    const cursor = (await table.latest()).cursors('sim')[0]?.cursor
    expect(cursor?.phase).toBe('stream')
    expect(acknowledged).toBeLessThanOrEqual(end)
  }
  await store[Symbol.asyncDispose]()
  return { crashes, versionsChecked, resumedCopies: delivered.resumedCopies }
}

/** state(version) = fold(source up to the cursor of that version), for every version. */
async function checkVersions(
  table: Table,
  stream: string,
  history: readonly ScriptedTransaction[],
): Promise<number> {
  await using session = await engine.session()
  const { version: newest } = await table.latest()
  let previous = 0n
  let before = 0
  for (let version = 0n; version <= newest; version++) {
    const snapshot = await table.snapshot({ kind: 'version', version })
    const rows = await liveRows(session, table, snapshot, 'id, value, text')
    const found = new Map(rows.map(([id, value, text]) => [id, { value: Number(value), text }]))
    expect(found.size, `two rows of one key in version ${version}`).toBe(rows.length)
    const cursor = snapshot.cursors('sim')[0]?.cursor
    if (cursor === undefined) continue
    expect(cursor.nextPosition).toBeGreaterThanOrEqual(previous)
    previous = cursor.nextPosition
    if (cursor.phase === 'copy') {
      const isCopied = (await table.entry(version))?.operation === 'copy'
      checkIncomplete(found, { history, stream, cursor, isCopied })
      await checkCounts(table, version, rows.length, before)
      before = rows.length
      continue
    }
    expect(found, `version ${version} of ${stream}`).toEqual(
      foldScript(history, stream, cursor.nextPosition),
    )
    await checkCounts(table, version, rows.length, before)
    before = rows.length
  }
  const newestRows = await liveRows(session, table, await table.latest(), 'id, value, text')
  const all = foldScript(history, stream, 10n ** 9n)
  expect(newestRows.length, `rows of ${stream} at the end`).toBe(all.size)
  return Number(newest) + 1
}

/** What a commit says of its records adds up, and to the rows that it holds. */
async function checkCounts(
  table: Table,
  version: bigint,
  rowCount: number,
  rowCountBefore: number,
): Promise<void> {
  const entry = await table.entry(version)
  const { read, applied, superseded, inserted, deleted } = entry?.accounting ?? {}
  expect(read, `records of version ${version}`).toBe((applied ?? 0) + (superseded ?? 0))
  if (entry?.operation !== 'ingest') return
  expect(rowCount - rowCountBefore, `rows of version ${version}`).toBe(
    (inserted ?? 0) - (deleted ?? 0),
  )
}

/**
 * What holds before a copy is complete. Where rows of the copy were just committed: no row is
 * wrong, and none is missing of the chunks that are done. Elsewhere, on the way to the next
 * snapshot: each row is one that the key has now or will have.
 */
function checkIncomplete(
  found: ReadonlyMap<unknown, unknown>,
  at: {
    readonly history: readonly ScriptedTransaction[]
    readonly stream: string
    readonly cursor: Cursor
    readonly isCopied: boolean
  },
): void {
  const { history, stream, cursor, isCopied } = at
  const now = foldScript(history, stream, cursor.nextPosition)
  const { copied } = cursor.identity as { copied?: { readonly below: number } }
  const futures = isCopied
    ? [now]
    : [now, ...history.map((_, number) => foldScript(history, stream, positionOf(number) + 1n))]
  const fits = (id: unknown, row: unknown): boolean =>
    futures.some((rows) => isDeepStrictEqual(rows.get(id as number), row))
  for (const [id, row] of found) expect(fits(id, row), `row ${id} is wrong`).toBe(true)
  if (!isCopied) return
  const done = [...now.keys()].filter((id) => id < (copied?.below ?? 0))
  for (const id of done) expect(found.has(id), `row ${id} is missing`).toBe(true)
}

describe('ingest', () => {
  it('holds the fold of the source at every version when nothing fails', async () => {
    for (const seed of [1, 2, 3]) {
      const { versionsChecked } = await simulate(`calm-${seed}`, seed, () => null)
      expect(versionsChecked).toBeGreaterThan(4)
    }
  })

  for (const name of FAILPOINTS) {
    it(`holds it when the process dies at ${name}`, async () => {
      let crashes = 0
      for (const seed of [11, 12]) {
        const plans = [1, 3, 2]
        const outcome = await simulate(`${name}-${seed}`, seed, (run) => {
          const occurrence = plans[run]
          return occurrence === undefined ? null : { name, occurrence }
        })
        crashes += outcome.crashes
      }
      expect(crashes, 'the failpoint was never passed').toBeGreaterThan(0)
    })
  }

  it('goes on with a copy wherever the process dies in it', async () => {
    let crashes = 0
    let resumedCopies = 0
    const names = FAILPOINTS.filter((name) => !COMPLETE_ONLY.has(name))
    for (const [index, name] of names.entries()) {
      const deaths = [3, 5, 2, 4, 1]
      const crashAt = (run: number) => {
        const occurrence = deaths[run]
        return occurrence === undefined ? null : { name, occurrence }
      }
      const outcome = await simulate(`copy-${name}`, 100 + index, crashAt, 'filled')
      crashes += outcome.crashes
      resumedCopies += outcome.resumedCopies
    }
    expect(crashes).toBeGreaterThan(names.length * 3)
    expect(resumedCopies, 'copies that went on').toBeGreaterThan(names.length / 2)
  })
})

/** Failpoints that are passed only when every copy is complete. */
const COMPLETE_ONLY: ReadonlySet<FailpointName> = new Set([
  'before-floor',
  'after-floor',
  'before-acknowledge',
  'acknowledged',
])
