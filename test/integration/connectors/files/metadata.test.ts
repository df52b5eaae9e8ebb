import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { literal } from '../../../../src/engine/index.ts'
import { createFilesLake } from '../../../support/cli/files-lake.ts'
import { engineForTests } from '../../../support/engine.ts'

const forTests = engineForTests()
const ALL = 'metadata: [file, line, modified_at]'
const PLACES = 'SELECT id, __file, __line FROM t ORDER BY __file, __line'

describe('what is told of records of files', () => {
  it('becomes columns of NDJSON, blank lines, new members and reading on counted in', async () => {
    using lake = createFilesLake(`columns: { id: bigint }, ${ALL}`)
    lake.put('a.ndjson', '{"id":1}\n\n\n{"id":2}\n{"id":3,"x":"new"}\n')
    lake.put('b.ndjson', '{"id":4}\n{"id":5}\n')
    utimesSync(join(lake.input, 'b.ndjson'), 1795341600.123, 1795341600.123)
    await lake.ingest()
    lake.append('b.ndjson', '\n{"id":6}\n')
    await lake.ingest()
    expect(await lake.rows(PLACES)).toEqual([
      [1, 'a.ndjson', 1],
      [2, 'a.ndjson', 4],
      [3, 'a.ndjson', 5],
      [4, 'b.ndjson', 1],
      [5, 'b.ndjson', 2],
      [6, 'b.ndjson', 4],
    ])
    expect(
      await lake.rows('SELECT DISTINCT epoch_ms(__modified_at)::VARCHAR FROM t WHERE id IN (4, 5)'),
    ).toEqual([['1795341600123']])
    expect(
      await lake.rows(`SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM t)
        WHERE starts_with(column_name, '__')`),
    ).toEqual([
      ['__file', 'VARCHAR'],
      ['__line', 'BIGINT'],
      ['__modified_at', 'TIMESTAMP WITH TIME ZONE'],
    ])
  })

  it('becomes columns of CSV, by the line on which a record begins', async () => {
    using lake = createFilesLake(`format: csv, ${ALL}`)
    lake.put('a.csv', 'id,n\n1,"two\nlines"\n\n2,x\n3,"a\n\nb"\n4,y\n')
    await lake.ingest()
    expect(await lake.rows(PLACES)).toEqual([
      [1, 'a.csv', 2],
      [2, 'a.csv', 5],
      [3, 'a.csv', 6],
      [4, 'a.csv', 9],
    ])
  })

  it('becomes columns of Parquet, by the row', async () => {
    using lake = createFilesLake(`format: parquet, metadata: [line, file]`)
    await using session = await forTests.engine.session()
    for (const name of ['a', 'b']) {
      await session.run(`COPY (SELECT range::INTEGER AS id FROM range(3))
        TO ${literal(join(lake.input, `${name}.parquet`))} (FORMAT parquet)`)
    }
    await lake.ingest()
    expect(await lake.rows(PLACES)).toEqual([
      [0, 'a.parquet', 1],
      [1, 'a.parquet', 2],
      [2, 'a.parquet', 3],
      [0, 'b.parquet', 1],
      [1, 'b.parquet', 2],
      [2, 'b.parquet', 3],
    ])
  })

  it('may be the key, and stays right where records are rejected', async () => {
    using lake = createFilesLake(
      'columns: { id: bigint }, metadata: [file, line]',
      'to: { key: [__file, __line] }, onError: dlq',
    )
    lake.put('a.ndjson', '{"id":1}\noops\n{"id":"x"}\n{"id":1}\n')
    lake.put('b.ndjson', '{"id":1}\n')
    await lake.ingest()
    expect(await lake.rows(PLACES)).toEqual([
      [1, 'a.ndjson', 1],
      [1, 'a.ndjson', 4],
      [1, 'b.ndjson', 1],
    ])
    expect(await lake.rows('SELECT line, code FROM t__dlq ORDER BY line')).toEqual([
      [2, 'not-an-object'],
      [3, 'mistyped'],
    ])
  })

  it('ends the pipeline where records have such a column themselves', async () => {
    const files = { 'a.ndjson': '{"id":1,"__file":"x"}\n', 'a.csv': 'id,__file\n1,x\n' }
    for (const [name, text] of Object.entries(files)) {
      using lake = createFilesLake(`format: ${name.slice(2)}, metadata: [file]`)
      lake.put(name, text)
      await expect(lake.ingest(), name).rejects.toThrow('SLU-SRC-1402')
    }
  })

  it('is compared by verify, and shown by source peek', async () => {
    using lake = createFilesLake('columns: { id: bigint }, metadata: [file, line]')
    lake.put('a.ndjson', '{"id":1}\n\n{"id":2}\n')
    await lake.ingest()
    const { exitCode } = await lake.sluice('verify', 't', '--against', 'source')
    expect(exitCode).toBe(0)
    expect((await lake.sluice('source', 'peek')).stdout).toMatch(/2 +a.ndjson +3/)
  })
})
