/**
 * Writes classic checkpoints (PROTOCOL.md, "Checkpoint Schema"): protocol, metadata, transactions,
 * domains, live files, and removes that a vacuum must still respect. Rows are streamed, so memory
 * does not follow the table; removes are carried over from the checkpoint before and not kept in
 * memory.
 */

import type { Clock, ObjectStore, ParquetPort, Telemetry } from '../../src/contracts/index.ts'
import { isSluiceError, SluiceError } from '../../src/model/index.ts'
import { encodeAction, type RemoveAction, vectorId } from './actions.ts'
import { type Checkpoint, completeCheckpoints } from './checkpoint-read.ts'
import { CHECKPOINT_COLUMNS } from './checkpoint-schema.ts'
import { checkpointPath, LAST_CHECKPOINT } from './log-path.ts'
import type { ReplaySources } from './replay.ts'
import type { TableState } from './state.ts'

/** Writes the checkpoints of one table, one at a time, beside its commits. */
export interface CheckpointTask {
  /** Starts a checkpoint when the version is due for one; never delays or fails the commit. */
  afterCommit(state: TableState): void
  /** Writes a checkpoint of the state unless it has one. Throws SLU-TAB-3012, SLU-STO codes. */
  write(state: TableState): Promise<void>
  /** Waits for the checkpoint on its way. */
  settle(): Promise<void>
}

/** What the task works with. */
export interface CheckpointTools {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly sources: ReplaySources
  /** Without it no checkpoints are written. */
  readonly parquet: ParquetPort | null
  readonly telemetry: Telemetry | null
}

const INTERVAL_PROPERTY = 'delta.checkpointInterval'
const INTERVAL_DEFAULT = 100n
const RETENTION_PROPERTY = 'delta.deletedFileRetentionDuration'
const RETENTION_DEFAULT_MS = 7 * 24 * 60 * 60 * 1000

const UNIT_MS: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
}

/** The task of one table. */
export function createCheckpointTask(tools: CheckpointTools): CheckpointTask {
  let running: Promise<void> | null = null
  /** The newest state that fell due while another checkpoint was on its way. */
  let due: TableState | null = null
  const write = async (state: TableState): Promise<void> => {
    if (tools.parquet === null) return
    await writeCheckpoint(tools, tools.parquet, state)
  }
  const writeDue = async (): Promise<void> => {
    while (due !== null) {
      const state: TableState = due
      due = null
      try {
        await write(state)
      } catch (error) {
        report(tools, state, error)
      }
    }
    running = null
  }
  return {
    afterCommit(state) {
      if (tools.parquet === null || !isDue(state)) return
      due = state
      running ??= writeDue()
    },
    async write(state) {
      await running
      await write(state)
    },
    async settle() {
      await running
    },
  }
}

/**
 * Milliseconds of Delta's interval text, such as `interval 1 week 2 days`; null when it is none.
 */
export function parseInterval(text: string): number | null {
  const parts = [...text.matchAll(/(\d+)\s+(millisecond|second|minute|hour|day|week)s?\b/gi)]
  if (parts.length === 0) return null
  return parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * UNIT_MS[unit!.toLowerCase()]!,
    0,
  )
}

function isDue(state: TableState): boolean {
  const text = state.metadata.configuration[INTERVAL_PROPERTY]
  const interval =
    text !== undefined && /^[1-9]\d{0,8}$/.test(text) ? BigInt(text) : INTERVAL_DEFAULT
  return state.version > 0n && state.version % interval === 0n
}

function report(tools: CheckpointTools, state: TableState, error: unknown): void {
  tools.telemetry?.log('warn', 'a checkpoint could not be written; the table is unharmed', {
    table: tools.sources.paths.root,
    version: state.version,
    code: isSluiceError(error) ? error.code : 'unknown',
    message: error instanceof Error ? error.message : String(error),
  })
}

async function writeCheckpoint(
  tools: CheckpointTools,
  parquet: ParquetPort,
  state: TableState,
): Promise<void> {
  const { store, sources } = tools
  const path = sources.paths.object(checkpointPath(state.version))
  const there = completeCheckpoints(await sources.log.list(state.version))
  if (there.some((checkpoint) => checkpoint.version === state.version)) return
  let size = 0
  const counted = async function* (): AsyncIterable<string> {
    for await (const row of checkpointRows(tools, state)) {
      size += 1
      yield row
    }
  }
  const localPath = await parquet.writeRows({ columns: CHECKPOINT_COLUMNS, rows: counted() })
  await store.putFile(path, localPath)
  const written = await store.head(path)
  const hint = {
    version: state.version.toString(),
    size,
    sizeInBytes: written?.sizeBytes ?? 0,
    numOfAddFiles: state.files.size,
  }
  const text = JSON.stringify(hint).replace(/"version":"(\d+)"/, '"version":$1')
  await store.put(sources.paths.object(LAST_CHECKPOINT), Buffer.from(text))
}

async function* checkpointRows(tools: CheckpointTools, state: TableState): AsyncIterable<string> {
  yield encodeAction(state.protocol)
  yield encodeAction(state.metadata)
  for (const action of state.transactions.values()) yield encodeAction(action)
  for (const [domain, configuration] of state.domains.entries()) {
    yield encodeAction({ kind: 'domainMetadata', domain, configuration, removed: false })
  }
  for (const file of state.files.values()) yield encodeAction({ ...file.action, dataChange: false })
  for await (const action of tombstones(tools, state)) {
    yield encodeAction({ ...action, dataChange: false })
  }
}

/** Removes not yet expired: those of the commits since the last checkpoint, then those it holds. */
async function* tombstones(tools: CheckpointTools, state: TableState): AsyncIterable<RemoveAction> {
  const { sources, clock } = tools
  const retention = parseInterval(state.metadata.configuration[RETENTION_PROPERTY] ?? '')
  const oldestMs = clock.nowMs() - (retention ?? RETENTION_DEFAULT_MS)
  const { since, recent } = await recentRemoves(tools, state)
  const isKept = (action: RemoveAction): boolean => {
    const live = state.files.get(action.path)
    const isLive =
      live !== undefined && vectorId(live.deletionVector) === vectorId(action.deletionVector)
    return !isLive && action.deletionTimestampMs > oldestMs
  }
  for (const action of recent.values()) if (isKept(action)) yield action
  if (since === null) return
  for await (const actions of sources.checkpoints.read(since)) {
    for (const action of actions) {
      if (action.kind === 'remove' && !recent.has(keyOf(action)) && isKept(action)) yield action
    }
  }
}

async function recentRemoves(
  tools: CheckpointTools,
  state: TableState,
): Promise<{
  readonly since: Checkpoint | null
  readonly recent: ReadonlyMap<string, RemoveAction>
}> {
  const { log } = tools.sources
  const entries = await log.list(0n)
  const since = completeCheckpoints(entries).find(({ version }) => version < state.version) ?? null
  const recent = new Map<string, RemoveAction>()
  for (let version = (since?.version ?? -1n) + 1n; version <= state.version; version++) {
    const commit = await log.readCommit(version)
    if (commit === null) {
      throw new SluiceError('SLU-TAB-3005', {
        message: `version ${version} is missing from the table log`,
        context: { version },
      })
    }
    for (const action of commit.actions) {
      if (action.kind === 'remove') recent.set(keyOf(action), action)
    }
  }
  return { since, recent }
}

function keyOf(action: RemoveAction): string {
  return `${action.path}\0${vectorId(action.deletionVector) ?? ''}`
}
