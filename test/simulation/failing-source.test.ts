/** A source that fails again and again: what it told as a whole is committed each time. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Source, SourceBlock, Table } from '../../src/contracts/index.ts'
import { createEngine, type Engine } from '../../src/engine/index.ts'
import { createPipeline } from '../../src/ingest/index.ts'
import { SluiceError } from '../../src/model/index.ts'
import { createSystemClock } from '../../src/observe/index.ts'
import { createDeltaFormat } from '../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { commitSettings, pipelineSettings, upsertTarget } from '../support/pipeline-settings.ts'
import {
  createScriptedSource,
  foldScript,
  type ScriptedTransaction,
} from '../support/scripted-source.ts'
import { silentTelemetry } from '../support/silent-telemetry.ts'
import { liveRows } from '../support/table-state.ts'

const clock = { ...createSystemClock(), sleep: async () => undefined }
const TRANSACTIONS = 12
const LIVES_MAX = 2 * TRANSACTIONS
let engine: Engine
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-failing-'))
  const temporaryFolder = join(folder, 'engine')
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder })
})

afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const HISTORY: readonly ScriptedTransaction[] = Array.from({ length: TRANSACTIONS }, (_, number) =>
  Array.from({ length: 3 }, (_, row) => {
    const id = 10 * number + row
    return { stream: 'a', op: 'i', id, value: id, text: `t${id}` }
  }),
)

/** The scripted source, whose sessions fail in the middle of their third transaction. */
function createFailingSource(random: () => number): { source: Source; lives: () => number } {
  const scripted = createScriptedSource({
    ...{ streams: ['a'], history: HISTORY, random, onAcknowledge: () => undefined },
    delivered: { transactionCount: 0, resumedCopies: 0 },
  })
  let lives = 0
  async function* failing(blocks: AsyncIterable<SourceBlock>): AsyncGenerator<SourceBlock, void> {
    lives++
    let whole = 0
    for await (const block of blocks) {
      if (whole === 2) {
        const code = lives > LIVES_MAX ? 'SLU-SRC-1206' : 'SLU-SRC-1200'
        throw new SluiceError(code, { message: 'the source fails' })
      }
      yield block
      if (block.endsTransaction && block.copy === null && block.parts.length > 0) whole++
    }
  }
  const source: Source = {
    ...scripted,
    start: async (request) => {
      const session = await scripted.start(request)
      return { ...session, blocks: () => failing(session.blocks()) }
    },
  }
  return { source, lives: () => lives }
}

it('gets on, transaction by transaction, though nothing is due when it fails', async () => {
  await using store = await createLocalObjectStore(await mkdtemp(join(folder, 'lake-')), clock)
  const format = createDeltaFormat({ store, clock, writerName: 'test' })
  const commit = commitSettings({ intervalMs: 600_000, rowsMax: 1_000_000 })
  // Ends a block after each transaction.
  const { source, lives } = createFailingSource(() => 0.4)
  const pipeline = createPipeline({
    ...{ settings: pipelineSettings('failing', [upsertTarget('a')], { commit }), source, store },
    ...{ openFormat: () => format, clock, telemetry: silentTelemetry },
    workFolder: join(folder, 'work'),
  })
  expect(await pipeline.run(new AbortController().signal)).toBe('source-ended')
  expect(lives()).toBeLessThan(LIVES_MAX)
  await using table = (await format.open('a')) as Table
  await using session = await engine.session()
  const { version: newest } = await table.latest()
  for (let version = 1n; version <= newest; version++) {
    const snapshot = await table.snapshot({ kind: 'version', version })
    const position = snapshot.cursors('failing')[0]?.cursor.nextPosition as bigint
    const rows = await liveRows(session, table, snapshot, 'id, value, text')
    const found = rows.map(([id, value, text]) => [id, { value: Number(value), text }] as const)
    expect(new Map(found as never)).toEqual(foldScript(HISTORY, 'a', position))
  }
  expect((await table.latest()).rowCount).toBe(BigInt(3 * TRANSACTIONS))
})
