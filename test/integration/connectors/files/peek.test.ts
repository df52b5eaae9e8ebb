import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { literal } from '../../../../src/engine/index.ts'
import { parseDocument } from '../../../support/cli/documents.ts'
import { createFilesLake, type FilesLake } from '../../../support/cli/files-lake.ts'
import { engineForTests } from '../../../support/engine.ts'

const forTests = engineForTests()

async function peek(lake: FilesLake, ...options: readonly string[]) {
  const { stdout, stderr } = await lake.sluice('source', 'peek', '--json', ...options)
  if (stdout === '') throw new Error(stderr)
  return parseDocument('source-peek', stdout)
}
const typesOf = ({ columns }: Awaited<ReturnType<typeof peek>>) =>
  columns.map(({ name, sourceType, nulls, examples }) => [name, sourceType, nulls, examples])

describe('source peek', () => {
  it('shows columns, records, and what cannot be decoded, and writes nothing', async () => {
    using lake = createFilesLake('columns: { at: timestamp }')
    lake.put('a.ndjson', '{"id":1,"at":"2026-11-22T10:00:00Z"}\noops\n{"id":2,"at":"never"}\n')
    lake.put('b.ndjson', '{"id":12345678901234567,"x":[1, 2]}\n')
    const found = await peek(lake, '--limit', '1')
    expect(found.sampled).toEqual({
      records: 4,
      rejected: 2,
      files: ['a.ndjson', 'b.ndjson'],
      isAll: true,
    })
    expect(typesOf(found)).toEqual([
      ['id', 'bigint', 0, ['1', '12345678901234567']],
      ['at', 'timestamp', 1, ['2026-11-22 10:00:00+00']],
      ['x', 'string', 1, ['[1,2]']],
    ])
    expect(found.rows).toEqual([
      {
        position: '0',
        place: 'a.ndjson:1',
        op: 'insert',
        values: { id: '1', at: '2026-11-22 10:00:00+00' },
      },
    ])
    expect(
      found.rejected.map(({ place, code, column, value }) => [place, code, column, value]),
    ).toEqual([
      ['a.ndjson:2', 'not-an-object', null, null],
      ['a.ndjson:3', 'mistyped', 'at', 'never'],
    ])
    expect(existsSync(join(lake.folder, 'lake', 't'))).toBe(false)
    const { stdout } = await lake.sluice('source', 'peek', 'landing')
    expect(stdout).toContain('all there is: 4 records of a.ndjson, b.ndjson')
    expect(stdout).toContain('cannot be decoded (see onError): 2')
  })

  it('reads a bounded sample, and says so', async () => {
    using lake = createFilesLake('columns: { id: bigint }')
    const line = `{"id":1,"text":"${'x'.repeat(200)}"}\n`
    lake.put('a.ndjson', line.repeat(20_000))
    // It ends the read of whoever gets so far.
    lake.put('b.ndjson', Buffer.of(0xff, 0xfe, 0x0a))
    const found = await peek(lake)
    expect(found.sampled).toEqual({
      records: 1000,
      rejected: 0,
      files: ['a.ndjson'],
      isAll: false,
    })
    expect(found.rows.length).toBe(10)
    expect((await lake.sluice('source', 'peek')).stdout).toContain('the first 1,000 records')
  })

  it('shows CSV, Parquet and events of Debezium', async () => {
    using csv = createFilesLake('format: csv')
    csv.put('a.csv', 'id,day\n1,2026-11-22\n2,\n')
    expect(typesOf(await peek(csv))).toEqual([
      ['id', 'bigint', 0, ['1', '2']],
      ['day', 'date', 1, ['2026-11-22']],
    ])
    using parquet = createFilesLake('format: parquet')
    await using session = await forTests.engine.session()
    await session.run(`COPY (SELECT 7::INTEGER AS id, [1.5::DECIMAL(4,2)] AS list)
      TO ${literal(join(parquet.input, 'a.parquet'))} (FORMAT parquet)`)
    expect(typesOf(await peek(parquet))).toEqual([
      ['id', 'integer', 0, ['7']],
      ['list', 'DECIMAL(4,2)[]', 0, ['[1.50]']],
    ])
    using events = createFilesLake('format: debezium-json', 'to: { key: [id] }')
    const source = { connector: 'postgresql', lsn: 1 }
    const event = (op: string, before: object | null, after: object | null) =>
      `${JSON.stringify({ before, after, source, op, ts_ms: 1 })}\n`
    events.put('a.ndjson', event('c', null, { id: 1, n: 'a' }) + event('d', { id: 1 }, null))
    const found = await peek(events)
    expect(found.rows.map(({ op, values }) => [op, values])).toEqual([
      ['insert', { id: '1', n: 'a' }],
      ['delete', { id: '1', n: null }],
    ])
  })

  it('says which sources and streams there are', async () => {
    using lake = createFilesLake('columns: { id: bigint }')
    const failed = async (...args: readonly string[]) =>
      (await lake.sluice('source', ...args)).stderr
    expect(await failed('peek', 'landin')).toContain('Did you mean "landing"?')
    expect(await failed('poke')).toContain('there is no "source poke"')
    expect(await failed('peek', '--stream', 'other')).toContain('SLU-ING-4002')
    const { stdout } = await lake.sluice('source', 'peek')
    expect(stdout).toContain('all there is: 0 records')
  })
})
