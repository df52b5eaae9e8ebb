/**
 * Bad records in a random stream of JSON lines or CSV, the process dying between all commits: each
 * version of the table equals the fold of the good records, each version of its dead-letter table
 * is the list of the bad ones, up to its cursor.
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
  Table,
  TableTarget,
} from '../../src/contracts/index.ts'
import { createEngine, createParquetPort, type Engine } from '../../src/engine/index.ts'
import {
  createPipeline,
  DEAD_LETTER_FAILPOINTS,
  type FailpointName,
} from '../../src/ingest/index.ts'
import { rejectCodeNumber, type StreamSchema } from '../../src/model/index.ts'
import { createSystemClock } from '../../src/observe/index.ts'
import { createDeltaFormat } from '../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { commitSettings, pipelineSettings, upsertTarget } from '../support/pipeline-settings.ts'
import { createDice } from '../support/random.ts'
import { silentTelemetry } from '../support/silent-telemetry.ts'
import { liveRows } from '../support/table-state.ts'

const system = createSystemClock()
let ticks = 0
/** Every look takes a quarter of a second, so that deadlines pass at all kinds of places. */
const clock: Clock = {
  ...system,
  monotonicMs: () => (ticks += 250),
  sleep: async () => undefined,
}
let engine: Engine
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-dead-letters-'))
  const temporaryFolder = join(folder, 'engine')
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder })
})

afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** A record of the script; its position is its index. */
interface Line {
  readonly bytes: Buffer
  /** Null when the record is good. */
  readonly code: string | null
  readonly id: number
  readonly value: number
  readonly isDelete: boolean
}

const SCHEMA: StreamSchema = {
  stream: 'events',
  schemaId: 1,
  key: [],
  columns: [
    { name: 'id', type: 'integer', sourceType: 'int', nullable: true },
    { name: 'value', type: 'double', sourceType: 'double', nullable: true },
    { name: 'at', type: 'timestamp_ntz', sourceType: 'timestamp_ntz', nullable: true },
    { name: 'op', type: 'string', sourceType: 'string', nullable: true },
  ],
}

const TARGET: TableTarget = upsertTarget('events', {
  key: ['id'],
  deleteWhen: { column: 'op', equals: 'd' },
  rejects: { onError: 'dlq', stopAfter: null },
})

/** What differs between the formats of the script. */
interface World {
  readonly format: BlockPart['format']
  readonly csv?: NonNullable<BlockPart['csv']>
  /** A good record. */
  good(id: number, value: number, op: string): string
  /** Bad ones with the code they must get; the id is one that good records have too. */
  readonly bad: readonly (readonly [string, (id: number) => Buffer])[]
  /** Codes that the source finds itself. */
  readonly marked: ReadonlySet<string>
  /** The record as the source lands it, its line end included. */
  landed(line: Line): Buffer
}

const notUtf8 = (before: string, after: string): Buffer =>
  Buffer.concat([Buffer.from(before), Buffer.of(0xff), Buffer.from(after)])

const JSON_LINES: World = {
  format: 'json-lines',
  good: (id, value, op) => `{"id":${id},"value":${value},"op":"${op}"}`,
  bad: [
    ['mistyped', (id) => Buffer.from(`{"id":${id},"value":"a lot"}`)],
    ['mistyped', (id) => Buffer.from(`{"id":${id},"at":"yesterday"}`)],
    ['mistyped', () => Buffer.from('{"id":"x\\ty","value":1}')],
    ['lossy-number', () => Buffer.from('{"id":1.5,"value":1}')],
    ['out-of-range', () => Buffer.from('{"id":3000000000,"value":1}')],
    ['null-key', () => Buffer.from('{"id":null,"value":1}')],
    ['missing-key', () => Buffer.from('{"value":1}')],
    ['invalid-json', (id) => Buffer.from(`{"id":${id},"value":`)],
    ['invalid-json', (id) => Buffer.from(`{"id":${id}} {"id":${id}}`)],
    ['duplicate-member', (id) => Buffer.from(`{"id":${id},"value":1,"value":2}`)],
    ['not-an-object', () => Buffer.from('[1, 2]')],
    ['invalid-utf8', (id) => notUtf8(`{"id":${id}`, '}')],
  ],
  marked: new Set(['not-an-object', 'invalid-utf8']),
  landed: ({ bytes }) => Buffer.concat([bytes, Buffer.from('\n')]),
}

const CSV: World = {
  format: 'csv',
  csv: { delimiter: ',', quote: '"', nullTexts: [''], fields: ['id', 'value', 'at', 'op'] },
  good: (id, value, op) => `${id},${value},,"${op}"`,
  bad: [
    ['mistyped', (id) => Buffer.from(`${id},a lot,,`)],
    ['mistyped', (id) => Buffer.from(`${id},"1\n2",,"u"`)],
    ['mistyped', (id) => Buffer.from(`${id},1,yesterday,`)],
    ['mistyped', () => Buffer.from('"",1,,')],
    ['lossy-number', () => Buffer.from('1.5,1,,u')],
    ['lossy-time', (id) => Buffer.from(`${id},1,2026-01-01 00:00:00.1234567,u`)],
    ['out-of-range', () => Buffer.from('3000000000,1,,u')],
    ['null-key', () => Buffer.from(',1,,u')],
    ['field-count', (id) => Buffer.from(`${id},"1\n""2"`)],
    ['bad-quote', (id) => Buffer.from(`${id},"1"2,,u`)],
    ['open-quote', (id) => Buffer.from(`${id},"1,,u`)],
    ['bad-line-end', (id) => Buffer.from(`${id},1\r,,u`)],
    ['invalid-utf8', (id) => notUtf8(`${id},1,,"`, '"')],
  ],
  marked: new Set(['field-count', 'bad-quote', 'open-quote', 'bad-line-end', 'invalid-utf8']),
  landed: ({ bytes, code }) =>
    CSV.marked.has(code ?? '')
      ? Buffer.from(`"${bytes.toString('latin1').replaceAll('"', '""')}"\n`, 'latin1')
      : Buffer.concat([bytes, Buffer.from('\n')]),
}

const WORLDS: readonly World[] = [JSON_LINES, CSV]

function inventLines(world: World, random: () => number, count: number): Line[] {
  const pick = (limit: number): number => Math.floor(random() * limit)
  return Array.from({ length: count }, (): Line => {
    const id = pick(12)
    const value = pick(1e6) / 4
    if (random() < 0.25) {
      const [code, bytesOf] = world.bad[pick(world.bad.length)] as World['bad'][number]
      return { bytes: bytesOf(id), code, id, value, isDelete: false }
    }
    const isDelete = random() < 0.15
    const bytes = Buffer.from(world.good(id, value, isDelete ? 'd' : 'u'))
    return { bytes, code: null, id, value, isDelete }
  })
}

/** Blocks of random sizes; what no record can be is marked, as a source of files does. */
function sourceOf(world: World, lines: readonly Line[], random: () => number): Source {
  async function* blocks(from: number): AsyncIterable<SourceBlock> {
    for (let at = from; at < lines.length; ) {
      const taken = lines.slice(at, at + 1 + Math.floor(random() * 7))
      const marked = taken.flatMap(({ code }, row) => (world.marked.has(code ?? '') ? [row] : []))
      const codes = marked.map((row) => rejectCodeNumber(taken[row]?.code as 'invalid-utf8'))
      at += taken.length
      yield {
        split: 'script',
        splitNumber: 0,
        parts: [
          {
            schema: SCHEMA,
            format: world.format,
            ...(world.csv && { csv: world.csv }),
            bytes: Buffer.concat(taken.map(world.landed)),
            recordCount: taken.length,
            firstPosition: BigInt(at - taken.length),
            partialCount: 0,
            place: { file: 'events.ndjson', firstLine: at - taken.length + 1, lines: null },
            ...(marked.length > 0 && {
              unreadable: { rows: Uint32Array.from(marked), codes: Uint8Array.from(codes) },
            }),
          },
        ],
        nextPosition: BigInt(at),
        endsTransaction: at === lines.length || random() < 0.7,
        copy: null,
        identity: { script: 'one' },
        sourceTimeMicros: null,
      }
    }
  }
  return {
    name: 'script',
    check: async () => [],
    discover: async () => [SCHEMA],
    start: async ({ streams, keepsUnreadable }) => {
      expect(keepsUnreadable?.has('events')).toBe(true)
      return {
        blocks: () => blocks(Number(streams.get('events')?.[0]?.nextPosition ?? 0n)),
        acknowledge: () => undefined,
        progress: () => ({ ends: new Map(), copies: [] }),
        [Symbol.asyncDispose]: async () => undefined,
      }
    },
    readBack: null,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

class Crash extends Error {}

function isCrash(error: unknown): boolean {
  if (error instanceof Crash) return true
  return error instanceof Error && error.cause !== undefined && isCrash(error.cause)
}

/** Runs to the end of the lines, dying as told, and checks every version of both tables. */
async function simulate(
  world: World,
  death: string,
  seed: number,
  deaths: readonly { readonly name: FailpointName; readonly occurrence: number }[],
): Promise<{ readonly crashes: number; readonly takenBack: number }> {
  const random = createDice(seed).next
  const lines = inventLines(world, random, 90)
  const name = `${world.format}-${death}`
  const store = await createLocalObjectStore(join(folder, name), clock)
  const parquet = createParquetPort({
    openSession: () => engine.session(),
    spoolFolder: folder,
    clock,
  })
  const openFormat = (over: typeof store) =>
    createDeltaFormat({ store: over, clock, writerName: 'simulation', parquet })
  let crashes = 0
  for (let run = 0; ; run++) {
    const death = deaths[run]
    let left = death?.occurrence ?? 0
    const life = new AbortController()
    const pipeline = createPipeline({
      settings: pipelineSettings('sim', [TARGET], {
        commit: commitSettings({
          rowsMax: 1 + Math.floor(random() * 25),
          partRowsMax: 1 + Math.floor(random() * 6),
        }),
      }),
      source: sourceOf(world, lines, random),
      store,
      openFormat,
      clock,
      telemetry: silentTelemetry,
      workFolder: join(folder, `${name}-work`),
      ...(death && {
        failpoints: {
          hit: (passed: FailpointName) => {
            if (passed === death.name) left--
            if (left > 0) return
            life.abort()
            throw new Crash(passed)
          },
        },
      }),
    })
    try {
      if ((await pipeline.run(life.signal)) === 'source-ended') break
      crashes++
    } catch (error) {
      if (!isCrash(error)) throw error
      crashes++
    }
  }
  const format = openFormat(store)
  await using main = (await format.open('events')) as Table
  await using dead = (await format.open('events__dlq')) as Table
  await checkTable(main, lines)
  const takenBack = await checkDeadLetters(dead, world, lines)
  await store[Symbol.asyncDispose]()
  return { crashes, takenBack }
}

async function checkTable(table: Table, lines: readonly Line[]): Promise<void> {
  await using session = await engine.session()
  const { version: newest } = await table.latest()
  let before = 0
  for (let version = 0n; version <= newest; version++) {
    const snapshot = await table.snapshot({ kind: 'version', version })
    const cursor = snapshot.cursors('sim')[0]?.cursor
    if (cursor === undefined) continue
    const end = Number(cursor.nextPosition)
    const expected = new Map<number, number>()
    for (const { code, id, value, isDelete } of lines.slice(0, end)) {
      if (code !== null) continue
      if (isDelete) expected.delete(id)
      else expected.set(id, value)
    }
    const rows = await liveRows(session, table, snapshot, 'id, value')
    expect(rows.length, `two rows of one key in version ${version}`).toBe(expected.size)
    expect(new Map(rows as [number, number][]), `version ${version}`).toEqual(expected)
    const counts = (await table.entry(version))?.accounting
    const bad = lines.slice(before, end).filter(({ code }) => code !== null).length
    expect(counts?.read).toBe(end - before)
    expect(counts?.rejected).toBe(bad)
    expect(counts?.read).toBe((counts?.applied ?? 0) + (counts?.superseded ?? 0) + bad)
    before = end
  }
  expect(before, 'the end of the lines').toBe(lines.length)
}

/** Returns how many commits take dead letters back. */
async function checkDeadLetters(
  table: Table,
  world: World,
  lines: readonly Line[],
): Promise<number> {
  await using session = await engine.session()
  const columns = "position, line, file, code, coalesce(column_name, '-'), hex(raw), format, split"
  const { version: newest } = await table.latest()
  let takenBack = 0
  for (let version = 0n; version <= newest; version++) {
    const snapshot = await table.snapshot({ kind: 'version', version })
    const cursor = snapshot.cursors('sim')[0]?.cursor
    if (cursor === undefined) continue
    const rows = await liveRows(session, table, snapshot, columns)
    const found = rows
      .map((row) => row.map(String))
      .sort((left, right) => Number(left[0]) - Number(right[0]))
    const bad = lines.flatMap(({ code, bytes }, at) =>
      code === null || at >= Number(cursor.nextPosition) ? [] : [{ code, bytes, at }],
    )
    expect(
      found.map(([position, line, file, code, , raw, format, split]) => ({
        position,
        line,
        file,
        code,
        raw,
        format,
        split,
      })),
      `dead letters of version ${version}`,
    ).toEqual(
      bad.map(({ at, code, bytes }) => ({
        position: String(at),
        line: String(at + 1),
        file: 'events.ndjson',
        code,
        raw: bytes.toString('hex').toUpperCase(),
        format: world.format,
        split: 'script',
      })),
    )
    const entry = await table.entry(version)
    if (JSON.stringify(entry?.commitInfo).includes('takenBack')) takenBack++
  }
  return takenBack
}

/** Around every step that makes something durable: of that the format is no part. */
const DEATHS: readonly FailpointName[] = [
  ...DEAD_LETTER_FAILPOINTS,
  'recovered',
  'decoded',
  'part-staged',
  'after-object-put',
  'before-commit',
  'before-conditional-put',
  'after-conditional-put',
  'committed',
]

describe.each(WORLDS)('dead letters of $format', (world) => {
  it('hold each bad record once when nothing fails', async () => {
    for (const seed of [1, 2]) {
      const { takenBack } = await simulate(world, `calm-${seed}`, seed, [])
      expect(takenBack).toBe(0)
    }
  })

  for (const name of world === JSON_LINES ? DEATHS : DEAD_LETTER_FAILPOINTS) {
    it(`hold each bad record once when the process dies at ${name}`, async () => {
      const deaths = [1, 3, 2].map((occurrence) => ({ name, occurrence }))
      const { crashes, takenBack } = await simulate(world, name, 40, deaths)
      expect(crashes, 'the failpoint was never passed').toBeGreaterThan(0)
      if (name === 'dead-letters-committed' || name === 'before-commit') {
        expect(takenBack, 'dead letters taken back').toBeGreaterThan(0)
      }
    })
  }
})
