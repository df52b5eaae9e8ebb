import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkHistory, type HistoryRules, liveLines } from '../../../torture/history.ts'

const RULES: HistoryRules = { key: ['id'], conserved: { column: 'amount', sum: 30 } }
const ZERO_UUID = '00000000-0000-0000-0000-000000000000'

let root = ''

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'sluice-history-'))
  mkdirSync(path.join(root, '_delta_log'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/** Writes a data file of (id, amount) rows under physical names. */
async function writeRows(file: string, rows: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const target = path.join(root, file)
  await connection.run(
    `COPY (SELECT * FROM (VALUES ${rows}) t(c1, c2)) TO '${target}' (FORMAT parquet)`,
  )
  connection.closeSync()
  instance.closeSync()
}

/** Writes a vector that deletes one row as one array container. */
function writeVector(row: number): object {
  const bytes = Buffer.alloc(12 + 4 + 8 + 4 + 4 + 2)
  bytes.writeUInt32LE(1_681_511_377, 0)
  bytes.writeBigUInt64LE(1n, 4)
  bytes.writeUInt32LE(12_346, 16)
  bytes.writeUInt32LE(1, 20)
  bytes.writeUInt32LE(16 + 4, 28)
  bytes.writeUInt16LE(row, 32)
  const file = Buffer.alloc(1 + 4 + bytes.length + 4)
  file[0] = 1
  file.writeUInt32BE(bytes.length, 1)
  bytes.copy(file, 5)
  file.writeUInt32BE(crc32(bytes), 5 + bytes.length)
  writeFileSync(path.join(root, `deletion_vector_${ZERO_UUID}.bin`), file)
  const pathOrInlineDv = '0'.repeat(20)
  return { storageType: 'u', pathOrInlineDv, offset: 1, sizeInBytes: bytes.length, cardinality: 1 }
}

function writeVersion(version: number, nextPosition: number, actions: readonly object[]): void {
  const configuration = JSON.stringify({
    nextPosition: String(nextPosition),
    phase: 'stream',
    batchNumber: String(version),
  })
  const cursor = { domain: 'sluice.source.p.slot', configuration, removed: false }
  const field = (name: string, physical: string) => ({
    name,
    metadata: { 'delta.columnMapping.physicalName': physical },
  })
  const schemaString = JSON.stringify({ fields: [field('id', 'c1'), field('amount', 'c2')] })
  const all = [{ metaData: { schemaString } }, { domainMetadata: cursor }, ...actions]
  const name = `${String(version).padStart(20, '0')}.json`
  const text = all.map((action) => JSON.stringify(action)).join('\n')
  writeFileSync(path.join(root, '_delta_log', name), text)
}

describe('the checker of histories', () => {
  it('finds nothing wrong in an upsert that marks the old row', async () => {
    await writeRows('a.parquet', '(1, 10), (2, 20)')
    await writeRows('b.parquet', '(2, 20)')
    writeVersion(0, 5, [{ add: { path: 'a.parquet' } }])
    const deletionVector = writeVector(1)
    writeVersion(1, 6, [
      { remove: { path: 'a.parquet' } },
      { add: { path: 'a.parquet', deletionVector } },
      { add: { path: 'b.parquet' } },
    ])
    const report = await checkHistory(root, RULES)
    expect(report).toEqual({
      versions: 2,
      streamVersions: 2,
      vectorsRead: 1,
      rowsWritten: 3,
      problems: [],
    })
    const columns = [{ name: 'id', sql: (column: string) => `${column}::VARCHAR` }]
    expect(await liveLines(root, columns)).toEqual(['1', '2'])
  })

  it('sees a key that lives twice in a version that a later one heals', async () => {
    await writeRows('a.parquet', '(1, 10), (2, 20)')
    await writeRows('b.parquet', '(2, 0)')
    writeVersion(0, 5, [{ add: { path: 'a.parquet' } }])
    writeVersion(1, 6, [{ add: { path: 'b.parquet' } }])
    writeVersion(2, 7, [{ remove: { path: 'b.parquet' } }])
    const { problems } = await checkHistory(root, RULES)
    expect(problems).toEqual(['version 1: 1 keys live twice, such as ["2"]'])
  })

  it('sees a transaction that is split over two versions', async () => {
    await writeRows('a.parquet', '(1, 10)')
    await writeRows('b.parquet', '(2, 20)')
    writeVersion(0, 5, [{ add: { path: 'a.parquet' } }])
    writeVersion(1, 6, [{ add: { path: 'b.parquet' } }])
    const { problems } = await checkHistory(root, RULES)
    expect(problems).toEqual(['version 0: amount sums to 10'])
  })

  it('sees a cursor that goes back and a batch that is applied twice', async () => {
    await writeRows('a.parquet', '(1, 10), (2, 20)')
    writeVersion(0, 5, [{ add: { path: 'a.parquet' } }])
    writeVersion(1, 4, [])
    writeVersion(3, 4, [])
    const { problems } = await checkHistory(root, RULES)
    expect(problems).toEqual([
      'version 1: cursor went back from 5 to 4',
      'version 2 is missing in the log',
      'version 3: batch 3 follows batch 1',
    ])
  })

  it('sees a damaged vector', async () => {
    await writeRows('a.parquet', '(1, 10), (2, 20)')
    const deletionVector = { ...writeVector(1), cardinality: 2 }
    writeVersion(0, 5, [{ add: { path: 'a.parquet', deletionVector } }])
    const { problems } = await checkHistory(root, RULES)
    expect(problems).toContain('version 0: Error: vector holds 1 rows')
  })
})
