/** Tables written by Spark: every one opens, and yields the rows that a correct reader yields. */

import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Snapshot, Table, Telemetry } from '../../../../src/contracts/index.ts'
import { createEngine, createParquetPort, type Engine } from '../../../../src/engine/index.ts'
import { isSluiceError } from '../../../../src/model/index.ts'
import { createSystemClock } from '../../../../src/observe/index.ts'
import { openWorkspace, snapshotRelation } from '../../../../src/read/index.ts'
import { createCheckpointReader } from '../../../../table-format/delta/checkpoint-read.ts'
import { createDeltaFormat } from '../../../../table-format/delta/index.ts'
import { createTableLog } from '../../../../table-format/delta/log.ts'
import { replayNewest } from '../../../../table-format/delta/replay.ts'
import type { TableState } from '../../../../table-format/delta/state.ts'
import { tablePaths } from '../../../../table-format/delta/table-paths.ts'
import { encodeZ85 } from '../../../../table-format/delta/z85.ts'
import { createLocalObjectStore } from '../../../../table-format/object-store/index.ts'
import {
  GOLDEN_FOLDER,
  goldenTables,
  hasGolden,
  NO_TABLE,
  REFUSED,
  unpackGolden,
  WITHOUT_COLUMNS,
  WITHOUT_FILES,
} from '../../../support/golden.ts'
import { isMissing } from '../../../support/require.ts'
import { silentTelemetry } from '../../../support/silent-telemetry.ts'

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
const unpacked: string[] = []
async function unpack(name: string): Promise<string> {
  const folder = await unpackGolden(name)
  unpacked.push(dirname(folder))
  return folder
}
afterAll(async () => {
  for (const folder of unpacked) await rm(folder, { recursive: true, force: true })
  await engine[Symbol.asyncDispose]()
  const { tables, versions, rows, columns, counted, refused } = compared
  console.log(
    `golden tables: ${tables} read, ${refused} refused; ${versions} versions compared ` +
      `(${columns} columns, ${rows} rows), rows of ${counted} counted`,
  )
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

/** What all tests have compared; said at the end. */
const compared = { tables: 0, versions: 0, rows: 0, columns: 0, counted: 0, refused: 0 }

/** Expects names, order and types of the columns and every row, counted with repeats. */
async function expectRows(request: {
  readonly table: Table
  readonly snapshot: Snapshot
  readonly expected: string
  readonly timeZone: string
}): Promise<void> {
  const { table, snapshot, expected, timeZone } = request
  await using workspace = await openWorkspace(engine)
  const { session } = workspace
  await session.run(`SET TimeZone = '${timeZone}'`)
  const sql = await snapshotRelation(workspace, { table, snapshot, withMetaColumns: true })
  await session.run(`CREATE TEMP TABLE found AS ${sql}`)
  await session.run(`CREATE TEMP TABLE wanted AS FROM read_parquet('${expected}/*.parquet')`)
  const columns = async (name: string): Promise<readonly (readonly unknown[])[]> =>
    (await session.query(`DESCRIBE ${name}`)).rows.map(([column, type]) => [column, type])
  const found = await columns('found')
  expect(found).toEqual(await columns('wanted'))
  const differences = await session.query(`SELECT 'found' AS side, * FROM
      (FROM found EXCEPT ALL FROM wanted)
    UNION ALL SELECT 'wanted', * FROM (FROM wanted EXCEPT ALL FROM found) LIMIT 4`)
  expect(differences.rows.map(String)).toEqual([])
  const counted = await session.query('SELECT count(*) FROM found')
  compared.versions += 1
  compared.columns += found.length
  compared.rows += Number(counted.rows[0]?.[0])
}

/** Their partition values are times without a zone, which means the zone of the reader. */
const TIME_ZONES: Readonly<Record<string, string>> = {
  'data-reader-partition-values': 'America/Los_Angeles',
}

/** Live files of tables that come without expected rows. */
const LIVE_FILES: Readonly<Record<string, number>> = {
  'canonicalized-paths-normal-a': 0,
  'canonicalized-paths-normal-b': 0,
  'canonicalized-paths-special-a': 0,
  'canonicalized-paths-special-b': 0,
  checkpoint: 1,
  'compacted-log-files-table': 2,
  'delete-re-add-same-file-different-transactions': 2,
  'deltalog-commit-info': 1,
  'deltalog-state-reconstruction-from-checkpoint-missing-metadata': 11,
  'deltalog-state-reconstruction-from-checkpoint-missing-protocol': 11,
  'log-replay-special-characters-b': 1,
  'update-deleted-directory': 10,
  'v2-checkpoints-json-with-sidecars': 101,
  'v2-checkpoints-parquet-with-sidecars': 101,
  'v2-classic-checkpoint-parquet': 4,
}

/** Older versions whose rows another archive expects of its newest one. */
const OLDER_VERSIONS: readonly (readonly [string, bigint, string])[] = [
  ['time-travel-start-start20', 0n, 'time-travel-start'],
  ['time-travel-start-start20-start40', 0n, 'time-travel-start'],
  ['time-travel-start-start20-start40', 1n, 'time-travel-start-start20'],
  ['time-travel-schema-changes-b', 0n, 'time-travel-schema-changes-a'],
  ['time-travel-partition-changes-b', 0n, 'time-travel-partition-changes-a'],
  ['snapshot-data1', 0n, 'snapshot-data0'],
  ['snapshot-data2', 0n, 'snapshot-data0'],
  ['snapshot-data2', 1n, 'snapshot-data1'],
  ['snapshot-data3', 2n, 'snapshot-data2'],
  ['snapshot-data2-deleted', 3n, 'snapshot-data3'],
  ['snapshot-repartitioned', 4n, 'snapshot-data2-deleted'],
  ['snapshot-repartitioned', 2n, 'snapshot-data2'],
  ['basic-with-inserts-updates', 0n, 'basic-with-vacuum-protocol-check-feature'],
  ['basic-with-inserts-merge', 0n, 'basic-with-vacuum-protocol-check-feature'],
  ['basic-with-inserts-overwrite-restore', 1n, 'basic-with-inserts-overwrite-restore'],
  ['corrupted-last-checkpoint-kernel', 0n, 'time-travel-start'],
]

/** Unpacked tables with vectors, and their live rows. */
const DV_FOLDERS: readonly (readonly [string, number])[] = [
  ['table-with-dv-small', 8],
  ['with-short-dv', 7],
]

describe.skipIf(skipped)('golden Delta tables', () => {
  const names = skipped ? [] : goldenTables()

  it.for(names.filter((name) => REFUSED[name] !== undefined))('refuses %s', async (name) => {
    const folder = await unpack(name)
    await expect(openTable(join(folder, 'delta'))).rejects.toMatchObject({ code: REFUSED[name] })
    compared.refused += 1
  })

  it.for(names.filter((name) => REFUSED[name] === undefined))('reads %s', async (name) => {
    const folder = await unpack(name)
    const inner = existsSync(join(folder, 'delta')) ? join(folder, 'delta') : folder
    if (NO_TABLE.has(name)) {
      expect(await openTable(inner)).toBeNull()
      return
    }
    await using table = (await openTable(inner))!
    const snapshot = await table.latest()
    expect([...snapshot.files()]).toHaveLength(snapshot.fileCount)
    const expected = join(folder, 'expected')
    if (existsSync(expected)) {
      await expectRows({ table, snapshot, expected, timeZone: TIME_ZONES[name] ?? 'UTC' })
    } else {
      expect(snapshot.fileCount).toBe(LIVE_FILES[name])
    }
    compared.tables += 1
    const replayed = await withoutCheckpoints(inner)
    if (replayed !== null) expect(plain(replayed)).toEqual(plain(snapshot))
  })

  it.for(OLDER_VERSIONS)('reads %s at version %s as %s expects', async ([name, version, other]) => {
    const expected = join(await unpack(other), 'expected')
    await using table = (await openTable(join(await unpack(name), 'delta')))!
    const snapshot = await table.snapshot({ kind: 'version', version })
    await expectRows({ table, snapshot, expected, timeZone: 'UTC' })
  })

  const positive = names.filter((name) => REFUSED[name] === undefined && !NO_TABLE.has(name))
  it.for(positive)('reads %s at its older versions or says why not', async (name) => {
    const folder = await unpack(name)
    await using table = (await openTable(
      existsSync(join(folder, 'delta')) ? join(folder, 'delta') : folder,
    ))!
    const newest = (await table.latest()).version
    for (let version = newest; version >= 0n; version--) {
      const counted = await countAt(table, version)
      if (typeof counted === 'object') {
        expect(counted.found, `${version}`).toBe(counted.said)
        compared.counted += 1
      } else expect(reasonsOf(name), `${version}: ${counted}`).toContain(counted)
    }
  })

  it.for(DV_FOLDERS)('reads the deletion vectors of %s', async ([name, liveRows]) => {
    await using table = (await openTable(join(GOLDEN_FOLDER, 'delta/dirs', name)))!
    const snapshot = await table.latest()
    expect(snapshot.rowCount).toBe(BigInt(liveRows))
    for (const file of snapshot.files()) {
      const rows = await table.deletedRows(file)
      expect(rows).toHaveLength(file.deletionVector?.cardinality ?? 0)
    }
  })

  it.for(['inline', 'absolute', 'absolute URL'] as const)(
    'reads a vector of Spark that is %s, in a folder of an odd name',
    async (form) => {
      const parent = await mkdtemp(join(tmpdir(), 'sluice 50% # odd-'))
      unpacked.push(parent)
      const folder = join(parent, 'table é')
      await cp(join(GOLDEN_FOLDER, 'delta/dirs/table-with-dv-small'), folder, { recursive: true })
      const name = 'deletion_vector_61d16c75-6994-46b7-a15b-8b538852e50e.bin'
      const bytes = await readFile(join(folder, name))
      await rm(join(folder, name))
      const moved = join(folder, 'moved vector é.bin')
      if (form !== 'inline') await writeFile(moved, bytes)
      const url = form === 'absolute' ? encodeURI(moved).replace('#', '%23') : pathToFileURL(moved)
      const where =
        form === 'inline'
          ? {
              storageType: 'i',
              pathOrInlineDv: encodeZ85(bytes.subarray(5, -4)),
              offset: undefined,
            }
          : { storageType: 'p', pathOrInlineDv: String(url) }
      await rewriteVectors(folder, where)
      await using table = (await openTable(folder))!
      const [file] = [...(await table.latest()).files()]
      expect([...(await table.deletedRows(file!))]).toEqual([0, 9])
    },
  )

  it('opens every table of the hive archive', async () => {
    const folder = join(await unpack('hive'), 'delta')
    for (const name of await readdir(folder)) {
      await using table = (await openTable(join(folder, name)))!
      expect((await table.latest()).schema.columns.length, name).toBeGreaterThan(0)
    }
  })

  it('knows the transactions of other writers', async () => {
    const state = await stateOf('app-txn-with-last-updated', silentTelemetry)
    const found = [...state.transactions.values()].map(({ appId, version, lastUpdatedMs }) => [
      appId,
      version,
      lastUpdatedMs,
    ])
    expect(found.sort()).toEqual([
      ['new_app_0', 1n, null],
      ['new_app_1', 1n, 1000],
      ['new_app_2', 1n, 1002],
      ['old_app', 1n, 1_747_935_650],
    ])
  })

  it('warns of a checksum of another writer that its log does not lead to', async () => {
    const warnings: string[] = []
    const log = (_level: string, message: string): number => warnings.push(message)
    const state = await stateOf('crc-full', { ...silentTelemetry, log })
    expect(state.files.size).toBe(0)
    expect(warnings).toEqual([
      'the log does not lead to what _delta_log/00000000000000000000.crc says: ' +
        'numFiles is 0 and was 10, tableSizeBytes is 0 and was 5259',
    ])
  })
})

/** The newest state of an unpacked table. */
async function stateOf(name: string, telemetry: Telemetry): Promise<TableState> {
  const store = await createLocalObjectStore(join(GOLDEN_FOLDER, 'delta/dirs'), clock)
  const paths = tablePaths(store, name)
  const checkpoints = createCheckpointReader({ store, paths, parquet: null })
  const log = createTableLog(store, paths)
  return (await replayNewest({ store, paths, log, checkpoints, telemetry }))!
}

/** Rows read and rows that the log tells of; the code where a version cannot be read. */
async function countAt(
  table: Table,
  version: bigint,
): Promise<{ readonly found: bigint; readonly said: bigint } | string> {
  await using workspace = await openWorkspace(engine)
  try {
    const snapshot = await table.snapshot({ kind: 'version', version })
    const sql = await snapshotRelation(workspace, { table, snapshot, withMetaColumns: true })
    await workspace.define('golden', 't', sql)
    const { rows } = await workspace.session.query('SELECT count(*) FROM golden.t')
    const found = rows[0]?.[0] as bigint
    return { found, said: snapshot.rowCount ?? found }
  } catch (error) {
    if (isSluiceError(error)) return error.code
    throw error
  }
}

/** Codes that a version of a table may end in. Logs that were cleaned up begin at a checkpoint. */
function reasonsOf(name: string): readonly string[] {
  return [
    ...(WITHOUT_FILES.has(name) ? ['SLU-STO-2005'] : []),
    ...(WITHOUT_COLUMNS.has(name) ? ['SLU-TAB-3010'] : []),
    ...(name === 'only-checkpoint-files' ? ['SLU-TAB-3003'] : []),
  ]
}

/** Gives every vector that the log adds another descriptor. */
async function rewriteVectors(folder: string, where: object): Promise<void> {
  const log = join(folder, '_delta_log')
  for (const name of (await readdir(log)).filter((file) => file.endsWith('.json'))) {
    const lines = (await readFile(join(log, name), 'utf8')).trim().split('\n')
    const changed = lines.map((line) => {
      const entry = JSON.parse(line) as { add?: { deletionVector?: object } }
      if (entry.add?.deletionVector === undefined) return line
      const deletionVector = { ...entry.add.deletionVector, ...where }
      return JSON.stringify({ add: { ...entry.add, deletionVector } })
    })
    await writeFile(join(log, name), changed.join('\n'))
  }
}

/** The newest snapshot as the commits alone tell it; null where they do not reach back. */
async function withoutCheckpoints(folder: string): Promise<Snapshot | null> {
  const log = join(folder, '_delta_log')
  const files = await readdir(log)
  const checkpoints = files.filter((file) => file.includes('.checkpoint.'))
  if (checkpoints.length === 0 || !files.includes('00000000000000000000.json')) return null
  for (const file of checkpoints) await rm(join(log, file))
  await using table = (await openTable(folder))!
  return table.latest()
}

function plain(snapshot: Snapshot): object {
  return {
    version: snapshot.version,
    timestampMicros: snapshot.timestampMicros,
    schema: snapshot.schema,
    properties: snapshot.properties,
    sizeBytes: snapshot.sizeBytes,
    rowCount: snapshot.rowCount,
    files: [...snapshot.files()]
      .map((file) => ({
        path: file.path,
        partitionValues: file.partitionValues,
        statistics: file.statistics,
        deletionVector: file.deletionVector,
      }))
      .sort((a, b) => (a.path < b.path ? -1 : 1)),
  }
}
