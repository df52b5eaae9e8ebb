/**
 * Reads the table `t` of a store as a user would. As a program: `read-table.ts STORE` prints the
 * ending as JSON, for processes of another user.
 */

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createEngine, createParquetPort, type Engine } from '../../../src/engine/index.ts'
import { isSluiceError } from '../../../src/model/index.ts'
import { createSystemClock } from '../../../src/observe/index.ts'
import { createReader } from '../../../src/read/index.ts'
import { createDeltaFormat } from '../../../table-format/delta/index.ts'
import { createLocalObjectStore } from '../../../table-format/object-store/index.ts'

/** How a reading ended: with rows or with an error of ours. Anything else is thrown. */
export type Ending =
  | { readonly rows: string }
  | { readonly code: string; readonly message: string; readonly remedy: string }

/** Reads all rows by SQL, in order. */
export async function readTable(engine: Engine, folder: string): Promise<Ending> {
  const clock = createSystemClock()
  try {
    await using store = await createLocalObjectStore(folder, clock)
    const parquet = createParquetPort({
      openSession: () => engine.session(),
      spoolFolder: join(tmpdir(), 'sluice-damage-spool'),
      clock,
    })
    const format = createDeltaFormat({ store, clock, parquet, writerName: 'sluice' })
    const byPath = (): ReturnType<typeof format.open> => format.open('t')
    const tables = { names: async () => ['t'], byName: byPath, byPath }
    const reader = createReader({ engine, tables, clock })
    const { rows } = await reader.rows('SELECT id, name, n FROM t ORDER BY id')
    return { rows: JSON.stringify(rows.map(([id, ...rest]) => [Number(id), ...rest])) }
  } catch (error) {
    if (!isSluiceError(error)) throw error
    const { code, message, remedy } = error
    return { code, message, remedy }
  }
}

/** An engine as small as a test needs it. */
export function smallEngine(): Promise<Engine> {
  const temporaryFolder = join(tmpdir(), `sluice-damage-spill-${process.pid}`)
  return createEngine({ memoryBytes: 256 * 1024 * 1024, threads: 1, temporaryFolder })
}

if (process.argv[1] === import.meta.filename) {
  await using engine = await smallEngine()
  process.stdout.write(JSON.stringify(await readTable(engine, process.argv[2]!)))
}
