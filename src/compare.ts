/**
 * A table beside its source: `verify`.
 * Comes in: a runtime and one of its tables. Goes out: how their rows differ at one position.
 * Must never: write to the table, or call a row different that nobody has ingested yet.
 */

import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Runtime } from './compose.ts'
import { ownFolder } from './config/index.ts'
import type {
  BlockPart,
  PipelineSettings,
  Snapshot,
  Table,
  TableTarget,
} from './contracts/index.ts'
import { SluiceError } from './model/index.ts'
import type { VerifyResult } from './read/index.ts'

/** A table and its source, compared at one position. */
export interface Comparison {
  readonly result: VerifyResult
  /** The version also holds changes after `position`: its commit reached beyond it. */
  readonly isBeyond: boolean
  /** Everything before it is compared, nothing after. */
  readonly position: bigint
  /** Version of the table that holds everything before `position`. */
  readonly version: bigint
}

/** How to compare. */
export interface CompareOptions {
  readonly sampleMax: number
  /** How long the table may take to reach the position of the source. */
  readonly timeoutMs: number
  /** True while somebody ingests: else waiting is in vain. */
  isIngesting(): boolean
}

/** What the DuckDB of a comparison may use; beyond it spills to the work folder. */
const COMPARE_MEMORY_BYTES = 1024 ** 3
/** How often a table that has not reached the position yet is asked again. */
const REACH_INTERVAL_MS = 200
/** A pipeline that does not live gets this long, for the time between two looks. */
const REACH_GRACE_MS = 1000

/** Looks at a table that a running pipeline moves on meanwhile, at most. */
const COMPARISONS_MAX = 4

/**
 * Compares every row of a table with its source. Opens a view of the source, waits until the table
 * holds everything before the view's position, then compares the first version that does. Throws
 * SLU-CLI-8004 without a table, 8006 when the source cannot be read again, 8007 when the table
 * differs and has not reached that position.
 */
export async function compareWithSource(
  runtime: Runtime,
  settings: PipelineSettings,
  target: TableTarget,
  options: CompareOptions,
): Promise<Comparison> {
  let before: ReadonlySet<string> = new Set()
  for (let attempt = 1; ; attempt++) {
    const comparison = await compareOnce(runtime, settings, target, options)
    const { result, isBeyond } = comparison
    const keys = new Set(result.sample.map(({ key }) => key.map(String).join('\0')))
    const isEqual = result.missingRows + result.extraRows === 0n
    // A row that came before the position and went after it, both in one commit, is in no version:
    // it looks missing once. What is really missing is so again.
    const isSeenAgain = [...keys].some((key) => before.has(key))
    if (isEqual || !isBeyond || isSeenAgain || attempt === COMPARISONS_MAX) return comparison
    before = keys
  }
}

/** One comparison, at the source's position of now. */
async function compareOnce(
  runtime: Runtime,
  settings: PipelineSettings,
  target: TableTarget,
  options: CompareOptions,
): Promise<Comparison> {
  await using source = await runtime.openSource(settings)
  if (source.readBack === null) {
    throw new SluiceError('SLU-CLI-8006', { message: `${source.name} cannot be read again` })
  }
  await using view = await source.readBack.open([target.stream])
  const table = await runtime.format.open(target.root)
  if (table === null) {
    throw new SluiceError('SLU-CLI-8004', { message: `table "${target.table}" holds nothing yet` })
  }
  await using opened = table
  const { snapshot, isReached } = await waitForPosition(runtime, settings, opened, {
    ...options,
    position: view.position,
  })
  const [{ createEngine }, { landPart }, { verifyAgainst }, decode, { userColumns }] =
    await Promise.all([
      import('./engine/index.ts'),
      import('./ingest/index.ts'),
      import('./read/index.ts'),
      import('./decode/index.ts'),
      import('./model/index.ts'),
    ])
  const cursor = snapshot.cursors(settings.name)[0]?.cursor
  const isBeyond = cursor !== undefined && cursor.nextPosition > view.position
  const folder = ownFolder(runtime.config.workFolder, 'verify')
  try {
    await using engine = await createEngine({
      memoryBytes: COMPARE_MEMORY_BYTES,
      threads: settings.engineThreads,
      temporaryFolder: resolve(folder, 'engine'),
    })
    const path = resolve(folder, 'part.landed')
    const result = await verifyAgainst({
      engine,
      table: opened,
      snapshot,
      parts: view.rows(target.stream),
      land: async (part) => {
        checkComparable(target, part)
        const columns = userColumns(snapshot.schema)
        return decode.changeSql({
          segment: await landPart(part, path),
          columns,
          places: decode.columnPlaces(decode.matchColumns(columns, part.schema)),
          withMasks: false,
          deleteWhen: target.deleteWhen,
        })
      },
      sampleMax: options.sampleMax,
      ...(isBeyond && { position: view.position }),
    })
    // Equal is equal; a difference may only be what nobody has ingested yet.
    if (!isReached && result.missingRows + result.extraRows > 0n) {
      throw behind(target.table, view.position, cursor?.nextPosition ?? null)
    }
    return { result, isBeyond, position: view.position, version: snapshot.version }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A log of changes is not what an upsert makes of it. */
function checkComparable(target: TableTarget, part: BlockPart): void {
  const isLog = target.mode !== 'append' || part.format === 'debezium-json'
  if (!isLog || part.format === 'copy-text') return
  throw new SluiceError('SLU-CLI-8006', {
    message: `${target.stream} is a log of changes: only tables that append its rows equal it`,
  })
}

function behind(table: string, position: bigint, reached: bigint | null): SluiceError {
  return new SluiceError('SLU-CLI-8007', {
    message: `${table} differs, but has not reached the position of the source it is compared at`,
    context: { position, reached },
  })
}

/** The first version that holds everything before `position`, or the newest when nobody goes on. */
async function waitForPosition(
  runtime: Runtime,
  settings: PipelineSettings,
  table: Table,
  options: CompareOptions & { readonly position: bigint },
): Promise<{ readonly snapshot: Snapshot; readonly isReached: boolean }> {
  const { clock, store } = runtime
  const { position } = options
  const { openPipelineLog } = await import('./ingest/index.ts')
  const startMs = clock.monotonicMs()
  for (;;) {
    const latest = await table.latest()
    const cursor = latest.cursors(settings.name)[0]?.cursor ?? null
    const { floors } = (await openPipelineLog(store, settings.name, clock.uuid())).notes
    const floor = floors.get(cursor?.split ?? '') ?? 0n
    const isComplete = cursor?.phase === 'stream'
    if (isComplete && cursor.nextPosition >= position) {
      const snapshot = await firstReaching(table, latest, settings.name, position)
      return { snapshot, isReached: true }
    }
    if (isComplete && floor >= position) return { snapshot: latest, isReached: true }
    const waitedMs = clock.monotonicMs() - startMs
    const isInVain = waitedMs > REACH_GRACE_MS && !options.isIngesting()
    if (isInVain || waitedMs > options.timeoutMs) return { snapshot: latest, isReached: false }
    await clock.sleep(REACH_INTERVAL_MS)
  }
}

/** Goes back from `latest` while the version before holds everything before `position` too. */
async function firstReaching(
  table: Table,
  latest: Snapshot,
  pipeline: string,
  position: bigint,
): Promise<Snapshot> {
  let first = latest
  while (first.version > 0n) {
    const before = await table.snapshot({ kind: 'version', version: first.version - 1n })
    const cursor = before.cursors(pipeline)[0]?.cursor
    if (cursor === undefined || cursor.phase === 'copy' || cursor.nextPosition < position) break
    first = before
  }
  return first
}
