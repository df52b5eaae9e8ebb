import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../../../src/engine/index.ts'
import {
  commitMany,
  createLocalWorld,
  type LocalWorld,
  logName,
  plainSnapshot,
} from '../../../support/table-format/local-world.ts'
import { commitRequest } from '../../../support/table-format/requests.ts'

let engine: Engine
beforeAll(async () => {
  engine = await createEngine({
    memoryBytes: 128 * 1024 * 1024,
    threads: 1,
    temporaryFolder: join(tmpdir(), 'sluice-crc-spill'),
  })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
})

const checksum = async (world: LocalWorld, version: number): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(join(world.log, logName(version, 'crc')), 'utf8'))

/** An entry without the checksum of its own lines, which would tell of the change first. */
const unsigned = (text: string): string => text.replace(/,?"checksum":\d+/, '')

async function open(world: LocalWorld) {
  const table = (await (await world.newFormat()).open('t'))!
  return table.latest()
}

describe('version checksums', () => {
  it('say after each commit what the table holds', async () => {
    const world = await createLocalWorld(engine, {})
    const snapshot = await commitMany(world, 3)
    const names = await world.names()
    expect(names.filter((name) => name.endsWith('.crc'))).toEqual(
      [1, 2, 3].map((version) => logName(version, 'crc')),
    )
    const lines = (await readFile(join(world.log, logName(3)), 'utf8')).trimEnd().split('\n')
    const first = (await readFile(join(world.log, logName(0)), 'utf8')).trimEnd().split('\n')
    const [info] = lines.map((line) => JSON.parse(line).commitInfo)
    const all = [...first, ...lines].map((line) => JSON.parse(line))
    expect(await checksum(world, 3)).toEqual({
      txnId: info.txnId,
      tableSizeBytes: snapshot.sizeBytes,
      numFiles: 3,
      numDeletedRecordsOpt: 4,
      numDeletionVectorsOpt: 2,
      numMetadata: 1,
      numProtocol: 1,
      inCommitTimestampOpt: info.inCommitTimestamp,
      setTransactions: all.flatMap((action) => action.txn ?? []),
      domainMetadata: expect.arrayContaining(
        lines.flatMap((line) => JSON.parse(line).domainMetadata ?? []),
      ),
      metadata: all.find((action) => action.metaData).metaData,
      protocol: all.find((action) => action.protocol).protocol,
    })
    expect(plainSnapshot(await open(world))).toEqual(plainSnapshot(snapshot))
  })

  it('betray a log that leads to something else', async () => {
    const world = await createLocalWorld(engine, {})
    await commitMany(world, 3)
    const path = join(world.log, logName(3))
    const text = await readFile(path, 'utf8')
    const changed = text
      .split('\n')
      .filter((line) => !line.includes('"path":"f3"'))
      .join('\n')
    expect(changed).not.toBe(text)
    await writeFile(path, unsigned(changed))
    await expect(open(world)).rejects.toMatchObject({
      code: 'SLU-TAB-3013',
      message: expect.stringContaining('numFiles is 2 and was 3'),
    })
    await rm(join(world.log, logName(3, 'crc')))
    expect((await open(world)).fileCount).toBe(2)
  })

  it('betray a checkpoint that lost files, and the log is read without it', async () => {
    const world = await createLocalWorld(engine, { 'delta.checkpointInterval': '5' })
    const snapshot = await commitMany(world, 6)
    const other = await createLocalWorld(engine, { 'delta.checkpointInterval': '5' })
    const base = await commitMany(other, 4)
    await other.table.commit(commitRequest(base))
    await other.table.checkpoint()
    const name = logName(5, 'checkpoint.parquet')
    const foreign = await readFile(join(other.log, name))
    await writeFile(join(world.log, name), foreign)
    expect(plainSnapshot(await open(world))).toEqual(plainSnapshot(snapshot))
    await rm(join(world.log, logName(0)))
    await expect(open(world)).rejects.toMatchObject({ code: 'SLU-TAB-3013' })
  })

  it('of other engines are only told to be wrong', async () => {
    const world = await createLocalWorld(engine, {})
    const snapshot = await commitMany(world, 2)
    const first = join(world.log, logName(0))
    const text = await readFile(first, 'utf8')
    await writeFile(first, unsigned(text.replace(',"rowTracking"', '')))
    const wrong = { ...(await checksum(world, 2)), numFiles: 99 }
    await writeFile(join(world.log, logName(2, 'crc')), JSON.stringify(wrong))
    expect((await open(world)).fileCount).toBe(snapshot.fileCount)
    expect(world.warnings).toEqual([expect.stringContaining('numFiles is 2 and was 99')])
  })

  it('are not missed, and not believed when they are none', async () => {
    const world = await createLocalWorld(engine, {})
    const snapshot = await commitMany(world, 2)
    for (const text of ['', '{"numFiles":', '[]', '{}']) {
      await writeFile(join(world.log, logName(2, 'crc')), text)
      expect(plainSnapshot(await open(world))).toEqual(plainSnapshot(snapshot))
    }
    await rm(join(world.log, logName(2, 'crc')))
    expect(plainSnapshot(await open(world))).toEqual(plainSnapshot(snapshot))
  })
})
