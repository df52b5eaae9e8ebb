/**
 * Writes checkpoints (PROTOCOL.md, "Checkpoints") and cleans the log behind them. Classic ones, or
 * v2 ones with sidecars where the table has the feature `v2Checkpoint` and says
 * `delta.checkpointPolicy` = `v2`.
 */

import type { Clock, ObjectStore, ParquetPort, Telemetry } from '../../src/contracts/index.ts'
import { isSluiceError } from '../../src/model/index.ts'
import { completeCheckpoints } from './checkpoint-read.ts'
import { fileRows, nonFileRows } from './checkpoint-rows.ts'
import { CHECKPOINT_COLUMNS } from './checkpoint-schema.ts'
import { type WrittenCheckpoint, writeV2Checkpoint } from './checkpoint-v2.ts'
import { integer, printJson } from './json.ts'
import { cleanLog } from './log-cleanup.ts'
import { checkpointPath, LAST_CHECKPOINT } from './log-path.ts'
import { POLICY_PROPERTY } from './protocol.ts'
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
  /** File actions to a sidecar. */
  readonly sidecarActionsMax: number
}

const INTERVAL_PROPERTY = 'delta.checkpointInterval'
const INTERVAL_DEFAULT = 100n
const NOT_WRITTEN = 'a checkpoint could not be written; the table is unharmed'

/** The task of one table. */
export function createCheckpointTask(tools: CheckpointTools): CheckpointTask {
  let running: Promise<void> | null = null
  /** The newest state that fell due while another checkpoint was on its way. */
  let due: TableState | null = null
  const write = async (state: TableState): Promise<void> => {
    if (tools.parquet === null) return
    await writeCheckpoint(tools, tools.parquet, state)
    try {
      await cleanLog(tools, state)
    } catch (error) {
      report(tools, state, { message: 'the log could not be cleaned; it only grows', error })
    }
  }
  const writeDue = async (): Promise<void> => {
    while (due !== null) {
      const state: TableState = due
      due = null
      try {
        await write(state)
      } catch (error) {
        report(tools, state, { message: NOT_WRITTEN, error })
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

function isDue(state: TableState): boolean {
  const text = state.metadata.configuration[INTERVAL_PROPERTY]
  const interval =
    text !== undefined && /^[1-9]\d{0,8}$/.test(text) ? BigInt(text) : INTERVAL_DEFAULT
  return state.version > 0n && state.version % interval === 0n
}

function report(
  tools: CheckpointTools,
  state: TableState,
  fault: { readonly message: string; readonly error: unknown },
): void {
  const { message, error } = fault
  tools.telemetry?.log('warn', message, {
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
  const there = completeCheckpoints(await sources.log.list(state.version))
  if (there.some((checkpoint) => checkpoint.version === state.version)) return
  const isV2 =
    state.metadata.configuration[POLICY_PROPERTY] === 'v2' &&
    (state.protocol.writerFeatures ?? []).includes('v2Checkpoint')
  const written = await (isV2 ? writeV2Checkpoint : writeClassic)(tools, parquet, state)
  const hint = {
    version: integer(state.version),
    size: written.actions,
    sizeInBytes: written.sizeBytes,
    numOfAddFiles: state.files.size,
  }
  await store.put(sources.paths.object(LAST_CHECKPOINT), Buffer.from(printJson(hint)))
}

/** One Parquet file with all actions. */
async function writeClassic(
  tools: CheckpointTools,
  parquet: ParquetPort,
  state: TableState,
): Promise<WrittenCheckpoint> {
  const { store, sources } = tools
  const path = sources.paths.object(checkpointPath(state.version))
  let actions = 0
  const counted = async function* (): AsyncIterable<string> {
    for (const row of nonFileRows(state)) {
      actions += 1
      yield row
    }
    for await (const row of fileRows(tools, state)) {
      actions += 1
      yield row
    }
  }
  const localPath = await parquet.writeRows({ columns: CHECKPOINT_COLUMNS, rows: counted() })
  await store.putFile(path, localPath)
  return { actions, sizeBytes: (await store.head(path))?.sizeBytes ?? 0 }
}
