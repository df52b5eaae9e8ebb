/** The properties of a configuration reach its tables: new ones, and those that exist. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Snapshot } from '../../src/contracts/index.ts'
import { createEngine, type Engine } from '../../src/engine/index.ts'
import { createPipeline } from '../../src/ingest/index.ts'
import { createSystemClock } from '../../src/observe/index.ts'
import { createDeltaFormat } from '../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { pipelineSettings, upsertTarget } from '../support/pipeline-settings.ts'
import { createScriptedSource } from '../support/scripted-source.ts'
import { silentTelemetry } from '../support/silent-telemetry.ts'

const clock = createSystemClock()
let engine: Engine
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-properties-'))
  const temporaryFolder = join(folder, 'engine')
  engine = await createEngine({ memoryBytes: 128 * 2 ** 20, threads: 1, temporaryFolder })
})

afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** Runs a pipeline over one row to its end; the snapshot and what each version was. */
async function run(
  properties: Readonly<Record<string, string>>,
): Promise<{ readonly snapshot: Snapshot; readonly operations: readonly string[] }> {
  const store = await createLocalObjectStore(join(folder, 'lake'), clock)
  const openFormat = (over: typeof store) =>
    createDeltaFormat({ store: over, clock, writerName: 'properties' })
  const pipeline = createPipeline({
    settings: pipelineSettings('p', [upsertTarget('s', { properties })]),
    source: createScriptedSource({
      streams: ['s'],
      history: [[{ stream: 's', op: 'i', id: 1, value: 1, text: 'one' }]],
      random: () => 0.5,
      delivered: { transactionCount: 0, resumedCopies: 0 },
      onAcknowledge: () => undefined,
    }),
    store,
    openFormat,
    clock,
    telemetry: silentTelemetry,
    workFolder: join(folder, 'work'),
  })
  expect(await pipeline.run(new AbortController().signal)).toBe('source-ended')
  await using table = (await openFormat(store).open('s'))!
  const timeline = await table.timeline({ limit: 99 })
  return { snapshot: await table.latest(), operations: timeline.map(({ operation }) => operation) }
}

it('gives tables their properties, and changes them where they exist', async () => {
  const first = await run({ owner: 'shop', 'delta.checkpointInterval': '7' })
  expect(first.snapshot.properties).toMatchObject({
    owner: 'shop',
    'delta.checkpointInterval': '7',
    'sluice.pipeline': 'p',
  })
  expect(first.operations).not.toContain('properties')
  const same = await run({ owner: 'shop', 'delta.checkpointInterval': '7' })
  expect(same.snapshot.version).toBe(first.snapshot.version)
  const changed = await run({ owner: 'sales' })
  expect(changed.operations[0]).toBe('properties')
  expect(changed.snapshot.properties).toEqual({ ...first.snapshot.properties, owner: 'sales' })
  expect(changed.snapshot.rowCount).toBe(1n)
})
