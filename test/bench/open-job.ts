/**
 * What bench `open` does in processes of their own: makes the log of a large table without its data
 * files, and opens it.
 */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { DuckDBInstance } from '@duckdb/node-api'
import type { CommitRequest, Snapshot, Table } from '../../src/contracts/index.ts'
import { createEngine, createParquetPort, literal } from '../../src/engine/index.ts'
import type { ColumnType, TableColumn } from '../../src/model/index.ts'
import { createSystemClock } from '../../src/observe/index.ts'
import { createDeltaFormat } from '../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { commitRequest, newColumn } from '../support/table-format/requests.ts'

/** A table to make or to open. */
export interface OpenJob {
  readonly folder: string
  readonly files: number
}

/** What a snapshot of a table says, to be compared. */
export interface TableSums {
  readonly version: string
  readonly files: number
  readonly sizeBytes: number
  readonly rows: string
}

/** What came of opening. */
export interface Opened {
  readonly openMs: number
  readonly sums: TableSums
  /** JavaScript heap and buffers that the open table holds on to. */
  readonly heldBytes: number
  /** Highest resident memory of the process before it opened anything. */
  readonly peakRssMbBefore: number
  readonly peakRssMb: number
  readonly scanMs: number
  readonly commitMs: readonly number[]
}

const ROOT = 'large'
const ROWS_PER_FILE = 20_000
const FILE_BYTES = 700_000
/** Every so many files has a deletion vector that hides ten rows. */
const VECTOR_EVERY = 10
const VECTOR_ROWS = 10
const TAIL_COMMITS = 20
const TAIL_FILES = 10
/** Commits measured, each with deletes in this many files. */
const COMMITS = 10
const COMMIT_FILES = 100

const COLUMNS: Readonly<Record<string, ColumnType>> = {
  order_id: 'long',
  customer_id: 'long',
  status: 'string',
  currency: 'string',
  amount_cents: 'long',
  placed_at: 'timestamp',
  updated_at: 'timestamp',
  note: 'string',
}

/** A table as a long life leaves it: a checkpoint of all files, and commits after it. */
export async function makeLog({ folder, files }: OpenJob): Promise<TableSums> {
  await using opened = await openFormat(folder)
  await using table = await opened.format.create(ROOT, {
    schema: { columns: columns(), partitionBy: [], key: ['order_id'], maxFieldId: 0 },
    name: ROOT,
    properties: { 'delta.checkpointInterval': '1000000' },
    details: {},
  })
  await commit(table, {})
  await table[Symbol.asyncDispose]()
  const log = join(folder, ROOT, '_delta_log')
  await writeCheckpoint(join(log, `${'1'.padStart(20, '0')}.checkpoint.parquet`), log, files)
  writeFileSync(join(log, '_last_checkpoint'), `{"version":1,"size":${files + 2}}`)
  rmSync(join(log, `${'0'.padStart(20, '0')}.json`))
  // What the checkpoint holds was never committed, so the checksum does not know of it.
  rmSync(join(log, `${'1'.padStart(20, '0')}.crc`))
  await using again = await opened.format.open(ROOT)
  if (again === null) throw new Error('the table is gone')
  for (let number = 0; number < TAIL_COMMITS; number++) {
    await commit(again, {
      add: Array.from({ length: TAIL_FILES }, (_, index) => ({
        path: `tail-${number}-${index}.parquet`,
        sizeBytes: FILE_BYTES,
        partitionValues: {},
        statistics: {
          recordCount: ROWS_PER_FILE,
          minValues: { order_id: number },
          maxValues: { order_id: number + 1 },
          nullCount: { order_id: 0 },
          tightBounds: true,
        },
      })),
    })
  }
  return {
    version: `${1 + TAIL_COMMITS}`,
    files: files + TAIL_COMMITS * TAIL_FILES,
    sizeBytes: (files + TAIL_COMMITS * TAIL_FILES) * FILE_BYTES,
    rows: String(
      (files + TAIL_COMMITS * TAIL_FILES) * ROWS_PER_FILE -
        Math.ceil(files / VECTOR_EVERY) * VECTOR_ROWS,
    ),
  }
}

/** Opens it, then goes through all files, then commits deletes to files all over the table. */
export async function openLog({ folder }: OpenJob): Promise<Opened> {
  await using opened = await openFormat(folder)
  const peakRssMbBefore = peakRssMb()
  const heldBefore = heldBytes()
  const startedMs = performance.now()
  await using table = await opened.format.open(ROOT)
  const snapshot = await table?.latest()
  const openMs = performance.now() - startedMs
  if (table === null || snapshot === undefined) throw new Error('there is no table')
  const peak = peakRssMb()
  const held = heldBytes() - heldBefore
  const scanStartedMs = performance.now()
  const sums = sumsOf(snapshot)
  const scanMs = performance.now() - scanStartedMs
  return {
    openMs,
    sums,
    heldBytes: held,
    peakRssMbBefore,
    peakRssMb: peak,
    scanMs,
    commitMs: await commitDeletes(table),
  }
}

/** Adds up what the files say, one by one; the snapshot's own sums must agree. */
function sumsOf(snapshot: Snapshot): TableSums {
  let files = 0
  let sizeBytes = 0
  for (const file of snapshot.files()) {
    files += 1
    sizeBytes += file.sizeBytes
  }
  if (files !== snapshot.fileCount || sizeBytes !== snapshot.sizeBytes) {
    throw new Error(`${snapshot.fileCount} files are ${files}`)
  }
  return { version: `${snapshot.version}`, files, sizeBytes, rows: `${snapshot.rowCount}` }
}

async function commitDeletes(table: Table): Promise<readonly number[]> {
  const step = Math.max(1, Math.floor((await table.latest()).fileCount / (COMMITS * COMMIT_FILES)))
  const paths: string[] = []
  let index = 0
  for (const file of (await table.latest()).files()) {
    if (index++ % step === 0 && file.deletionVector === null) paths.push(file.path)
  }
  const timesMs: number[] = []
  for (let number = 0; number < COMMITS; number++) {
    const startedMs = performance.now()
    await commit(table, {
      deletes: paths
        .slice(number * COMMIT_FILES, (number + 1) * COMMIT_FILES)
        .map((path) => ({ path, rows: Uint32Array.of(1, 2, 3) })),
    })
    timesMs.push(performance.now() - startedMs)
  }
  return timesMs
}

async function commit(table: Table, changes: Partial<CommitRequest>): Promise<void> {
  const outcome = await table.commit(commitRequest(await table.latest(), changes))
  if (outcome.kind !== 'committed') throw new Error(`the commit ended as ${outcome.kind}`)
}

function columns(): readonly TableColumn[] {
  return Object.entries(COLUMNS).map(([name, type]) => newColumn(name, type))
}

async function openFormat(folder: string) {
  mkdirSync(folder, { recursive: true })
  const clock = createSystemClock()
  const engine = await createEngine({
    memoryBytes: 256 * 1024 ** 2,
    threads: 1,
    temporaryFolder: join(folder, 'spill'),
  })
  const parquet = createParquetPort({
    openSession: () => engine.session(),
    spoolFolder: join(folder, 'spool'),
    clock,
  })
  const store = await createLocalObjectStore(folder, clock)
  return {
    format: createDeltaFormat({ store, clock, parquet, writerName: 'sluice' }),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  }
}

/** Protocol and metadata come from version 0; the files are made up by DuckDB. */
async function writeCheckpoint(target: string, log: string, files: number): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' })
  const connection = await instance.connect()
  const first = literal(join(log, `${'0'.padStart(20, '0')}.json`))
  const text = 'MAP(VARCHAR, VARCHAR)'
  const vector = `STRUCT(storageType VARCHAR, pathOrInlineDv VARCHAR, "offset" INTEGER,
    sizeInBytes INTEGER, cardinality BIGINT)`
  const metadata = `STRUCT(id VARCHAR, name VARCHAR,
    format STRUCT(provider VARCHAR, options ${text}), schemaString VARCHAR,
    partitionColumns VARCHAR[], configuration ${text}, createdTime BIGINT)`
  const protocol = `STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER,
    readerFeatures VARCHAR[], writerFeatures VARCHAR[])`
  await connection.run(`CREATE MACRO pseudo(i, salt) AS hash(i * 31 + salt) % 1000000007`)
  await connection.run(`COPY (
    SELECT protocol, "metaData", NULL::STRUCT(path VARCHAR) AS add FROM read_json(${first},
      columns = {protocol: '${protocol}', 'metaData': '${metadata}'})
      WHERE protocol IS NOT NULL OR "metaData" IS NOT NULL
    UNION ALL BY NAME
    SELECT {
      path: 'part-' || CAST(CAST(md5(i::VARCHAR) AS UUID) AS VARCHAR) || '-0.parquet',
      partitionValues: MAP {}::${text}, size: ${FILE_BYTES}::BIGINT,
      modificationTime: 1790000000000 + i, dataChange: false, stats: ${statsSql()},
      deletionVector: CASE WHEN i % ${VECTOR_EVERY} = 0 THEN {
        storageType: 'u', pathOrInlineDv: left(md5((i // 500)::VARCHAR), 20),
        'offset': (1 + i % 500 * 42)::INTEGER, sizeInBytes: 34, cardinality: ${VECTOR_ROWS}::BIGINT
      }::${vector} END,
      baseRowId: i * ${ROWS_PER_FILE}, defaultRowCommitVersion: 1::BIGINT
    } AS add FROM range(${files}) r(i)
  ) TO ${literal(target)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)`)
  connection.closeSync()
  instance.closeSync()
}

/** Statistics of eight columns and the two meta columns, as the stager writes them. */
function statsSql(): string {
  const bounds = (salt: number, note: string): string => `json_object(
    'order_id', pseudo(i, ${salt}), 'customer_id', pseudo(i, ${salt + 1}), 'status', 'paid',
    'currency', 'EUR', 'amount_cents', pseudo(i, ${salt + 2}),
    'placed_at', strftime(make_timestamp_ms(1790000000000 + i * 997), '%Y-%m-%dT%H:%M:%S.%gZ'),
    'updated_at', strftime(make_timestamp_ms(1790000000000 + i * 1009), '%Y-%m-%dT%H:%M:%S.%gZ'),
    'note', '${note}' || pseudo(i, ${salt + 3}), '_sluice_split', 0, '_sluice_position', i * 314)`
  const names = [...Object.keys(COLUMNS), '_sluice_split', '_sluice_position']
  const nulls = names.map((name) => `'${name}', 0`).join(', ')
  return `CAST(json_object('numRecords', ${ROWS_PER_FILE}, 'minValues', ${bounds(1, 'a note ')},
    'maxValues', ${bounds(11, 'the last note ')}, 'nullCount', json_object(${nulls}),
    'tightBounds', i % ${VECTOR_EVERY} > 0) AS VARCHAR)`
}

function peakRssMb(): number {
  return process.resourceUsage().maxRSS / 1024
}

/** What the heap and its buffers hold after everything that can be thrown away is. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
