import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { literal } from '../../../../src/engine/index.ts'
import { createFilesLake } from '../../../support/cli/files-lake.ts'
import { engineForTests } from '../../../support/engine.ts'

const forTests = engineForTests()

const COLUMNS = 'columns: { id: bigint, n: bigint, at: timestamp_ntz }'

describe('values that a column does not hold exactly', () => {
  it('are dead letters of NDJSON, however small the difference', async () => {
    using lake = createFilesLake(COLUMNS, 'to: { key: [id] }, onError: dlq')
    const values = {
      '1.0000000000000000001': 'lossy-number',
      '1e-400': 'lossy-number',
      '1.5': 'lossy-number',
      '9223372036854775808.0': 'out-of-range',
      '9007199254740993.0': null,
      '2.0': null,
    }
    const lines = Object.keys(values).map((value, index) => `{"id":${index},"n":${value}}\n`)
    const times = ['2026-11-22T10:00:00.1234567', '2026-11-22T10:00:00.123456000']
    const timed = times.map((at, index) => `{"id":${index + 10},"at":"${at}"}\n`)
    lake.put('a.ndjson', [...lines, ...timed].join(''))
    await lake.ingest()
    expect(await lake.rows('SELECT id, n, "at"::VARCHAR FROM t ORDER BY id')).toEqual([
      [4, '9007199254740993', null],
      [5, 2, null],
      [11, null, '2026-11-22 10:00:00.123456'],
    ])
    expect(await lake.rows('SELECT position, code FROM t__dlq ORDER BY position')).toEqual([
      [0, 'lossy-number'],
      [1, 'lossy-number'],
      [2, 'lossy-number'],
      [3, 'out-of-range'],
      [6, 'lossy-time'],
    ])
  })

  it('stop a pipeline that keeps no dead letters', async () => {
    for (const line of ['{"id":1,"n":1e-400}', '{"id":1,"at":"2026-11-22 10:00:00.0000001"}']) {
      using lake = createFilesLake(COLUMNS)
      lake.put('a.ndjson', `${line}\n`)
      await expect(lake.ingest()).rejects.toThrow('SLU-ING-4003')
    }
  })

  it('are times whose digits beyond microseconds are cut where the source says so', async () => {
    const time = '2026-11-22 10:00:00.123456789'
    const files = {
      ndjson: `{"id":1,"n":1,"at":"${time}"}\n`,
      csv: `id,n,at\n1,1,${time}\n`,
    }
    for (const [format, text] of Object.entries(files)) {
      using lake = createFilesLake(`format: ${format}, nanoseconds: cut, ${COLUMNS}`)
      lake.put(`a.${format}`, text)
      await lake.ingest()
      expect(await lake.rows('SELECT "at"::VARCHAR FROM t'), format).toEqual([
        ['2026-11-22 10:00:00.123456'],
      ])
    }
    using lake = createFilesLake('format: parquet, nanoseconds: cut')
    await using session = await forTests.engine.session()
    await session.run(`COPY (SELECT TIMESTAMP_NS '${time}' AS at)
      TO ${literal(join(lake.input, 'a.parquet'))} (FORMAT parquet)`)
    await lake.ingest()
    expect(await lake.rows('SELECT "at"::VARCHAR FROM t')).toEqual([['2026-11-22 10:00:00.123456']])
  })
})
