import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createEngine, type Engine, literal } from '../../../../src/engine/index.ts'
import { fileSize, rowGroupRows } from '../../../../src/ingest/row-groups.ts'

const MIB = 2 ** 20
const ROWS = 100_000
/** Holds no row group of so many wide rows. */
const MEMORY_BYTES = 96 * MIB
let engine: Engine
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-row-groups-'))
  const temporaryFolder = join(folder, 'engine')
  engine = await createEngine({ memoryBytes: MEMORY_BYTES, threads: 1, temporaryFolder })
})

afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

test('narrow rows get the groups that the engine makes by itself, wide ones smaller groups', () => {
  const context = { engineMemoryBytes: 512 * MIB }
  const rowsOf = (bytes: number) => rowGroupRows(context, { count: 1000, sizeBytes: 1000 * bytes })
  expect(rowsOf(300)).toBe(122_880)
  expect(rowsOf(2048)).toBe(65_536)
  expect(rowsOf(100 * MIB)).toBe(2048)
  expect(rowGroupRows(context, { count: 0, sizeBytes: 0 })).toBe(122_880)
})

test('rows are written that one group of them would not leave memory for', async () => {
  await using session = await engine.session()
  const body = 'md5(i::VARCHAR) || repeat(md5((i + 1)::VARCHAR), 31)'
  await session.run(`CREATE TEMP TABLE wide AS SELECT i, ${body} AS body FROM range(${ROWS}) t(i)`)
  const file = join(folder, 'wide.parquet')
  const write = (options: string) =>
    session.run(`COPY wide TO ${literal(file)} (FORMAT parquet, COMPRESSION zstd${options})`)
  await expect(write('')).rejects.toMatchObject({ code: 'SLU-ENG-7001' })
  const sizeBytes = ROWS * 1024
  const rows = rowGroupRows({ engineMemoryBytes: MEMORY_BYTES }, { count: ROWS, sizeBytes })
  await write(`, ROW_GROUP_SIZE ${rows}`)
  const written = await fileSize(session, file)
  expect(written.count).toBe(ROWS)
  expect(written.sizeBytes).toBeGreaterThan(sizeBytes / 2)
})
