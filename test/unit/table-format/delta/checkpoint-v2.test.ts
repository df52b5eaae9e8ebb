import { readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../../../src/engine/index.ts'
import {
  commitMany,
  createLocalWorld,
  logName,
  plainSnapshot,
} from '../../../support/table-format/local-world.ts'

let engine: Engine
beforeAll(async () => {
  engine = await createEngine({
    memoryBytes: 128 * 1024 * 1024,
    threads: 1,
    temporaryFolder: join(tmpdir(), 'sluice-v2-spill'),
  })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
})

const PROPERTIES = { 'delta.checkpointInterval': '5', 'delta.checkpointPolicy': 'v2' }

describe('v2 checkpoints', () => {
  it('name their sidecars and hold all that the log before them held', async () => {
    const world = await createLocalWorld(engine, PROPERTIES)
    const snapshot = await commitMany(world, 12)
    const names = await world.names()
    const checkpoints = names.filter((name) => name.includes('checkpoint'))
    expect(checkpoints).toEqual([
      expect.stringMatching(/^0{19}5\.checkpoint\.[0-9a-f-]{36}\.json$/),
      expect.stringMatching(/^0{18}10\.checkpoint\.[0-9a-f-]{36}\.json$/),
      '_last_checkpoint',
    ])
    const text = await readFile(join(world.log, checkpoints[1]!), 'utf8')
    const actions = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(actions.filter((action) => action.checkpointMetadata)).toEqual([
      { checkpointMetadata: { version: 10 } },
    ])
    const sidecars = actions.flatMap((action) => action.sidecar ?? [])
    // Ten files and a remove for each of nine old vectors, four to a sidecar.
    expect(sidecars).toHaveLength(5)
    for (const { path, sizeInBytes } of sidecars) {
      const bytes = await readFile(join(world.log, '_sidecars', path))
      expect(bytes).toHaveLength(sizeInBytes)
    }
    for (let version = 0; version < 10; version++) await rm(join(world.log, logName(version)))
    const reopened = (await (await world.newFormat()).open('t'))!
    expect(plainSnapshot(await reopened.latest())).toEqual(plainSnapshot(snapshot))
    expect(world.warnings).toEqual([])
  })

  it('come with the feature in the protocol, which other tables do not have', async () => {
    const protocolOf = async (properties: Record<string, string>): Promise<string> => {
      const world = await createLocalWorld(engine, properties)
      return await readFile(join(world.log, logName(0)), 'utf8')
    }
    const text = await protocolOf(PROPERTIES)
    expect(text).toMatch(/"readerFeatures":\[[^\]]*"v2Checkpoint"/)
    expect(text).toMatch(/"writerFeatures":\[[^\]]*"v2Checkpoint"/)
    expect(await protocolOf({})).not.toMatch(/v2Checkpoint/)
  })

  it('are passed over when a sidecar is gone or damaged and the log reaches back', async () => {
    const world = await createLocalWorld(engine, PROPERTIES)
    const snapshot = await commitMany(world, 7)
    const [sidecar] = await world.names('_sidecars')
    const damages = [(path: string) => writeFile(path, 'PAR1 no more'), (path: string) => rm(path)]
    for (const damage of damages) {
      await damage(join(world.log, '_sidecars', sidecar!))
      const reopened = (await (await world.newFormat()).open('t'))!
      expect(plainSnapshot(await reopened.latest())).toEqual(plainSnapshot(snapshot))
    }
    await rm(join(world.log, logName(0)))
    const format = await world.newFormat()
    await expect(format.open('t')).rejects.toMatchObject({ code: 'SLU-TAB-3012' })
  })
})
