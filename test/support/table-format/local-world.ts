/** A table on local disk whose checkpoints go through the real Parquet port. */

import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Snapshot, Table, TableFormat } from '../../../src/contracts/index.ts'
import { createParquetPort, type Engine } from '../../../src/engine/index.ts'
import { createDeltaFormat } from '../../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../../table-format/object-store/index.ts'
import { createTestClock, type TestClock } from '../test-clock.ts'
import { commitRequest, cursorAt, stagedFile, tableSpec } from './requests.ts'

/** After the modification times that a real disk gives. */
const START_MS = Date.UTC(2100, 0, 1)

/** The table `t` and what is around it. */
export interface LocalWorld {
  readonly log: string
  readonly clock: TestClock
  readonly table: Table
  readonly warnings: readonly string[]
  /** Another process's view of the same folder. */
  newFormat(): Promise<TableFormat>
  /** Names in the log, or in a folder of it. */
  names(folder?: string): Promise<readonly string[]>
}

/** Creates the table with these properties. */
export async function createLocalWorld(
  engine: Engine,
  properties: Readonly<Record<string, string>>,
): Promise<LocalWorld> {
  const clock = createTestClock(START_MS)
  const folder = await mkdtemp(join(tmpdir(), 'sluice-local-world-'))
  const warnings: string[] = []
  const nothing = (): void => {}
  const newFormat = async (): Promise<TableFormat> =>
    createDeltaFormat({
      store: await createLocalObjectStore(folder, clock),
      clock,
      writerName: 'w',
      parquet: createParquetPort({
        openSession: () => engine.session(),
        spoolFolder: join(folder, '.spool'),
        clock,
      }),
      telemetry: {
        log: (_level: string, message: string) => {
          warnings.push(message)
        },
        count: nothing,
        gauge: nothing,
        observe: nothing,
      },
      sidecarActionsMax: 4,
    })
  const log = join(folder, 't/_delta_log')
  const format = await newFormat()
  const table = await format.create('t', { ...tableSpec(), properties })
  return {
    log,
    clock,
    table,
    warnings,
    newFormat,
    names: async (inner = '') => (await readdir(join(log, inner))).sort(),
  }
}

/** Commits that add a file each, hide rows of the one before and move a cursor; then settles. */
export async function commitMany({ table }: LocalWorld, count: number): Promise<Snapshot> {
  let snapshot = await table.latest()
  for (let index = 0; index < count; index++) {
    const number = snapshot.version + 1n
    const before = snapshot.file(`f${snapshot.version}`)
    const from = snapshot.cursors('p')[0]?.cursor ?? null
    const outcome = await table.commit(
      commitRequest(snapshot, {
        add: [stagedFile(`f${number}`, 1000)],
        deletes: before === null ? [] : [{ path: before.path, rows: Uint32Array.of(1, 7) }],
        pipeline: 'p',
        cursors: [{ from, to: cursorAt(number, number) }],
      }),
    )
    if (outcome.kind !== 'committed') throw new TypeError(`the commit ended as ${outcome.kind}`)
    snapshot = outcome.snapshot
    await table[Symbol.asyncDispose]()
  }
  return snapshot
}

/** What a snapshot says, to be compared. */
export function plainSnapshot(snapshot: Snapshot): object {
  return {
    version: snapshot.version,
    timestampMicros: snapshot.timestampMicros,
    schema: snapshot.schema,
    properties: snapshot.properties,
    rowCount: snapshot.rowCount,
    sizeBytes: snapshot.sizeBytes,
    cursors: snapshot.cursors(),
    files: [...snapshot.files()].map(({ path, statistics, deletionVector, baseRowId }) => ({
      path,
      statistics,
      deletionVector,
      baseRowId,
    })),
  }
}

/** Name of a file of the log. */
export function logName(version: number, end = 'json'): string {
  return `${String(version).padStart(20, '0')}.${end}`
}
