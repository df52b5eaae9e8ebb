import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../../../src/engine/index.ts'
import { expiredFiles } from '../../../../table-format/delta/log-cleanup.ts'
import { parseLogFile } from '../../../../table-format/delta/log-path.ts'
import {
  commitMany,
  createLocalWorld,
  type LocalWorld,
  logName,
  plainSnapshot,
} from '../../../support/table-format/local-world.ts'
import { commitRequest, stagedFile } from '../../../support/table-format/requests.ts'

const DAY_MS = 86_400_000

let engine: Engine
beforeAll(async () => {
  engine = await createEngine({
    memoryBytes: 128 * 1024 * 1024,
    threads: 1,
    temporaryFolder: join(tmpdir(), 'sluice-cleanup-spill'),
  })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
})

/** Twelve versions, then a while later eight more; a checkpoint every five versions. */
async function createAged(properties: Record<string, string> = {}): Promise<LocalWorld> {
  const world = await createLocalWorld(engine, { 'delta.checkpointInterval': '5', ...properties })
  await commitMany(world, 12)
  world.clock.advance(32 * DAY_MS)
  await commitMany(world, 8)
  return world
}

const commits = (names: readonly string[]): readonly string[] =>
  names.filter((name) => /^\d{20}\.json$/.test(name))

describe('log clean-up', () => {
  it('keeps the checkpoint that the oldest retained version needs, and all after it', async () => {
    const world = await createAged()
    const names = await world.names()
    expect(commits(names)).toEqual(Array.from({ length: 11 }, (_, index) => logName(10 + index)))
    expect(names.filter((name) => name.endsWith('.checkpoint.parquet'))).toEqual(
      [10, 15, 20].map((version) => logName(version, 'checkpoint.parquet')),
    )
    expect(names.filter((name) => name.endsWith('.crc') && name < logName(10, 'crc'))).toEqual([])
    const table = (await (await world.newFormat()).open('t'))!
    for (let version = 10n; version <= 20n; version++) {
      const snapshot = await table.snapshot({ kind: 'version', version })
      expect(snapshot.fileCount).toBe(Number(version))
    }
    const gone = table.snapshot({ kind: 'version', version: 9n })
    await expect(gone).rejects.toMatchObject({ code: 'SLU-TAB-3003' })
    expect(world.warnings).toEqual([])
  })

  it('follows the retention of the table, and leaves a log alone that says so', async () => {
    const long = await createAged({ 'delta.logRetentionDuration': 'interval 40 days' })
    expect(commits(await long.names())).toHaveLength(21)
    const off = await createAged({ 'delta.enableExpiredLogCleanup': 'false' })
    expect(commits(await off.names())).toHaveLength(21)
  })

  it('can stop anywhere: the log opens, and every retained version with it', async () => {
    const world = await createAged({ 'delta.enableExpiredLogCleanup': 'false' })
    const entries = (await world.names()).flatMap((path) => {
      const file = parseLogFile(path)
      return file === null ? [] : [{ file, path, modificationTimeMs: 0 }]
    })
    const expired = expiredFiles(entries, 10n)
    expect(expired.length).toBeGreaterThan(15)
    for (const path of expired) {
      await rm(join(world.log, path))
      const table = (await (await world.newFormat()).open('t'))!
      expect((await table.latest()).version).toBe(20n)
      const oldest = await table.snapshot({ kind: 'version', version: 10n })
      expect(oldest.fileCount).toBe(10)
    }
  })

  it('is not undone by a writer that slept: it takes its entry back and is fenced', async () => {
    const world = await createLocalWorld(engine, { 'delta.checkpointInterval': '5' })
    await commitMany(world, 3)
    const sleeper = (await (await world.newFormat()).open('t'))!
    const base = await sleeper.latest()
    await commitMany(world, 9)
    world.clock.advance(32 * DAY_MS)
    await commitMany(world, 8)
    const late = sleeper.commit(commitRequest(base, { add: [stagedFile('late')] }))
    await expect(late).rejects.toMatchObject({ code: 'SLU-TAB-3011' })
    expect(await world.names()).not.toContain(logName(4))
  })

  it('removes sidecars that no checkpoint names any more, and no others', async () => {
    const world = await createAged({ 'delta.checkpointPolicy': 'v2' })
    await commitMany(world, 5)
    const before = await world.names('_sidecars')
    world.clock.advance(32 * DAY_MS)
    await commitMany(world, 5)
    const after = await world.names('_sidecars')
    expect(before.filter((name) => !after.includes(name)).length).toBeGreaterThan(0)
    const table = (await (await world.newFormat()).open('t'))!
    const newest = await table.latest()
    expect(plainSnapshot(newest)).toEqual(plainSnapshot(await world.table.latest()))
    const oldest = await table.snapshot({ kind: 'version', version: 25n })
    expect(oldest.fileCount).toBe(25)
  })
})
