/**
 * A store that is full, or may no longer be written, at each write of a pipeline in turn: a full
 * one is waited for, a forbidden one ends the run; afterwards the tables equal their source.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ObjectStore, Table, Telemetry } from '../../src/contracts/index.ts'
import { createParquetPort, type Engine } from '../../src/engine/index.ts'
import { createPipeline, type Pipeline } from '../../src/ingest/index.ts'
import { type ErrorCode, SluiceError } from '../../src/model/index.ts'
import { createDeltaFormat } from '../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { smallEngine } from '../support/damage/read-table.ts'
import { commitSettings, pipelineSettings, upsertTarget } from '../support/pipeline-settings.ts'
import {
  createScriptedSource,
  foldScript,
  type ScriptedTransaction,
} from '../support/scripted-source.ts'
import { silentTelemetry } from '../support/silent-telemetry.ts'
import { liveRows } from '../support/table-state.ts'
import { createTestClock } from '../support/test-clock.ts'

const STREAMS = ['a', 'b'] as const

/** Inserts, updates and deletes of both streams; `b` is idle at the end, so the floor moves on. */
const HISTORY: readonly ScriptedTransaction[] = [
  [0, 1, 2, 3].flatMap((id) =>
    STREAMS.map((stream) => ({ stream, op: 'i', id, value: id, text: `t${id}` }) as const),
  ),
  [{ stream: 'a', op: 'u', id: 1, value: 11, text: 'new' }],
  [{ stream: 'a', op: 'd', id: 2, value: 0, text: undefined }],
]

const SETTINGS = pipelineSettings(
  'full',
  STREAMS.map((stream) => upsertTarget(stream, { root: `tables/${stream}` })),
  { commit: commitSettings({ intervalMs: 1_000, partRowsMax: 9 }) },
)

const BETWEEN_LIVES_MS = 120_000

let engine: Engine
let folder: string
let worlds = 0

beforeAll(async () => {
  engine = await smallEngine()
  folder = mkdtempSync(join(tmpdir(), 'sluice-full-disk-'))
})

afterAll(async () => {
  await engine?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

/** Counts the writes of a store and fails those it is told to. */
interface Gate {
  writes: number
  /** The error of the write of that number, from 1; null lets it through. */
  faultOf(number: number): SluiceError | null
}

function gated(inner: ObjectStore, gate: Gate): ObjectStore {
  const through = async <T>(write: () => Promise<T>): Promise<T> => {
    const fault = gate.faultOf(++gate.writes)
    if (fault !== null) throw fault
    return write()
  }
  return {
    url: inner.url,
    get: (path) => inner.get(path),
    getRange: (path, offset, length) => inner.getRange(path, offset, length),
    head: (path) => inner.head(path),
    put: (path, bytes) => through(() => inner.put(path, bytes)),
    putIfAbsent: (path, bytes) => through(() => inner.putIfAbsent(path, bytes)),
    putFile: (path, localPath) => through(() => inner.putFile(path, localPath)),
    list: (prefix, startAfter) => inner.list(prefix, startAfter),
    delete: (path) => inner.delete(path),
    readUrl: (path) => inner.readUrl(path),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** A folder of its own with a pipeline over it, and what tells whether its tables are right. */
async function openWorld(gate: Gate) {
  const root = join(folder, String(++worlds))
  const clock = createTestClock()
  // Between two lives, so that giving up takes a few of them and not a hundred.
  const telemetry: Telemetry = { ...silentTelemetry, log: () => clock.advance(BETWEEN_LIVES_MS) }
  const inner = await createLocalObjectStore(join(root, 'lake'), clock)
  const openSession = () => engine.session()
  const parquet = createParquetPort({ openSession, spoolFolder: join(root, 'metadata'), clock })
  const openFormat = (store: ObjectStore) =>
    createDeltaFormat({ store, clock, parquet, writerName: 'full' })
  const newPipeline = (): Pipeline =>
    createPipeline({
      settings: SETTINGS,
      source: createScriptedSource({
        streams: STREAMS,
        history: HISTORY,
        random: () => 0.5,
        delivered: { transactionCount: 1, resumedCopies: 0 },
        onAcknowledge: () => undefined,
      }),
      store: gated(inner, gate),
      openFormat,
      clock,
      telemetry,
      workFolder: join(root, 'work'),
    })
  const checkTables = async (): Promise<void> => {
    await using session = await engine.session()
    for (const stream of STREAMS) {
      await using table = (await openFormat(inner).open(`tables/${stream}`)) as Table
      const rows = await liveRows(session, table, await table.latest(), 'id, value, text')
      const found = rows.map(([id, value, text]) => [id, { value: Number(value), text }] as const)
      expect(new Map(found), `rows of ${stream}`).toEqual(foldScript(HISTORY, stream, 10n ** 9n))
      expect(found.length, `rows of ${stream}`).toBe(new Map(found).size)
    }
  }
  return { newPipeline, checkTables }
}

const never = new AbortController().signal
const errorOf = (code: ErrorCode): SluiceError =>
  new SluiceError(code, { message: 'ENOSPC: no space left on device' })

/** Writes of a run that nothing disturbs. */
async function countWrites(): Promise<number> {
  const gate: Gate = { writes: 0, faultOf: () => null }
  const world = await openWorld(gate)
  expect(await world.newPipeline().run(never)).toBe('source-ended')
  await world.checkTables()
  return gate.writes
}

describe('a store that fails at each write in turn', () => {
  it('is waited for while it is full', async () => {
    const count = await countWrites()
    expect(count).toBeGreaterThan(10)
    for (let first = 1; first <= count; first++) {
      // Full for three writes, whoever tries them.
      const isFull = (number: number): boolean => number >= first && number < first + 3
      const gate: Gate = {
        writes: 0,
        faultOf: (number) => (isFull(number) ? errorOf('SLU-STO-2003') : null),
      }
      const world = await openWorld(gate)
      expect(await world.newPipeline().run(never), `full at write ${first}`).toBe('source-ended')
      await world.checkTables()
      expect(gate.writes).toBeGreaterThan(first)
    }
  })

  it('ends the run when it may not be written any more, and the next run goes on', async () => {
    const count = await countWrites()
    let stopped = 0
    for (let first = 1; first <= count; first += 2) {
      let isForbidden = true
      const gate: Gate = {
        writes: 0,
        faultOf: (number) => (isForbidden && number >= first ? errorOf('SLU-STO-2001') : null),
      }
      const world = await openWorld(gate)
      const pipeline = world.newPipeline()
      const end = await pipeline.run(never).catch((error: unknown) => error)
      if (end !== 'source-ended') {
        expect(end).toMatchObject({ code: 'SLU-STO-2001' })
        expect(pipeline.status().lastError).toMatchObject({ code: 'SLU-STO-2001' })
        stopped += 1
      }
      isForbidden = false
      expect(await world.newPipeline().run(never)).toBe('source-ended')
      await world.checkTables()
    }
    expect(stopped).toBeGreaterThan(count / 3)
  })

  it('fails in the end when it stays full, and the next run goes on', async () => {
    let isFull = true
    const gate: Gate = {
      writes: 0,
      faultOf: (number) => (isFull && number > 6 ? errorOf('SLU-STO-2003') : null),
    }
    const world = await openWorld(gate)
    const remedy = expect.stringContaining('Free space')
    await expect(world.newPipeline().run(never)).rejects.toMatchObject({
      code: 'SLU-STO-2003',
      remedy,
    })
    isFull = false
    expect(await world.newPipeline().run(never)).toBe('source-ended')
    await world.checkTables()
  })
})
