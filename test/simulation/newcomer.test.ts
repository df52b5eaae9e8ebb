/**
 * Tables that come while others are followed: their copies run beside the stream, and the process
 * dies at every failpoint. The true ingest room, every version checked against the fold.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Clock, ObjectStore, PipelineSettings, Table } from '../../src/contracts/index.ts'
import { createEngine, createParquetPort, type Engine } from '../../src/engine/index.ts'
import { createPipeline, FAILPOINTS, type Failpoints } from '../../src/ingest/index.ts'
import { openPipelineLog } from '../../src/ingest/pipeline-log.ts'
import { isCopyRequested, requestCopy } from '../../src/ingest/recopy.ts'
import { createSystemClock, createTelemetry } from '../../src/observe/index.ts'
import { createDeltaFormat } from '../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { commitSettings, pipelineSettings, upsertTarget } from '../support/pipeline-settings.ts'
import { createDice } from '../support/random.ts'
import {
  createScriptedSource,
  type Delivered,
  foldScript,
  type ScriptedChange,
  type ScriptedTransaction,
} from '../support/scripted-source.ts'
import { liveRows } from '../support/table-state.ts'

/** Followed from the beginning. */
const OLD = 'old'
/** Come later: a full table, and a small one. */
const STREAMS = [OLD, 'big', 'small'] as const
const BIG_ROWS = 60
/** Transactions before the newcomers come. */
const BEFORE = 6
const system = createSystemClock()
let ticks = 0
const clock: Clock = {
  ...system,
  monotonicMs: () => (ticks += 250),
  sleep: async () => undefined,
}
let engine: Engine
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-newcomer-'))
  const temporaryFolder = join(folder, 'engine')
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder })
})

afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** Changes of all three tables in each transaction, of every kind. */
function inventHistory(random: () => number): ScriptedTransaction[] {
  const live = new Map<string, Set<number>>(STREAMS.map((stream) => [stream, new Set()]))
  const pick = (limit: number): number => Math.floor(random() * limit)
  const fill = Array.from({ length: BIG_ROWS }, (_, id): ScriptedChange => {
    live.get('big')?.add(id)
    return { stream: 'big', op: 'i', id, value: id, text: `t${id}` }
  })
  const rest = Array.from({ length: 24 }, () => {
    const changes: ScriptedChange[] = []
    for (let left = 1 + pick(10); left > 0; left--) {
      const dice = random()
      const stream = dice < 0.3 ? OLD : dice < 0.9 ? 'big' : 'small'
      changes.push(...inventChange(stream, live.get(stream) as Set<number>, random))
    }
    return changes
  })
  return [fill, ...rest]
}

function inventChange(stream: string, keys: Set<number>, random: () => number): ScriptedChange[] {
  const pick = (limit: number): number => Math.floor(random() * limit)
  const ids = stream === 'big' ? BIG_ROWS : 10
  const [id, other] = [pick(ids), pick(ids)]
  const text = random() < 0.5 ? undefined : `t${pick(1e6)}`
  const base = { stream, id, value: pick(1e6), text }
  const dice = random()
  if (!keys.has(id)) {
    keys.add(id)
    return [{ ...base, op: 'i', text: text ?? 'new' }]
  }
  if (dice < 0.01) {
    keys.clear()
    return [{ ...base, op: 't' }]
  }
  if (dice < 0.2) {
    keys.delete(id)
    return [{ ...base, op: 'd' }]
  }
  if (dice < 0.4 && !keys.has(other)) {
    keys.delete(id)
    keys.add(other)
    return [
      { ...base, op: 'd' },
      { ...base, op: 'm', id: other },
    ]
  }
  return [{ ...base, op: 'u' }]
}

function settings(streams: readonly string[], random: () => number): PipelineSettings {
  const targets = streams.map((stream) => upsertTarget(stream, { root: `tables/${stream}` }))
  const rowsMax = 1 + Math.floor(random() * 12)
  return pipelineSettings('sim', targets, {
    commit: commitSettings({ rowsMax, partRowsMax: 1 + Math.floor(random() * 3) }),
    // None: every batch puts its keys on disk and looks them up there.
    index: { memoryBytes: rowsMax % 4 === 0 ? 0 : 2 ** 24, spill: 'disk' },
  })
}

const isCopy = ({ operation }: { readonly operation: string }): boolean => operation === 'copy'

class Crash extends Error {}

/** From the fatal passing on every failpoint throws, so nothing durable can follow. */
function dyingAt(name: string, occurrence: number, onDeath: () => void): Failpoints {
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

const isCrash = (error: unknown): boolean =>
  error instanceof Crash || (error instanceof Error && isCrash(error.cause))

interface World {
  readonly store: ObjectStore
  readonly history: readonly ScriptedTransaction[]
  readonly delivered: Required<Delivered>
  /** The tables in the order of their commits. */
  readonly commits: readonly string[]
  readonly random: () => number
  readonly open: (stream: string) => Promise<Table>
  /** One life of the pipeline; false when it crashed. */
  run(streams: readonly string[], history: World['history'], dies?: Death | null): Promise<boolean>
}

interface Death {
  readonly name: string
  readonly occurrence: number
}

async function createWorld(name: string, seed: number): Promise<World> {
  const random = createDice(seed).next
  const local = await createLocalObjectStore(join(folder, name), clock)
  const commits: string[] = []
  const store: ObjectStore = {
    url: local.url,
    get: (path) => local.get(path),
    getRange: (path, offset, length) => local.getRange(path, offset, length),
    head: (path) => local.head(path),
    put: (path, bytes) => local.put(path, bytes),
    putIfAbsent: (path, bytes) => {
      commits.push(path.split('/')[1] as string)
      return local.putIfAbsent(path, bytes)
    },
    putFile: (path, localPath) => local.putFile(path, localPath),
    list: (prefix, startAfter) => local.list(prefix, startAfter),
    delete: (path) => local.delete(path),
    readUrl: (path) => local.readUrl(path),
    [Symbol.asyncDispose]: () => local[Symbol.asyncDispose](),
  }
  const stream = process.stderr
  const telemetry = createTelemetry({ level: 'error', format: 'text', stream, clock })
  const openSession = () => engine.session()
  const parquet = createParquetPort({ openSession, spoolFolder: folder, clock })
  const openFormat = (over: ObjectStore) =>
    createDeltaFormat({ store: over, clock, writerName: 'simulation', parquet })
  const delivered = { transactionCount: 0, resumedCopies: 0, copiesBeside: 0, acknowledged: 0n }
  return {
    store,
    commits,
    history: inventHistory(random),
    delivered,
    random,
    open: async (of) => (await openFormat(store).open(`tables/${of}`)) as Table,
    run: async (streams, history, dies = null) => {
      const life = new AbortController()
      const failpoints = dies && dyingAt(dies.name, dies.occurrence, () => life.abort())
      const onAcknowledge = () => undefined
      const pipeline = createPipeline({
        settings: settings(streams, random),
        source: createScriptedSource({ streams, history, random, delivered, onAcknowledge }),
        ...{ store, openFormat, clock, telemetry },
        workFolder: join(folder, `${name}-work`),
        ...(failpoints === null ? {} : { failpoints }),
      })
      try {
        return (await pipeline.run(life.signal)) === 'source-ended'
      } catch (error) {
        if (!isCrash(error)) throw error
        return false
      }
    },
  }
}

/** The old table is followed; then the others come, and the process dies as told. */
async function simulate(
  world: World,
  deaths: readonly (Death | null)[],
): Promise<{ readonly crashes: number }> {
  const { history } = world
  expect(await world.run([OLD], history.slice(0, BEFORE))).toBe(true)
  let crashes = 0
  for (let run = 0; ; run++) {
    if (await world.run(STREAMS, history, deaths[run] ?? null)) break
    crashes++
    await checkAcknowledged(world)
  }
  for (const stream of STREAMS) await checkVersions(world, stream)
  await checkAcknowledged(world)
  return { crashes }
}

/** No table needs changes that were acknowledged. */
async function checkAcknowledged(world: World): Promise<void> {
  const { floors } = (await openPipelineLog(world.store, 'sim', 'test')).notes
  const floor = floors.get('script') ?? 0n
  for (const stream of STREAMS) {
    const table = await world.open(stream)
    if (table === null) continue
    await using _ = table
    const cursor = (await table.latest()).cursors('sim')[0]?.cursor ?? null
    if (cursor === null || isCopyRequested(cursor)) continue
    const isLifted = cursor.phase === 'stream' && floor > cursor.nextPosition
    const needed = isLifted ? floor : cursor.nextPosition
    expect(world.delivered.acknowledged, `of ${stream}`).toBeLessThanOrEqual(needed)
  }
}

/**
 * Every version of a table whose copy is complete is the fold; before that no row is wrong in any
 * version, and none is missing of the chunks that are done.
 */
async function checkVersions({ history, open }: World, stream: string): Promise<void> {
  await using session = await engine.session()
  await using table = await open(stream)
  const { version: newest } = await table.latest()
  let previous = 0n
  /** In place of a whole copy: readers see that until the new one is complete. */
  let isReplacing = false
  for (let version = 0n; version <= newest; version++) {
    const snapshot = await table.snapshot({ kind: 'version', version })
    const cursor = snapshot.cursors('sim')[0]?.cursor
    const rows = await liveRows(session, table, snapshot, 'id, value, text')
    const found = new Map(rows.map(([id, value, text]) => [id, { value: Number(value), text }]))
    expect(found.size, `two rows of one key in version ${version}`).toBe(rows.length)
    if (cursor === undefined) continue
    expect(cursor.nextPosition).toBeGreaterThanOrEqual(previous)
    previous = cursor.nextPosition
    isReplacing = isCopyRequested(cursor)
    const now = foldScript(history, stream, cursor.nextPosition)
    if (cursor.phase === 'stream' || isReplacing) {
      expect(found, `version ${version} of ${stream}`).toEqual(now)
      continue
    }
    for (const [id, row] of found) {
      expect(row, `row ${id} in version ${version}`).toEqual(now.get(id as number))
    }
    if ((await table.entry(version))?.operation !== 'copy') continue
    const { copied } = cursor.identity as { copied?: { readonly below: number } }
    const done = [...now.keys()].filter((id) => id < (copied?.below ?? 0))
    for (const id of done) expect(found.has(id), `row ${id} is missing in ${version}`).toBe(true)
  }
  const { cursor } = (await table.latest()).cursors('sim')[0] ?? {}
  expect(cursor?.phase).toBe('stream')
  const rows = await liveRows(session, table, await table.latest(), 'id')
  expect(rows.length).toBe(foldScript(history, stream, 10n ** 9n).size)
}

describe('a table that comes while others are followed', () => {
  it('is copied beside the stream, and right in every version', async () => {
    let between = 0
    for (const seed of [1, 2, 3]) {
      const world = await createWorld(`calm-${seed}`, seed)
      await simulate(world, [])
      expect(world.delivered.copiesBeside).toBe(2)
      await using big = await world.open('big')
      const copies = (await big.timeline({ limit: 1000 })).filter(isCopy)
      const [last, first] = [copies.at(0), copies.at(-1)].map((entry) => Number(entry?.version))
      const ofBig = world.commits.flatMap((table, at) => (table === 'big' ? [at] : []))
      const during = world.commits.slice(ofBig[first as number], ofBig[last as number])
      between += during.filter((table) => table === OLD).length
    }
    expect(between, 'commits of the other table between chunks').toBeGreaterThan(0)
  })

  for (const name of FAILPOINTS) {
    it(`goes on with its copy when the process dies at ${name}`, async () => {
      let crashes = 0
      for (const seed of [21, 22]) {
        const world = await createWorld(`${name}-${seed}`, seed)
        const deaths = [1, 4, 7, 2].map((occurrence) => ({ name, occurrence }))
        crashes += (await simulate(world, deaths)).crashes
      }
      expect(crashes, 'the failpoint was never passed').toBeGreaterThan(0)
    })
  }

  it('is copied again in place while the others go on', async () => {
    for (const seed of [31, 32]) {
      const world = await createWorld(`again-${seed}`, seed)
      await world.run(STREAMS, world.history.slice(0, 12))
      {
        await using table = await world.open('big')
        const base = await table.latest()
        const cursor = base.cursors('sim')[0]?.cursor
        if (cursor === undefined) throw new Error('no cursor')
        await requestCopy({ table, pipeline: 'sim', base, cursor })
      }
      const dies = { name: 'part-staged', occurrence: 2 }
      for (const death of [dies, dies, null]) {
        await world.run(STREAMS, world.history, death)
        await checkAcknowledged(world)
      }
      for (const stream of STREAMS) await checkVersions(world, stream)
      expect(world.delivered.copiesBeside).toBeGreaterThan(0)
    }
  })
})
