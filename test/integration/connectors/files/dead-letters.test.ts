import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, literal } from '../../../../src/engine/index.ts'
import { parseDocument } from '../../../support/cli/documents.ts'
import { createFilesLake, type FilesLake } from '../../../support/cli/files-lake.ts'

let engine: Engine
let temporaryFolder: string
beforeAll(async () => {
  temporaryFolder = mkdtempSync(join(tmpdir(), 'sluice-dead-letters-'))
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  rmSync(temporaryFolder, { recursive: true })
})

const DEAD = `SELECT position::VARCHAR, line, code, coalesce(column_name, '-'), hex(raw)
  FROM t__dlq ORDER BY position`

/** Rows of the dead-letter table, their bytes as Latin 1. */
async function deadLetters(lake: FilesLake): Promise<readonly unknown[][]> {
  const rows = await lake.rows(DEAD)
  return rows.map((row) => [
    ...row.slice(0, -1),
    Buffer.from(String(row[4]), 'hex').toString('latin1'),
  ])
}

/** What `status` says of rejected records, times aside. */
async function rejected(lake: FilesLake): Promise<object> {
  const { stdout } = await lake.sluice('status', '--json')
  const { rejected: found } = parseDocument('status', stdout).pipelines[0]?.tables[0] ?? {}
  return { ...found, newestAt: null }
}

async function accounting(lake: FilesLake): Promise<object> {
  const { stdout } = await lake.sluice('commit', 't', '1', '--json')
  return (JSON.parse(stdout) as { commit: { accounting: object } }).commit.accounting
}

const CSV = `format: csv,
  columns: { id: int, amount: "decimal(10,2)", note: text, at: timestamp_ntz }`

const BAD = Buffer.from(
  `id,amount,note,at
1,1.5,a,2026-01-01 00:00:00.123456
2,much,b,
3,2
4,3,"open,
5,4,"two\r\nlines",\r
6,5,x"y,

,6,no key,
7,7,\xff,
8,99999999999.5,"two
lines",
9,1.555,scale,
x1,1,,
10,1,,2026-01-01 00:00:00.1234567
1,2,a2,
11,1,"last`,
  'latin1',
)

describe('bad records of CSV files', () => {
  it('go to the dead-letter table with their bytes, and the others to the table', async () => {
    using lake = createFilesLake(CSV, 'to: { key: [id] }, onError: dlq')
    lake.put('a.csv', BAD)
    await lake.ingest()
    expect(await lake.rows('SELECT id, amount::VARCHAR, note FROM t ORDER BY id')).toEqual([
      [1, '2.00', 'a2'],
      [5, '4.00', 'two\r\nlines'],
    ])
    expect(await deadLetters(lake)).toEqual([
      ['1', 3, 'mistyped', 'amount', '2,much,b,'],
      ['2', 4, 'field-count', '-', '3,2'],
      ['3', 5, 'bad-quote', '-', '4,3,"open,'],
      ['5', 8, 'bad-quote', '-', '6,5,x"y,'],
      ['6', 10, 'null-key', 'id', ',6,no key,'],
      ['7', 11, 'invalid-utf8', '-', '7,7,\xff,'],
      ['8', 12, 'out-of-range', 'amount', '8,99999999999.5,"two\nlines",'],
      ['9', 14, 'lossy-number', 'amount', '9,1.555,scale,'],
      ['10', 15, 'mistyped', 'id', 'x1,1,,'],
      ['11', 16, 'lossy-time', 'at', '10,1,,2026-01-01 00:00:00.1234567'],
      ['13', 18, 'open-quote', '-', '11,1,"last'],
    ])
    expect(await accounting(lake)).toMatchObject({
      read: 14,
      applied: 2,
      superseded: 1,
      rejected: 11,
    })
    expect(await rejected(lake)).toMatchObject({
      kept: '11',
      lastHour: 11,
      newestCode: 'bad-quote',
    })
    expect(await lake.rows('SELECT DISTINCT file, format FROM t__dlq')).toEqual([['a.csv', 'csv']])
  })

  it('are counted and left out where they are skipped', async () => {
    using lake = createFilesLake(CSV, 'to: { mode: append }, onError: skip')
    lake.put('a.csv', BAD)
    await lake.ingest()
    expect(await lake.rows('SELECT count(*) FROM t')).toEqual([[4]])
    expect(await accounting(lake)).toMatchObject({ read: 14, applied: 4, rejected: 10 })
    expect(await rejected(lake)).toMatchObject({ kept: null, lastHour: 10 })
  })

  it('stop before the first one otherwise, and it is named', async () => {
    using lake = createFilesLake(CSV, 'to: { key: [id] }')
    lake.put('a.csv', 'id,amount,note,at\n1,1,,\n2,1.555,,\n')
    await expect(lake.ingest()).rejects.toThrow(
      /SLU-ING-4003.*position 1.*lossy-number: column amount, value 1.555/,
    )
  })

  it('lack the key where their file has no such column', async () => {
    using lake = createFilesLake(CSV, 'to: { key: [id] }, onError: dlq')
    lake.put('a.csv', 'id,amount\n1,1\n')
    lake.put('b.csv', 'amount\n1\n2\n')
    await lake.ingest()
    expect(await deadLetters(lake)).toEqual([
      ['1', 2, 'missing-key', 'id', '1'],
      ['2', 3, 'missing-key', 'id', '2'],
    ])
  })
})

/** Writes rows as a Parquet file of the folder. */
async function putParquet(lake: FilesLake, name: string, select: string): Promise<void> {
  await using session = await engine.session()
  await session.run(`COPY (${select}) TO ${literal(join(lake.input, name))} (FORMAT parquet)`)
}

const ROWS = `SELECT * FROM (VALUES
  (1, TIMESTAMP_NS '2026-01-01 00:00:00.123456000', 1.50::DECIMAL(38,2), 'a'::BLOB),
  (2, TIMESTAMP_NS '2026-01-01 00:00:00.123456789', 12345678901234567890.25, '\\xFF'),
  (NULL, TIMESTAMP_NS '2026-01-01', 3, NULL),
  (3, NULL, NULL, NULL)) AS v(id, seen, amount, bytes)`

describe('rows of Parquet files that do not fit', () => {
  it('go to the dead-letter table as JSON, with their places', async () => {
    using lake = createFilesLake('format: parquet', 'to: { key: [id] }, onError: dlq')
    await putParquet(lake, '1.parquet', ROWS)
    await putParquet(lake, '2.parquet', `SELECT * FROM (${ROWS}) LIMIT 2`)
    await lake.ingest()
    const kept = await lake.rows('SELECT id, seen::VARCHAR, amount::VARCHAR FROM t ORDER BY id')
    expect(kept).toEqual([
      [1, '2026-01-01 00:00:00.123456', '1.50'],
      [3, null, null],
    ])
    const second = `{"id":2,"seen":"2026-01-01 00:00:00.123456789",\
"amount":12345678901234567890.25,"bytes":"\\\\xFF"}`
    expect(await deadLetters(lake)).toEqual([
      ['1', 2, 'lossy-time', 'seen', second],
      [
        '2',
        3,
        'null-key',
        'id',
        '{"id":null,"seen":"2026-01-01 00:00:00","amount":3.00,"bytes":null}',
      ],
      ['5', 2, 'lossy-time', 'seen', second],
    ])
    const places = `SELECT file, format, count(*)::INTEGER FROM t__dlq GROUP BY ALL ORDER BY ALL`
    expect(await lake.rows(places)).toEqual([
      ['1.parquet', 'parquet', 2],
      ['2.parquet', 'parquet', 1],
    ])
    expect(await accounting(lake)).toMatchObject({ read: 6, applied: 2, rejected: 3 })
  })

  it('are counted and left out where they are skipped, in large files too', async () => {
    using lake = createFilesLake('format: parquet', 'onError: skip, dlq: { stopAfter: none }')
    const end = "CASE WHEN i % 1000 = 7 THEN '.000000001' ELSE '.000001' END"
    await putParquet(
      lake,
      '1.parquet',
      `SELECT i AS id, ('2026-01-01 00:00:00' || ${end})::TIMESTAMP_NS AS seen
        FROM range(200000) r(i)`,
    )
    await lake.ingest()
    const found = 'SELECT count(*)::INTEGER, count(*) FILTER (id % 1000 = 7)::INTEGER FROM t'
    expect(await lake.rows(found)).toEqual([[199_800, 0]])
  })

  it('are none where the file itself cannot be read: that stops the pipeline', async () => {
    using lake = createFilesLake('format: parquet', 'onError: dlq')
    await putParquet(lake, '1.parquet', 'SELECT i AS id, uuid() AS u FROM range(20000) r(i)')
    const bytes = readFileSync(join(lake.input, '1.parquet'))
    lake.put('0.parquet', 'no file of Parquet PAR1')
    await expect(lake.ingest()).rejects.toThrow('SLU-SRC-1411')
    rmSync(join(lake.input, '0.parquet'))
    lake.put('1.parquet', Buffer.from(bytes).fill(0xff, 1000, bytes.length - 2000))
    await expect(lake.ingest()).rejects.toThrow(
      /SLU-ING-4003.*between positions 0 and 20000.*1.parquet/,
    )
    expect(await lake.rows('SELECT count(*) FROM t')).toEqual([[0]])
  })
})
