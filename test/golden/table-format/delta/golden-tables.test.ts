/** Tables written by Spark: every one opens, and yields the rows that a correct reader yields. */

import { existsSync, readdirSync } from 'node:fs'
import { readdir, rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Snapshot, Table } from '../../../../src/contracts/index.ts'
import { createEngine, createParquetPort, type Engine } from '../../../../src/engine/index.ts'
import { createSystemClock } from '../../../../src/observe/index.ts'
import { openWorkspace, snapshotRelation } from '../../../../src/read/index.ts'
import { createDeltaFormat } from '../../../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../../../table-format/object-store/index.ts'
import { goldenTables, hasGolden, unpackGolden } from '../../../support/golden.ts'
import { isMissing } from '../../../support/require.ts'

const skipped = isMissing('golden Delta tables', '../shared/golden', hasGolden())
const clock = createSystemClock()
let engine: Engine

beforeAll(async () => {
  engine = await createEngine({
    memoryBytes: 512 * 1024 * 1024,
    threads: 2,
    temporaryFolder: join(tmpdir(), 'sluice-golden-spill'),
  })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
})

async function openTable(folder: string): Promise<Table | null> {
  const store = await createLocalObjectStore(dirname(folder), clock)
  const parquet = createParquetPort({
    openSession: () => engine.session(),
    spoolFolder: join(tmpdir(), 'sluice-golden-spool'),
    clock,
  })
  const format = createDeltaFormat({ store, clock, writerName: 'sluice/test', parquet })
  return format.open(basename(folder))
}

/** Rows in one relation and not in the other, counted with repeats. */
async function differences(table: Table, snapshot: Snapshot, expected: string): Promise<number> {
  await using workspace = await openWorkspace(engine)
  const { session } = workspace
  const sql = await snapshotRelation(workspace, { table, snapshot, withMetaColumns: true })
  await session.run(`CREATE TEMP TABLE found AS ${sql}`)
  const { rows } = await session.query('DESCRIBE found')
  const casts = rows.map(([name, type]) => `CAST("${name}" AS ${type}) AS "${name}"`)
  const files = `read_parquet('${expected}/*.parquet')`
  await session.run(`CREATE TEMP TABLE wanted AS SELECT ${casts.join(', ')} FROM ${files}`)
  const counted = await session.query(`SELECT
    (SELECT count(*) FROM (FROM found EXCEPT ALL FROM wanted)) +
    (SELECT count(*) FROM (FROM wanted EXCEPT ALL FROM found))`)
  return Number(counted.rows[0]?.[0])
}

/** Tables whose rows cannot be compared yet, with the reason. */
const ROWS_SKIPPED: Readonly<Record<string, string>> = {}

/** Tables without expected rows: what must be true of them instead. */
const REFUSED: Readonly<Record<string, string>> = {
  'deltalog-invalid-protocol-version': 'SLU-TAB-3007',
  'deltalog-state-reconstruction-from-checkpoint-missing-metadata': 'SLU-TAB-3005',
  'deltalog-state-reconstruction-from-checkpoint-missing-protocol': 'SLU-TAB-3005',
  'deltalog-state-reconstruction-without-metadata': 'SLU-TAB-3005',
  'deltalog-state-reconstruction-without-protocol': 'SLU-TAB-3005',
  'versions-not-contiguous': 'SLU-TAB-3005',
}

describe.skipIf(skipped)('golden Delta tables', () => {
  const names = skipped ? [] : goldenTables()

  it.for(names.filter((name) => REFUSED[name] !== undefined))('refuses %s', async (name) => {
    const folder = await unpackGolden(name)
    await expect(openTable(join(folder, 'delta'))).rejects.toMatchObject({ code: REFUSED[name] })
  })

  it.for(names.filter((name) => REFUSED[name] === undefined))('reads %s', async (name, context) => {
    const folder = await unpackGolden(name)
    const inner = existsSync(join(folder, 'delta')) ? join(folder, 'delta') : folder
    if (!existsSync(join(inner, '_delta_log'))) {
      expect(await openTable(inner)).toBeNull()
      return
    }
    await using table = (await openTable(inner))!
    const snapshot = await table.latest()
    expect([...snapshot.files()]).toHaveLength(snapshot.fileCount)
    const expected = join(folder, 'expected')
    if (!existsSync(expected) || !readdirSync(expected).some((file) => file.endsWith('.parquet'))) {
      return
    }
    const reason = ROWS_SKIPPED[name]
    if (reason !== undefined) context.skip(reason)
    expect(await differences(table, snapshot, expected)).toBe(0)
  })

  it.for(names)('replays the log of %s to what its checkpoint says', async (name, context) => {
    const folder = await unpackGolden(name)
    const inner = existsSync(join(folder, 'delta')) ? join(folder, 'delta') : folder
    const log = join(inner, '_delta_log')
    if (REFUSED[name] !== undefined || !existsSync(log)) context.skip('not a readable table')
    const files = await readdir(log)
    const checkpoints = files.filter((file) => file.includes('.checkpoint.'))
    if (checkpoints.length === 0) context.skip('no checkpoint')
    if (!files.includes('00000000000000000000.json')) context.skip('the log does not reach back')
    await using before = (await openTable(inner))!
    for (const file of checkpoints) await rename(join(log, file), join(folder, `gone-${file}`))
    await using after = (await openTable(inner))!
    const [left, right] = [await before.latest(), await after.latest()]
    const sorted = (snapshot: Snapshot) =>
      [...snapshot.files()]
        .map((file) => ({ path: file.path, rows: file.statistics, vector: file.deletionVector }))
        .sort((a, b) => (a.path < b.path ? -1 : 1))
    expect(sorted(left)).toEqual(sorted(right))
    expect(left.schema).toEqual(right.schema)
    expect(left.properties).toEqual(right.properties)
    expect(left.timestampMicros).toBe(right.timestampMicros)
  })
})
