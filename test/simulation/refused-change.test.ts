/** A table that refuses a change of its columns takes nothing that comes after it either. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { BlockPart, Source, SourceBlock, Table } from '../../src/contracts/index.ts'
import { createPipeline, type Pipeline } from '../../src/ingest/index.ts'
import type { SourceColumn, StreamSchema } from '../../src/model/index.ts'
import { createSystemClock } from '../../src/observe/index.ts'
import { createDeltaFormat } from '../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { commitSettings, pipelineSettings, upsertTarget } from '../support/pipeline-settings.ts'
import { DEFAULT_POLICIES } from '../support/schema-policies.ts'
import { silentTelemetry } from '../support/silent-telemetry.ts'

const clock = createSystemClock()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-refused-'))
})

afterAll(() => rm(folder, { recursive: true }))

const ID: SourceColumn = { id: 1, name: 'id', type: 'long', sourceType: 'bigint', nullable: false }
const shape = (schemaId: number, ...more: readonly SourceColumn[]): StreamSchema => ({
  ...{ stream: 's', schemaId, columns: [ID, ...more], key: ['id'] },
})
const WITHOUT = shape(1)
const WITH = shape(2, { id: 2, name: 'b', type: 'long', sourceType: 'bigint', nullable: true })

/** A transaction of so many rows; of none: the copy. */
function block(schema: StreamSchema, number: number, rows: number): SourceBlock {
  const position = BigInt(number * 10)
  const lines = Array.from({ length: rows }, (_, row) => {
    const values = schema.columns.map(() => String(number * 10 + row)).join('\t')
    return `i\t${position}\t0\t${values}\n`
  })
  const part: BlockPart = {
    ...{ schema, format: 'copy-text', bytes: Buffer.from(lines.join('')) },
    ...{ recordCount: rows, partialCount: 0, firstPosition: position },
  }
  const whole = { first: true, resumed: false, complete: true, place: null }
  return {
    ...{ split: 's', splitNumber: 0, parts: rows === 0 ? [] : [part], nextPosition: position + 1n },
    ...{ endsTransaction: true, identity: { it: 'one' }, sourceTimeMicros: null },
    copy: rows === 0 ? { stream: 's', attempt: 'a', rowsCopied: 0, ...whole } : null,
  }
}

/** The third transaction is of another shape; the ones before it are committed when it comes. */
async function* blocks(isCommitted: () => boolean): AsyncGenerator<SourceBlock, void> {
  yield block(WITHOUT, 0, 0)
  for (const number of [1, 2]) yield block(WITHOUT, number, 1)
  while (!isCommitted()) await new Promise((resolve) => setImmediate(resolve))
  yield block(WITH, 3, 1)
  for (const number of [4, 5, 6]) yield block(WITHOUT, number, 3)
}

const createSource = (isCommitted: () => boolean): Source => ({
  name: 'refused',
  check: async () => [],
  discover: async () => [WITHOUT],
  start: async () => ({
    blocks: () => blocks(isCommitted),
    acknowledge: () => undefined,
    progress: () => ({ ends: new Map(), copies: [] }),
    [Symbol.asyncDispose]: async () => undefined,
  }),
  readBack: null,
  [Symbol.asyncDispose]: async () => undefined,
})

it('though a batch is full in the very moment in which it refuses', async () => {
  const lake = await mkdtemp(join(folder, 'lake-'))
  await using store = await createLocalObjectStore(lake, clock)
  const format = createDeltaFormat({ store, clock, writerName: 'test' })
  const target = upsertTarget('s', { schema: { ...DEFAULT_POLICIES, add: 'stop' } })
  const commit = commitSettings({ intervalMs: 600_000, rowsMax: 2 })
  const source = createSource(() => pipeline.status().tables[0]?.rowCount === 2n)
  const pipeline: Pipeline = createPipeline({
    ...{ settings: pipelineSettings('refused', [target], { commit }), source, store },
    ...{ openFormat: () => format, clock, telemetry: silentTelemetry },
    workFolder: join(lake, 'work'),
  })
  await expect(pipeline.run(new AbortController().signal)).rejects.toMatchObject({
    code: 'SLU-ING-4010',
  })
  await using table = (await format.open('s')) as Table
  const latest = await table.latest()
  expect(latest.cursors('refused')[0]?.cursor.nextPosition).toBe(21n)
  expect(latest.rowCount).toBe(2n)
})
