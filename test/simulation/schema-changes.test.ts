/**
 * The true ingest room over a source whose columns keep changing: every version, read with its own
 * columns, against a model that folds the same statements.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BlockPart, Source, SourceBlock, Table } from '../../src/contracts/index.ts'
import { createEngine, createParquetPort, type Engine } from '../../src/engine/index.ts'
import { createPipeline } from '../../src/ingest/index.ts'
import { type ColumnType, onlyCursor, type StreamSchema } from '../../src/model/index.ts'
import { createSystemClock, createTelemetry } from '../../src/observe/index.ts'
import { createDeltaFormat } from '../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { commitSettings, pipelineSettings, upsertTarget } from '../support/pipeline-settings.ts'
import { createDice, type Dice } from '../support/random.ts'
import { DEFAULT_POLICIES } from '../support/schema-policies.ts'
import { checkSchemaVersions } from '../torture/schema-check.ts'
import {
  inventTransaction,
  type ModelPolicies,
  type ModelType,
  SourceModel,
  type Statement,
} from '../torture/schema-model.ts'

const clock = createSystemClock()
let engine: Engine
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-schema-'))
  const temporaryFolder = join(folder, 'engine')
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder })
})

afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const decimal = (precision: number, scale: number): ColumnType => ({
  kind: 'decimal',
  precision,
  scale,
})

const COLUMN_TYPES: Readonly<Record<ModelType, ColumnType>> = {
  smallint: 'short',
  integer: 'integer',
  bigint: 'long',
  'numeric(12,2)': decimal(12, 2),
  'numeric(16,4)': decimal(16, 4),
  'numeric(26,4)': decimal(26, 4),
  real: 'float',
  'double precision': 'double',
  date: 'date',
  timestamp: 'timestamp_ntz',
  'varchar(40)': 'string',
  text: 'string',
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n' }
const escaped = (value: string | null): string =>
  value === null ? '\\N' : value.replaceAll(/[\\\t\n]/g, (sign) => ESCAPES[sign] as string)

/** Position of transaction number `seq`, from 1; 0 is the empty copy. */
const positionOf = (seq: number): bigint => BigInt(seq) * 10n

class StormSource {
  readonly #schemas = new Map<string, StreamSchema>()
  readonly #history: readonly (readonly Statement[])[]
  readonly #dice: Dice

  constructor(history: readonly (readonly Statement[])[], dice: Dice) {
    this.#history = history
    this.#dice = dice
  }

  source(): Source {
    return {
      name: 'storm',
      check: async () => [],
      discover: async () => [this.#schemaOf(new SourceModel())],
      start: async (request) => {
        const cursor = onlyCursor(request.streams.get('s'))
        return {
          blocks: () => this.#blocks(cursor?.phase === 'stream' ? cursor.nextPosition : null),
          acknowledge: () => undefined,
          progress: () => ({ ends: new Map(), copies: [] }),
          [Symbol.asyncDispose]: async () => undefined,
        }
      },
      readBack: null,
      [Symbol.asyncDispose]: async () => undefined,
    }
  }

  #schemaOf(model: SourceModel): StreamSchema {
    const columns = model.columns.map(({ attnum, name, type, initial }) => ({
      id: attnum,
      name,
      type: COLUMN_TYPES[type],
      sourceType: type,
      nullable: name !== 'id',
      ...(initial === null ? {} : { initial }),
    }))
    const shape = JSON.stringify(columns)
    const known = this.#schemas.get(shape)
    if (known !== undefined) return known
    const schema = { stream: 's', schemaId: this.#schemas.size + 1, columns, key: ['id'] }
    this.#schemas.set(shape, schema)
    return schema
  }

  async *#blocks(resume: bigint | null): AsyncGenerator<SourceBlock> {
    const model = new SourceModel()
    if (resume === null) {
      const whole = { first: true, resumed: false, complete: true, place: null }
      yield this.#block([], 5n, true, { stream: 's', attempt: 'a', rowsCopied: 0, ...whole })
    }
    for (const [index, transaction] of this.#history.entries()) {
      const position = positionOf(index + 1)
      const parts: BlockPart[] = []
      for (const statement of transaction) {
        const isKnown = statement.kind === 'put' && model.rows.has(statement.id)
        model.apply(statement)
        if (position < (resume ?? 0n)) continue
        const part = this.#partOf(model, statement, position, isKnown ? 'u' : 'i')
        if (part !== null) parts.push(part)
        // A block may end anywhere inside a transaction.
        if (this.#dice.roll(10) > 0 || parts.length === 0) continue
        yield this.#block(parts.splice(0), position, false, null)
      }
      if (position >= (resume ?? 0n)) yield this.#block(parts, position + 1n, true, null)
    }
  }

  #block(
    parts: readonly BlockPart[],
    nextPosition: bigint,
    endsTransaction: boolean,
    copy: SourceBlock['copy'],
  ): SourceBlock {
    const identity = { storm: 'one' }
    const where = { split: 'storm', splitNumber: 0, nextPosition, sourceTimeMicros: null }
    return { ...where, parts, endsTransaction, copy, identity }
  }

  #partOf(
    model: SourceModel,
    statement: Statement,
    position: bigint,
    write: 'i' | 'u',
  ): BlockPart | null {
    const { kind } = statement
    if (kind !== 'put' && kind !== 'delete' && kind !== 'truncate') return null
    const values = model.columns.map(({ attnum, name }) => {
      if (kind === 'put') return escaped(model.rows.get(statement.id)?.get(attnum) ?? null)
      return kind === 'delete' && name === 'id' ? String(statement.id) : '\\N'
    })
    const op = kind === 'put' ? write : kind === 'delete' ? 'd' : 't'
    return {
      schema: this.#schemaOf(model),
      format: 'copy-text',
      bytes: Buffer.from(`${[op, position, position, ...values].join('\t')}\n`),
      recordCount: 1,
      firstPosition: position,
      partialCount: 0,
    }
  }
}

async function runStorm(name: string, seed: number, policies: ModelPolicies): Promise<number> {
  const dice = createDice(seed)
  const invented = new SourceModel()
  // A table that keeps its names has no room for a new column of an old name.
  const freshNames = policies.rename === 'keep'
  const readAttnum = Number.POSITIVE_INFINITY
  const options = { dice, mayRefuse: false, freshNames, readAttnum, defaults: true }
  const history = Array.from({ length: 40 }, (_, index) =>
    inventTransaction(invented, index + 1, options),
  )
  const store = await createLocalObjectStore(join(folder, name), clock)
  const openSession = (): ReturnType<Engine['session']> => engine.session()
  const parquet = createParquetPort({ openSession, spoolFolder: folder, clock })
  const openFormat = (over: typeof store) =>
    createDeltaFormat({ store: over, clock, writerName: 'storm', parquet })
  const schema = { ...DEFAULT_POLICIES, ...policies }
  const pipeline = createPipeline({
    settings: pipelineSettings('storm', [upsertTarget('s', { schema })], {
      source: 'storm',
      commit: commitSettings({
        rowsMax: dice.between(1, 30),
        partRowsMax: dice.pick([1, 3, 1_000]),
      }),
      tombstoneTtlMs: 0,
    }),
    source: new StormSource(history, dice).source(),
    store,
    openFormat,
    clock,
    telemetry: createTelemetry({ level: 'error', format: 'text', stream: process.stderr, clock }),
    workFolder: join(folder, `${name}-work`),
  })
  expect(await pipeline.run(new AbortController().signal)).toBe('source-ended')
  await using table = (await openFormat(store).open('s')) as Table
  const { versions, problems } = await checkSchemaVersions({
    ...{ engine, table, history, policies },
    ...{ copied: 0, last: history.length, fromVersion: 0n },
  })
  expect(problems.join('\n'), `seed ${seed}`).toBe('')
  await store[Symbol.asyncDispose]()
  return versions
}

describe('a table whose stream keeps changing its columns', () => {
  const cases: readonly (readonly [string, ModelPolicies])[] = [
    ['keeps dropped columns and follows names', { drop: 'keep', rename: 'apply' }],
    ['lets dropped columns go', { drop: 'apply', rename: 'apply' }],
    ['keeps its own names', { drop: 'keep', rename: 'keep' }],
  ]
  it.each(cases)('%s, at every version', async (_, policies) => {
    // Types grow between the parts of a transaction in 11 and 17, in 11 over rows that it hides.
    for (const seed of [4, 7, 11, 17]) {
      const name = `${policies.drop}-${policies.rename}-${seed}`
      expect(await runStorm(name, seed, policies)).toBeGreaterThan(20)
    }
  })
})
