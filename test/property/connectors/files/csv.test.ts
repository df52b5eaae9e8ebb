import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { csvFormat } from '../../../../connectors/files/csv.ts'
import { filesSettingsSchema } from '../../../../connectors/files/index.ts'
import { filesSource } from '../../../../connectors/files/source.ts'
import type { Source, SourceBlock } from '../../../../src/contracts/index.ts'
import { changeSql } from '../../../../src/decode/index.ts'
import { createEngine, type Engine } from '../../../../src/engine/index.ts'
import { createBatchSpool } from '../../../../src/ingest/lander.ts'
import type { Cursor } from '../../../../src/model/index.ts'
import { silentTelemetry } from '../../../support/silent-telemetry.ts'
import { createTestClock } from '../../../support/test-clock.ts'

let base: string
let engine: Engine
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'sluice-csv-'))
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 2, temporaryFolder: base })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(base, { recursive: true })
})

const COLUMNS = ['a', 'b', 'c']

/** A field: NULL, or a text; whether quotes stand where none are needed. */
const field = fc.record({
  text: fc.option(
    fc.string({
      unit: fc.constantFrom('a', '1', ',', '"', '\n', '\r', ' ', ';', '\\', "'", '\t', 'é', '\0'),
      maxLength: 6,
    }),
    { nil: null },
  ),
  isQuoted: fc.boolean(),
})
type Field = { readonly text: string | null; readonly isQuoted: boolean }

function written({ text, isQuoted }: Field): string {
  if (text === null) return ''
  const needsQuotes = text === '' || /[",\n\r]/.test(text)
  return isQuoted || needsQuotes ? `"${text.replaceAll('"', '""')}"` : text
}

const file = fc.record({
  records: fc.array(fc.tuple(field, field, field), { maxLength: 12 }),
  lineEnds: fc.array(fc.constantFrom('\n', '\r\n', '\n\n', '\n\r\n'), { minLength: 1 }),
  hasMark: fc.boolean(),
  isEnded: fc.boolean(),
})

type File = typeof file extends fc.Arbitrary<infer Value> ? Value : never

function textOf({ records, lineEnds, hasMark, isEnded }: File): string {
  const lines = [COLUMNS.join(','), ...records.map((record) => record.map(written).join(','))]
  const ended = lines.map((line, index) => {
    const end = lineEnds[index % lineEnds.length]
    return index === lines.length - 1 && !isEnded ? line : line + end
  })
  return (hasMark ? '\uFEFF' : '') + ended.join('')
}

let folders = 0

async function sourceOver(files: readonly string[]): Promise<Source> {
  const path = join(base, `in-${folders++}`)
  await mkdir(path)
  for (const [index, text] of files.entries()) await writeFile(join(path, `${index}.csv`), text)
  const columns = Object.fromEntries(COLUMNS.map((name) => [name, 'string']))
  const settings = filesSettingsSchema.parse({ path, stream: 's', format: 'csv', columns })
  const context = { name: 's', pipeline: 'p', clock: createTestClock(), telemetry: silentTelemetry }
  return filesSource(settings, context)
}

async function blocksFrom(source: Source, cursor: Cursor | null): Promise<SourceBlock[]> {
  await using session = await source.start({
    streams: new Map([['s', cursor === null ? [] : [cursor]]]),
    memory: { read: async () => null, write: async () => {} },
    bufferBytesMax: 128 * 1024,
    spoolFolder: base,
    signal: new AbortController().signal,
  })
  const blocks: SourceBlock[] = []
  for await (const block of session.blocks()) {
    const parts = block.parts.map((part) => ({ ...part, bytes: Buffer.from(part.bytes) }))
    blocks.push({ ...block, parts })
  }
  return blocks
}

/** What the engine makes of the blocks: position and fields. */
async function decoded(blocks: readonly SourceBlock[]): Promise<unknown[][]> {
  const spool = createBatchSpool(base, BigInt(folders++))
  for (const block of blocks) for (const part of block.parts) await spool.append(part, 0)
  const segments = (await spool.seal()).get('s') ?? []
  const columns = COLUMNS.map((name, index) => {
    const own = { name, physicalName: name, fieldId: index + 1 }
    return { ...own, type: 'string' as const, nullable: true }
  })
  const rows: unknown[][] = []
  await using session = await engine.session()
  for (const segment of segments) {
    const places = new Map(columns.map(({ fieldId }, index) => [fieldId, index]))
    const query = { segment, columns, places, withMasks: false, deleteWhen: null }
    const found = await session.query(
      `SELECT __sluice_position, ${COLUMNS.join(', ')} FROM (${changeSql(query)})`,
    )
    rows.push(...found.rows.map((row) => [...row]))
  }
  await spool.discard()
  return rows
}

describe('CSV files', () => {
  it('come out as they were written, from the start and from every block on', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 3 }), async (files) => {
        const source = await sourceOver(files.map(textOf))
        const expected = files
          .flatMap(({ records }) => records)
          .map((record, index) => [BigInt(index), ...record.map(({ text }) => text)])
        const blocks = await blocksFrom(source, null)
        expect(await decoded(blocks)).toEqual(expected)
        for (const [index, block] of blocks.entries()) {
          const { split, splitNumber, nextPosition, identity } = block
          const rest = { phase: 'stream', batchNumber: 1n, sourceTimeMicros: null } as const
          const cursor = { split, splitNumber, nextPosition, identity, ...rest }
          const after = await blocksFrom(source, cursor)
          const all = await decoded([...blocks.slice(0, index + 1), ...after])
          expect(all).toEqual(expected)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('have the same records wherever a piece of them ends', () => {
    const { scan, records } = csvFormat({ delimiter: ',', quote: '"' }, 3)
    fc.assert(
      fc.property(file, (written) => {
        const bytes = Buffer.from(textOf({ ...written, hasMark: false, isEnded: true }))
        const whole = scan(bytes)
        expect(whole).toMatchObject({ endBytes: bytes.length, problem: null })
        const all = records(bytes, whole)
        for (let cut = 0; cut < bytes.length; cut++) {
          const piece = bytes.subarray(0, cut)
          const first = scan(piece)
          const rest = bytes.subarray(first.endBytes)
          const second = scan(rest)
          const found = Buffer.concat([records(piece, first), records(rest, second)])
          expect(found.equals(all)).toBe(true)
          expect(first.recordCount + second.recordCount).toBe(whole.recordCount)
          expect(first.lineCount + second.lineCount).toBe(whole.lineCount)
        }
      }),
    )
  })

  it('have the same bad records, and the same bytes, wherever a piece of them ends', () => {
    const { scanAll, records } = csvFormat({ delimiter: ',', quote: '"' }, 3)
    const unit = fc.constantFrom('a', ',', ',', '"', '\n', '\r\n', '\r', '\xff')
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 40 }), (text) => {
        const bytes = Buffer.from(`${text}\n`, 'latin1')
        const whole = scanAll(bytes, true)
        expect(whole.endBytes).toBe(bytes.length)
        const all = records(bytes, whole)
        const rejected = [...(whole.unreadable?.rows ?? [])]
        for (let cut = 0; cut < bytes.length; cut++) {
          const piece = bytes.subarray(0, cut)
          const first = scanAll(piece, false)
          const rest = bytes.subarray(first.endBytes)
          const second = scanAll(rest, true)
          const found = Buffer.concat([records(piece, first), records(rest, second)])
          expect(found.equals(all)).toBe(true)
          expect(first.lineCount + second.lineCount).toBe(whole.lineCount)
          const rows = [...(second.unreadable?.rows ?? [])].map((row) => first.recordCount + row)
          expect([...(first.unreadable?.rows ?? []), ...rows]).toEqual(rejected)
        }
      }),
    )
  })
})
