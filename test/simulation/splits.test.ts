/**
 * A source of several splits whose positions have holes: records, deletes and bad records come as
 * JSON lines with marks, the process dies between all commits. Each version of the table is the
 * fold of each split up to its own cursor, and so are the dead letters.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type {
  BlockPart,
  Clock,
  Source,
  SourceBlock,
  SourceStart,
  Table,
  TableTarget,
} from '../../src/contracts/index.ts'
import { createEngine, createParquetPort, type Engine } from '../../src/engine/index.ts'
import { createPipeline, type FailpointName } from '../../src/ingest/index.ts'
import type { StreamSchema } from '../../src/model/index.ts'
import { createSystemClock } from '../../src/observe/index.ts'
import { createDeltaFormat } from '../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { commitSettings, pipelineSettings, upsertTarget } from '../support/pipeline-settings.ts'
import { createDice, type Dice } from '../support/random.ts'
import { silentTelemetry } from '../support/silent-telemetry.ts'
import { liveRows } from '../support/table-state.ts'

const SPLITS = ['events-0', 'events-1', 'events-2'] as const
const POINTS: readonly FailpointName[] = [
  'block-landed',
  'file-written',
  'staged',
  'before-dead-letters',
  'dead-letters-committed',
  'before-commit',
  'committed',
  'before-acknowledge',
]

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
  folder = await mkdtemp(join(tmpdir(), 'sluice-splits-'))
  const temporaryFolder = join(folder, 'engine')
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder })
})

afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** A record of a split; keys of different splits differ. */
interface Entry {
  readonly position: bigint
  readonly id: number
  /** Null deletes the key; NaN stands for a value that no column holds. */
  readonly value: number | null
}

type History = readonly (readonly Entry[])[]

const isBad = ({ value }: Entry): boolean => Number.isNaN(value)

const SCHEMA: StreamSchema = {
  stream: 'events',
  schemaId: 1,
  key: [],
  columns: [
    { name: 'id', type: 'integer', sourceType: 'int', nullable: true },
    { name: 'value', type: 'long', sourceType: 'bigint', nullable: true },
  ],
}

function inventHistory(dice: Dice): History {
  return SPLITS.map((_, split) => {
    let position = BigInt(dice.roll(5))
    return Array.from({ length: 25 + dice.roll(10) }, () => {
      position += BigInt(dice.roll(4) === 0 ? 2 + dice.roll(50) : 1)
      const kind = dice.roll(12)
      const value = kind < 2 ? null : kind === 2 ? Number.NaN : dice.roll(1e6)
      return { position, id: split + SPLITS.length * dice.roll(8), value }
    })
  })
}

function partOf(entries: readonly Entry[]): BlockPart {
  const lines = entries.map((entry) => {
    if (isBad(entry)) return `{"id":${entry.id},"value":"a lot"}\n`
    return entry.value === null
      ? `{"id":${entry.id}}\n`
      : `{"id":${entry.id},"value":${entry.value}}\n`
  })
  const deletes = entries.some(({ value }) => value === null)
  return {
    schema: SCHEMA,
    format: 'json-lines',
    bytes: Buffer.from(lines.join('')),
    recordCount: entries.length,
    firstPosition: entries[0]?.position ?? 0n,
    partialCount: 0,
    marks: {
      positions: BigInt64Array.from(entries, ({ position }) => position),
      timesMs: BigInt64Array.from(entries, ({ position }) => position),
      deletes: deletes ? Uint8Array.from(entries, ({ value }) => (value === null ? 1 : 0)) : null,
    },
  }
}

/** Blocks of random splits and lengths, from each split's cursor on; some without records. */
async function* blocksOf(
  history: History,
  { streams }: SourceStart,
  dice: Dice,
): AsyncIterable<SourceBlock> {
  const cursors = new Map(streams.get('events')?.map((cursor) => [cursor.split, cursor]))
  const open = history.map((entries, number) => {
    const from = cursors.get(SPLITS[number] as string)?.nextPosition ?? 0n
    return { number, entries: entries.filter(({ position }) => position >= from) }
  })
  for (;;) {
    const left = open.filter(({ entries }) => entries.length > 0)
    if (left.length === 0) return
    const { number, entries } = dice.pick(left)
    const taken = entries.splice(0, dice.roll(9))
    const next = entries[0]?.position ?? (taken.at(-1)?.position ?? 0n) + 1n
    // Somewhere in the hole behind the last record.
    const nextPosition = taken.length === 0 ? next : next - BigInt(dice.roll(2))
    const last = taken.at(-1)?.position ?? -1n
    yield {
      split: SPLITS[number] as string,
      splitNumber: number,
      parts: taken.length === 0 ? [] : [partOf(taken)],
      nextPosition: nextPosition > last ? nextPosition : last + 1n,
      endsTransaction: true,
      copy: null,
      identity: { topic: 'one' },
      sourceTimeMicros: null,
    }
  }
}

function scriptedSource(history: History, dice: Dice, acknowledged: Map<string, bigint>): Source {
  return {
    name: 'script',
    check: async () => [],
    discover: async () => [SCHEMA],
    start: async (request) => ({
      blocks: () => blocksOf(history, request, dice),
      acknowledge: (split, position) => void acknowledged.set(split, position),
      progress: () => ({ ends: new Map(), copies: [] }),
      [Symbol.asyncDispose]: async () => undefined,
    }),
    readBack: null,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

class Crash extends Error {}

function isCrash(error: unknown): boolean {
  if (error instanceof Crash) return true
  return error instanceof Error && error.cause !== undefined && isCrash(error.cause)
}

/** What a version must hold: the good records before the cursors; the bad ones apart. */
function foldAt(history: History, cursors: ReadonlyMap<string, bigint>, mode: TableTarget['mode']) {
  const rows = new Map<string, string>()
  const bad: string[] = []
  for (const [number, entries] of history.entries()) {
    const split = SPLITS[number] as string
    for (const entry of entries.filter(({ position }) => position < (cursors.get(split) ?? 0n))) {
      const { id, value, position } = entry
      if (isBad(entry)) bad.push(`${split} ${position}`)
      else if (mode === 'append') {
        if (value !== null) rows.set(`${number} ${position}`, `${id} ${value}`)
      } else if (value === null) rows.delete(String(id))
      else rows.set(String(id), `${value} ${number} ${position}`)
    }
  }
  return { rows, bad: bad.sort() }
}

async function checkVersions(
  table: Table,
  letters: Table,
  history: History,
  mode: TableTarget['mode'],
): Promise<number> {
  await using session = await engine.session()
  const { version: newest } = await table.latest()
  for (let version = 0n; version <= newest; version++) {
    const snapshot = await table.snapshot({ kind: 'version', version })
    const cursors = positions(snapshot.cursors('sim'))
    const columns = '_sluice_split, _sluice_position, id, value'
    const found = new Map(
      (await liveRows(session, table, snapshot, columns)).map(([split, position, id, value]) =>
        mode === 'append'
          ? [`${split} ${position}`, `${id} ${value}`]
          : [String(id), `${value} ${split} ${position}`],
      ),
    )
    expect(found, `version ${version}`).toEqual(foldAt(history, cursors, mode).rows)
  }
  const letter = await letters.latest()
  const rows = await liveRows(session, letters, letter, 'split, position')
  const bad = rows.map(([split, position]) => `${split} ${position}`).sort()
  const cursors = positions((await table.latest()).cursors('sim'))
  expect(bad).toEqual(foldAt(history, cursors, mode).bad)
  return Number(newest)
}

const positions = (
  found: readonly { readonly cursor: { split: string; nextPosition: bigint } }[],
) => new Map(found.map(({ cursor }) => [cursor.split, cursor.nextPosition]))

async function simulate(
  seed: number,
  mode: TableTarget['mode'],
  crashes: readonly { readonly name: FailpointName; readonly occurrence: number }[],
): Promise<number> {
  const name = `${mode}-${crashes[0]?.name ?? 'calm'}-${seed}`
  const dice = createDice(seed)
  const history = inventHistory(dice)
  const store = await createLocalObjectStore(join(folder, name), clock)
  const parquet = createParquetPort({
    openSession: () => engine.session(),
    spoolFolder: folder,
    clock,
  })
  const openFormat = (over: typeof store) =>
    createDeltaFormat({ store: over, clock, writerName: 'simulation', parquet })
  const target = upsertTarget('events', {
    mode,
    key: mode === 'append' ? null : ['id'],
    rejects: { onError: 'dlq', stopAfter: null },
  })
  const acknowledged = new Map<string, bigint>()
  let died = 0
  for (let run = 0; ; run++) {
    const plan = crashes[run]
    const life = new AbortController()
    let left = plan?.occurrence ?? 0
    const hit = (passed: FailpointName): void => {
      if (passed === plan?.name) left--
      if (plan === undefined || left > 0) return
      life.abort()
      throw new Crash(passed)
    }
    const pipeline = createPipeline({
      settings: pipelineSettings('sim', [target], {
        commit: commitSettings({ rowsMax: 1 + dice.roll(30) }),
      }),
      source: scriptedSource(history, dice, acknowledged),
      ...{ store, openFormat, clock, telemetry: silentTelemetry, failpoints: { hit } },
      workFolder: join(folder, `${name}-work`),
    })
    try {
      if ((await pipeline.run(life.signal)) === 'source-ended') break
    } catch (error) {
      if (!isCrash(error)) throw error
    }
    died++
  }
  await using table = (await openFormat(store).open('events')) as Table
  await using letters = (await openFormat(store).open('events__dlq')) as Table
  const versions = await checkVersions(table, letters, history, mode)
  const ends = positions((await table.latest()).cursors('sim'))
  for (const [number, split] of SPLITS.entries()) {
    const last = history[number]?.at(-1)?.position ?? 0n
    expect(ends.get(split)).toBeGreaterThan(last)
    // A life that found nothing left to read acknowledges nothing.
    const told = acknowledged.get(split) ?? 0n
    if (died === 0) expect(told).toBe(ends.get(split))
    expect(told).toBeLessThanOrEqual(ends.get(split) ?? 0n)
  }
  await store[Symbol.asyncDispose]()
  expect(versions).toBeGreaterThan(3)
  return died
}

describe.each(['upsert', 'append'] as const)('a table of several splits, %s', (mode) => {
  it('is the fold of each split up to its cursor at every version', async () => {
    for (const seed of [1, 2]) await simulate(seed, mode, [])
  })

  it.each(POINTS)('is so when the process dies at %s', async (name) => {
    const occurrences = [1, 3, 2].map((occurrence) => ({ name, occurrence }))
    const died = await simulate(11, mode, occurrences)
    expect(died, 'the failpoint was never passed').toBeGreaterThan(0)
  })
})
