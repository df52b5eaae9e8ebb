/** Checkpoints over the real Parquet port: written, read, and done without. */

import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type {
  CommitOutcome,
  LogFields,
  ObjectStore,
  Snapshot,
  Table,
  TableFormat,
} from '../../../../src/contracts/index.ts'
import { createEngine, createParquetPort, type Engine } from '../../../../src/engine/index.ts'
import { createDeltaFormat } from '../../../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../../../table-format/object-store/index.ts'
import {
  commitRequest,
  cursorAt,
  newSchema,
  stagedFile,
  tableSpec,
} from '../../../support/table-format/requests.ts'
import { createTestClock, type TestClock } from '../../../support/test-clock.ts'

const DAY_MS = 86_400_000
const committed = (outcome: CommitOutcome): Snapshot => {
  if (outcome.kind !== 'committed') throw new TypeError(`the commit ended as ${outcome.kind}`)
  return outcome.snapshot
}
const logName = (version: number, end = 'json'): string =>
  `${String(version).padStart(20, '0')}.${end}`

let engine: Engine
beforeAll(async () => {
  engine = await createEngine({
    memoryBytes: 256 * 1024 * 1024,
    threads: 1,
    temporaryFolder: join(tmpdir(), 'sluice-checkpoint-spill'),
  })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
})

interface World {
  readonly log: string
  readonly clock: TestClock
  readonly store: ObjectStore
  readonly format: TableFormat
  readonly warnings: string[]
  readonly table: Table
}

async function createWorld(interval = '5'): Promise<World> {
  const clock = createTestClock()
  const folder = await mkdtemp(join(tmpdir(), 'sluice-checkpoint-'))
  const store = await createLocalObjectStore(folder, clock)
  const parquet = createParquetPort({
    openSession: () => engine.session(),
    spoolFolder: join(folder, '.spool'),
    clock,
  })
  const warnings: string[] = []
  const nothing = (): void => {}
  const telemetry = {
    log: (_level: string, message: string, _fields?: LogFields) => {
      warnings.push(message)
    },
    count: nothing,
    gauge: nothing,
    observe: nothing,
  }
  const format = createDeltaFormat({ store, clock, writerName: 'w', parquet, telemetry })
  const properties = { 'delta.checkpointInterval': interval }
  const schema = { ...newSchema(['id', 'value'], ['id']) }
  const table = await format.create('t', { ...tableSpec(schema), properties })
  return { log: join(folder, 't/_delta_log'), clock, store, format, warnings, table }
}

/** Commits that add a file each, hide a row of the one before, and move a cursor. */
async function commitMany(world: World, count: number): Promise<Snapshot> {
  let snapshot = await world.table.latest()
  for (let index = 0; index < count; index++) {
    const number = snapshot.version + 1n
    const before = snapshot.file(`f${snapshot.version}`)
    const from = snapshot.cursors('p')[0]?.cursor ?? null
    snapshot = committed(
      await world.table.commit(
        commitRequest(snapshot, {
          add: [stagedFile(`f${number}`, 1000)],
          deletes: before === null ? [] : [{ path: before.path, rows: Uint32Array.of(1, 7) }],
          pipeline: 'p',
          cursors: [{ from, to: cursorAt(2n ** 60n + number, number) }],
        }),
      ),
    )
  }
  await world.table[Symbol.asyncDispose]()
  return snapshot
}

const reopen = async ({ format }: World): Promise<Snapshot> => (await format.open('t'))!.latest()
const plain = (snapshot: Snapshot): object => ({
  version: snapshot.version,
  timestampMicros: snapshot.timestampMicros,
  schema: snapshot.schema,
  properties: snapshot.properties,
  rowCount: snapshot.rowCount,
  sizeBytes: snapshot.sizeBytes,
  cursors: snapshot.cursors(),
  rowIds: snapshot.domain('delta.rowTracking'),
  files: [...snapshot.files()].map((file) => ({
    path: file.path,
    statistics: file.statistics,
    partitionValues: file.partitionValues,
    modificationTimeMs: file.modificationTimeMs,
    deletionVector: file.deletionVector,
    baseRowId: file.baseRowId,
    defaultRowCommitVersion: file.defaultRowCommitVersion,
  })),
})

describe('checkpoints', () => {
  it('are written at the interval and hold all that the log before them held', async () => {
    const world = await createWorld()
    const snapshot = await commitMany(world, 12)
    const files = await readdir(world.log)
    expect(files.filter((file) => file.includes('checkpoint.'))).toEqual([
      logName(5, 'checkpoint.parquet'),
      logName(10, 'checkpoint.parquet'),
    ])
    const hint = JSON.parse(await readFile(join(world.log, '_last_checkpoint'), 'utf8'))
    expect(hint).toMatchObject({ version: 10, numOfAddFiles: 10 })
    for (let version = 0; version < 10; version++) await rm(join(world.log, logName(version)))
    expect(plain(await reopen(world))).toEqual(plain(snapshot))
    expect(world.warnings).toEqual([])
  })

  it('have no vector where a file has none, and a struct where it has one', async () => {
    const world = await createWorld()
    await commitMany(world, 5)
    const url = join(world.log, logName(5, 'checkpoint.parquet'))
    await using session = await engine.session()
    const { rows } = await session.query(`SELECT add.path, add.deletionVector IS NULL,
      add.deletionVector.cardinality FROM read_parquet('${url}') WHERE add IS NOT NULL ORDER BY 1`)
    expect(rows.map((row) => row.slice(0, 2))).toEqual([
      ['f1', false],
      ['f2', false],
      ['f3', false],
      ['f4', false],
      ['f5', true],
    ])
    const other = await session.query(`SELECT count(protocol), count(metaData), count(txn),
      count(domainMetadata), count(remove), max(txn.version) FROM read_parquet('${url}')`)
    expect(other.rows[0]?.map(Number)).toEqual([1, 1, 1, 2, 4, 5])
  })

  it('carry removes on until they expire', async () => {
    const world = await createWorld('1000')
    const removesOf = async (version: number): Promise<number> => {
      const url = join(world.log, logName(version, 'checkpoint.parquet'))
      await using session = await engine.session()
      const { rows } = await session.query(`SELECT count(remove) FROM read_parquet('${url}')`)
      return Number(rows[0]?.[0])
    }
    await commitMany(world, 4)
    await world.table.checkpoint()
    expect(await removesOf(4)).toBe(3)
    world.clock.advance(4 * DAY_MS)
    await commitMany(world, 2)
    await world.table.checkpoint()
    expect(await removesOf(6)).toBe(5)
    world.clock.advance(4 * DAY_MS)
    await commitMany(world, 1)
    await world.table.checkpoint()
    expect(await removesOf(7)).toBe(3)
  })

  it('are written once for a version', async () => {
    const world = await createWorld('1000')
    await commitMany(world, 2)
    await world.table.checkpoint()
    const path = join(world.log, logName(2, 'checkpoint.parquet'))
    const first = await readFile(path)
    world.clock.advance(1000)
    await world.table.checkpoint()
    expect(await readFile(path)).toEqual(first)
  })

  it.each([
    ['missing', async (path: string) => rm(path)],
    ['not JSON', async (path: string) => writeFile(path, '{"vers')],
    ['empty', async (path: string) => writeFile(path, '')],
    ['stale', async (path: string) => writeFile(path, '{"version":5,"size":9}')],
    ['of a checkpoint that never was', async (path: string) => writeFile(path, '{"version":77}')],
    ['between two checkpoints', async (path: string) => writeFile(path, '{"version":7}')],
  ])('are found when the hint is %s', async (_name, harm) => {
    const world = await createWorld()
    const snapshot = await commitMany(world, 12)
    await harm(join(world.log, '_last_checkpoint'))
    expect(plain(await reopen(world))).toEqual(plain(snapshot))
  })

  it('are passed over when damaged, while the log reaches back without them', async () => {
    const world = await createWorld()
    const snapshot = await commitMany(world, 12)
    await truncate(join(world.log, logName(10, 'checkpoint.parquet')), 500)
    expect(plain(await reopen(world))).toEqual(plain(snapshot))
    await writeFile(join(world.log, logName(5, 'checkpoint.parquet')), 'no Parquet')
    expect(plain(await reopen(world))).toEqual(plain(snapshot))
    await rm(join(world.log, logName(0)))
    await expect(reopen(world)).rejects.toMatchObject({ code: 'SLU-TAB-3012' })
  })

  it('serve older versions, and the bounds are told beyond them', async () => {
    const world = await createWorld()
    await commitMany(world, 12)
    for (let version = 0; version < 5; version++) await rm(join(world.log, logName(version)))
    await using table = (await world.format.open('t'))!
    for (const version of [5n, 6n, 9n, 10n, 11n]) {
      const snapshot = await table.snapshot({ kind: 'version', version })
      expect(snapshot.fileCount).toBe(Number(version))
      const byTime = { kind: 'timestamp', micros: snapshot.timestampMicros } as const
      expect((await table.snapshot(byTime)).version).toBe(version)
    }
    await expect(table.snapshot({ kind: 'version', version: 4n })).rejects.toMatchObject({
      code: 'SLU-TAB-3003',
      message: expect.stringContaining('5 to 12'),
    })
    await expect(table.changes(3n, 7n)).rejects.toMatchObject({ code: 'SLU-TAB-3004' })
    expect(await table.changes(4n, 7n)).toHaveLength(3)
    expect(await table.timeline({ limit: 99 })).toHaveLength(8)
  })

  it('that fail are told and harm no commit', async () => {
    const world = await createWorld()
    await commitMany(world, 2)
    await rm(join(world.log, logName(0)))
    const snapshot = await commitMany(world, 4)
    expect(snapshot.version).toBe(6n)
    expect(world.warnings).toHaveLength(1)
    await expect(world.table.checkpoint()).rejects.toMatchObject({ code: 'SLU-TAB-3005' })
  })
})

describe('a writer that slept', () => {
  it('finds the newest version although the ones it waits for were cleaned away', async () => {
    const world = await createWorld()
    await using sleeper = (await world.format.open('t'))!
    const snapshot = await commitMany(world, 12)
    for (let version = 0; version < 10; version++) await rm(join(world.log, logName(version)))
    world.clock.advance(DAY_MS)
    expect((await sleeper.latest()).version).toBe(snapshot.version)
  })

  it('takes back a version that it created anew after a clean-up', async () => {
    const world = await createWorld()
    await commitMany(world, 1)
    const sleep = async (): Promise<void> => {
      await commitMany(world, 11)
      for (let version = 0; version < 10; version++) await rm(join(world.log, logName(version)))
      world.clock.advance(40 * DAY_MS)
    }
    const inner = world.store
    const store = {
      url: inner.url,
      get: (path: string) => inner.get(path),
      head: (path: string) => inner.head(path),
      delete: (path: string) => inner.delete(path),
      list: (prefix: string, after?: string) => inner.list(prefix, after),
      putIfAbsent: async (path: string, bytes: Uint8Array) => {
        await sleep()
        return inner.putIfAbsent(path, bytes)
      },
    } as unknown as ObjectStore
    const format = createDeltaFormat({ store, clock: world.clock, writerName: 'sleeper' })
    await using sleeper = (await format.open('t'))!
    const base = await sleeper.latest()
    await expect(sleeper.commit(commitRequest(base))).rejects.toMatchObject({
      code: 'SLU-TAB-3011',
      kind: 'fenced',
    })
    expect(await readdir(world.log)).not.toContain(logName(2))
    expect((await reopen(world)).version).toBe(12n)
  })

  it('is fenced also when it slept before committing, whatever the clock says', async () => {
    const world = await createWorld()
    await using sleeper = (await world.format.open('t'))!
    const base = await sleeper.latest()
    await commitMany(world, 12)
    for (let version = 0; version < 10; version++) await rm(join(world.log, logName(version)))
    await expect(sleeper.commit(commitRequest(base))).rejects.toMatchObject({
      code: 'SLU-TAB-3011',
    })
    expect(await readdir(world.log)).not.toContain(logName(1))
  })
})
