import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Table, TableFormat } from '../../../../src/contracts/index.ts'
import { createEngine, type Engine } from '../../../../src/engine/index.ts'
import { purgeDeadLetters } from '../../../../src/ingest/index.ts'
import { createSystemClock } from '../../../../src/observe/index.ts'
import { createDeltaFormat } from '../../../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../../../table-format/object-store/index.ts'
import { parseDocument } from '../../../support/cli/documents.ts'
import { createFilesLake, type FilesLake } from '../../../support/cli/files-lake.ts'
import { upsertTarget } from '../../../support/pipeline-settings.ts'

const clock = createSystemClock()
let engine: Engine
beforeAll(async () => {
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder: '' })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
})

const FILES = 'columns: { id: bigint, amount: double }'
const POLICY = 'to: { key: [id] }, onError: dlq, dlq: { stopAfter: none }, commit: { maxRows: 10 }'
const SURE = ['--yes', '--confirm', 't', '--json'] as const

async function purge(lake: FilesLake, ...args: readonly string[]) {
  const { stdout, stderr } = await lake.sluice('dlq', 'purge', 't', ...args)
  if (stdout === '') throw new Error(stderr)
  return parseDocument('dlq-purge', stdout)
}

const remaining = 'SELECT code, count(*)::INTEGER FROM t__dlq GROUP BY code ORDER BY code'

/** Records of which every fourth is bad. */
const records = (from: number, count: number): string =>
  Array.from({ length: count }, (_, index) => from + index)
    .map((id) => (id % 4 === 0 ? `{"id":${id},"amount":"x"}\n` : `{"id":${id},"amount":1}\n`))
    .join('')

describe('purging dead letters', () => {
  it('only says what it would delete unless it is told twice', async () => {
    using lake = createFilesLake(FILES, POLICY)
    lake.put('a.ndjson', `${records(1, 8)}{"amount":1}\n`)
    expect((await purge(lake, '--json')).records).toBe(0)
    await lake.ingest()
    const found = { dryRun: true, records: 3, codes: { mistyped: 2, 'missing-key': 1 }, kept: 0 }
    expect(await purge(lake, '--json')).toMatchObject({ ...found, version: null })
    expect(await purge(lake, ...SURE, '--dry-run')).toMatchObject({ ...found, version: null })
    const refused = await lake.sluice('dlq', 'purge', 't', '--yes', '--confirm', 'other')
    expect(refused.exitCode).toBe(2)
    expect(refused.stderr).toContain('--yes needs --confirm t')
    expect(await lake.rows(remaining)).toEqual([
      ['missing-key', 1],
      ['mistyped', 2],
    ])
  })

  it('deletes what is old, or of a code, in one commit, and tells what it was', async () => {
    using lake = createFilesLake(FILES, POLICY)
    lake.put('a.ndjson', `${records(1, 8)}{"amount":1}\n`)
    await lake.ingest()
    expect(await purge(lake, ...SURE, '--before', '2020-01-01')).toMatchObject({
      records: 0,
      kept: 3,
      version: null,
    })
    expect(await purge(lake, ...SURE, '--code', 'mistyped')).toMatchObject({
      codes: { mistyped: 2 },
      kept: 1,
      version: '2',
    })
    expect(await lake.rows(remaining)).toEqual([['missing-key', 1]])
    expect(await purge(lake, ...SURE, '--before', '2999-01-01')).toMatchObject({ records: 1 })
    expect(await lake.rows(remaining)).toEqual([])
    const { stdout } = await lake.sluice('timeline', 't__dlq', '--json')
    const operations = parseDocument('timeline', stdout).commits.map(({ operation }) => operation)
    expect(operations).toEqual(['purge', 'purge', 'ingest', 'create'])
  })

  it('takes nothing from a pipeline that runs: each record is purged or there, once', async () => {
    using lake = createFilesLake(FILES, POLICY)
    for (let file = 0; file < 16; file++) lake.put(`${100 + file}.ndjson`, records(file * 10, 10))
    let isDone = false
    const run = lake.ingest().finally(() => {
      isDone = true
    })
    let purged = 0
    let commits = 0
    const purging = async (): Promise<void> => {
      while (!isDone) {
        const { records: count } = await purge(lake, ...SURE)
        purged += count
        if (count > 0) commits++
      }
    }
    await Promise.all([run, purging()])
    expect(commits).toBeGreaterThan(0)
    const left = await lake.rows('SELECT count(*)::INTEGER FROM t__dlq')
    expect(purged + Number(left[0]?.[0])).toBe(40)
    expect(await lake.rows('SELECT count(*)::INTEGER FROM t')).toEqual([[120]])
    await purge(lake, ...SURE)
    lake.append('115.ndjson', records(161, 4))
    await lake.ingest()
    expect(await lake.rows('SELECT position::INTEGER FROM t__dlq')).toEqual([[163]])
  })

  it('plans again when a file went away between its look and its commit', async () => {
    using lake = createFilesLake(FILES, POLICY)
    lake.put('a.ndjson', records(1, 8))
    await lake.ingest()
    const store = await createLocalObjectStore(join(lake.folder, 'lake'), clock)
    const real = createDeltaFormat({ store, clock, writerName: 'test' })
    let isFirst = true
    const disturbed = (table: Table): Table => ({
      ...bound(table),
      commit: async (request) => {
        if (isFirst) {
          isFirst = false
          expect((await purge(lake, ...SURE)).records).toBe(2)
        }
        return table.commit(request)
      },
    })
    const format: TableFormat = {
      ...real,
      open: async (root) => {
        const table = await real.open(root)
        return table === null ? null : disturbed(table)
      },
    }
    await using session = await engine.session()
    const outcome = await purgeDeadLetters({
      format,
      pipeline: 'p',
      target: upsertTarget('t', { key: ['id'] }),
      session,
      condition: { beforeMicros: null, code: null },
      isDryRun: false,
    })
    expect(isFirst).toBe(false)
    expect(outcome).toEqual({ rowCount: 0, counts: [], keptCount: 0, version: null })
    await store[Symbol.asyncDispose]()
  })
})

/** The deeds of a table as an object that can be spread. */
function bound(table: Table): Table {
  return {
    root: table.root,
    latest: () => table.latest(),
    snapshot: (at) => table.snapshot(at),
    commit: (request) => table.commit(request),
    timeline: (options) => table.timeline(options),
    entry: (version) => table.entry(version),
    changes: (from, to) => table.changes(from, to),
    deletedRows: (file) => table.deletedRows(file),
    checkFiles: (files) => table.checkFiles(files),
    readUrl: (file) => table.readUrl(file),
    stagedUrl: (path) => table.stagedUrl(path),
    stageFile: (from, path) => table.stageFile(from, path),
    stageBytes: (path, bytes) => table.stageBytes(path, bytes),
    readBytes: (path) => table.readBytes(path),
    checkpoint: () => table.checkpoint(),
    [Symbol.asyncDispose]: () => table[Symbol.asyncDispose](),
  }
}
