import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, literal } from '../../../../src/engine/index.ts'
import { createFilesLake, type FilesLake } from '../../../support/cli/files-lake.ts'

let engine: Engine
let temporaryFolder: string
beforeAll(async () => {
  temporaryFolder = mkdtempSync(join(tmpdir(), 'sluice-parquet-'))
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  rmSync(temporaryFolder, { recursive: true })
})

/** Writes the rows of a query as a file of the folder. */
async function write(lake: FilesLake, name: string, query: string): Promise<void> {
  await using session = await engine.session()
  await session.run(`COPY (${query}) TO ${literal(join(lake.input, name))} (FORMAT parquet)`)
}

const TYPES = 'SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM t)'

describe('a folder of Parquet files', () => {
  it('becomes a table with the types of the files, nested ones too', async () => {
    using lake = createFilesLake('format: parquet')
    await write(
      lake,
      '1.parquet',
      `SELECT i::INTEGER AS id, {'a b': i, l: [i, NULL]} AS s, MAP {'k': [{x: i}]} AS m,
        12345678901234567890.123456789::DECIMAL(38,9) AS d, 18446744073709551615::UBIGINT AS u,
        '00000000-0000-0000-0000-000000000001'::UUID AS g, 'x'::BLOB AS b,
        TIMESTAMP '2026-01-01 00:00:00' AS n, TIMESTAMPTZ '2026-01-01 00:00:00Z' AS z
       FROM range(2) r(i)`,
    )
    await lake.ingest()
    expect(await lake.rows(TYPES)).toEqual([
      ['id', 'INTEGER'],
      ['s', 'STRUCT("a b" BIGINT, l BIGINT[])'],
      ['m', 'MAP(VARCHAR, STRUCT(x BIGINT)[])'],
      ['d', 'DECIMAL(38,9)'],
      ['u', 'DECIMAL(20,0)'],
      ['g', 'VARCHAR'],
      ['b', 'BLOB'],
      ['n', 'TIMESTAMP'],
      ['z', 'TIMESTAMP WITH TIME ZONE'],
    ])
    expect(
      await lake.rows('SELECT id, s::VARCHAR, m::VARCHAR, d::VARCHAR, u::VARCHAR, g FROM t'),
    ).toEqual(
      [0, 1].map((i) => [
        i,
        `{'a b': ${i}, 'l': [${i}, NULL]}`,
        `{k=[{'x': ${i}}]}`,
        '12345678901234567890.123456789',
        '18446744073709551615',
        '00000000-0000-0000-0000-000000000001',
      ]),
    )
    await write(
      lake,
      '2.parquet',
      "SELECT 5::TINYINT AS id, {'a b': 7::BIGINT, l: [8::BIGINT]} AS s",
    )
    await lake.ingest()
    expect(await lake.rows('SELECT id, s::VARCHAR, g FROM t WHERE id = 5')).toEqual([
      [5, "{'a b': 7, 'l': [8]}", null],
    ])
    const { exitCode } = await lake.sluice('verify', 't', '--against', 'source')
    expect(exitCode).toBe(0)
  })

  it('follows new columns and wider types of later files, and stops before others', async () => {
    using lake = createFilesLake('format: parquet')
    await write(lake, '1.parquet', 'SELECT 1::INTEGER AS id')
    await write(lake, '2.parquet', "SELECT 5000000000::BIGINT AS id, 'x' AS more")
    await lake.ingest()
    expect(await lake.rows('SELECT id, more FROM t ORDER BY id')).toEqual([
      [1, null],
      [5000000000, 'x'],
    ])
    await write(lake, '3.parquet', "SELECT 'three' AS id")
    await expect(lake.ingest()).rejects.toThrow('SLU-ING-4005')
    expect(await lake.rows('SELECT count(*) FROM t')).toEqual([[2]])
  })

  it('never cuts nanoseconds off', async () => {
    using lake = createFilesLake('format: parquet')
    await write(lake, '1.parquet', "SELECT TIMESTAMP_NS '2026-01-01 00:00:00.123456000' AS n")
    await lake.ingest()
    expect(await lake.rows('SELECT n::VARCHAR FROM t')).toEqual([['2026-01-01 00:00:00.123456']])
    await write(lake, '2.parquet', "SELECT TIMESTAMP_NS '2026-01-01 00:00:00.123456001' AS n")
    await expect(lake.ingest()).rejects.toThrow('SLU-ING-4003')
  })

  it('reads names that look like patterns, and no column of a folder name', async () => {
    using lake = createFilesLake("format: parquet, pattern: 'a*'")
    await write(lake, 'a[1]=x.parquet', 'SELECT 1 AS id')
    await lake.ingest()
    expect(await lake.rows('SELECT * FROM t')).toEqual([[1]])
  })

  it('stops at a file that is cut, replaced, or of a type without a column', async () => {
    using lake = createFilesLake('format: parquet')
    await write(lake, '1.parquet', 'SELECT 1 AS id')
    await lake.ingest()
    lake.put('2.parquet', 'PAR1 but not to the end')
    await expect(lake.ingest()).rejects.toThrow('SLU-SRC-1411')
    await write(lake, '2.parquet', 'SELECT 2 AS id')
    await lake.ingest()
    await write(lake, '2.parquet', 'SELECT 3 AS id')
    await expect(lake.ingest()).rejects.toThrow('SLU-SRC-1403')
    expect(await lake.rows('SELECT id FROM t ORDER BY id')).toEqual([[1], [2]])
  })

  it('reads only declared columns when asked to', async () => {
    using lake = createFilesLake('format: parquet, undeclared: ignore, columns: { id: bigint }')
    await write(lake, '1.parquet', "SELECT 1 AS id, TIME '10:00' AS t")
    await lake.ingest()
    expect(await lake.rows(TYPES)).toEqual([['id', 'BIGINT']])
  })
})
