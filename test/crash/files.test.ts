import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, literal } from '../../src/engine/index.ts'
import { createFilesLake } from '../support/cli/files-lake.ts'
import { createProcesses } from '../support/cli/process.ts'

const processes = createProcesses()
let engine: Engine
let temporaryFolder: string
beforeAll(async () => {
  temporaryFolder = mkdtempSync(join(tmpdir(), 'sluice-crash-files-'))
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder })
})
afterEach(() => processes.killAll())
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  rmSync(temporaryFolder, { recursive: true })
})

/** Rows of a file: enough for several parts, and so for several commits. */
const ROWS = 150_000
const FORMATS = {
  ndjson: { ending: 'ndjson', copy: 'FORMAT json' },
  'packed ndjson': { ending: 'ndjson.gz', copy: 'FORMAT json, COMPRESSION gzip' },
  csv: { ending: 'csv', copy: 'FORMAT csv, HEADER true' },
  'packed csv': { ending: 'csv.zst', copy: 'FORMAT csv, HEADER true, COMPRESSION zstd' },
  parquet: { ending: 'parquet', copy: 'FORMAT parquet' },
} as const
const TEXT = 'repeat(\'line of "text", \' || chr(10), 5) AS text'

describe('a pipeline over files that is killed again and again', () => {
  it.each(Object.entries(FORMATS))('has every row of %s once', async (format, { ending, copy }) => {
    const name = format.replace('packed ', '')
    using lake = createFilesLake(`format: ${name}`, 'commit: { maxRows: 1000 }')
    await using session = await engine.session()
    for (const [number, firstRow] of [0, ROWS].entries()) {
      const rows = `SELECT i + ${firstRow} AS id, ${TEXT} FROM range(${ROWS}) r(i)`
      const path = join(lake.input, `${number}.${ending}`)
      await session.run(`COPY (${rows}) TO ${literal(path)} (${copy})`)
    }
    for (const failpoint of ['before-commit:2', 'committed:1', 'staged:3', 'block-landed:2']) {
      const variables = { SLUICE_FAILPOINT: failpoint }
      const killed = await processes.start(lake.folder, ['run', '--once'], variables).ended
      expect(killed.signal, killed.stderr).toBe('SIGKILL')
    }
    await lake.ingest()
    expect(
      await lake.rows('SELECT count(*), count(DISTINCT id), max(id), count(DISTINCT text) FROM t'),
    ).toEqual([[2 * ROWS, 2 * ROWS, 2 * ROWS - 1, 1]])
  })
})
