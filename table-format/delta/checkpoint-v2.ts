/**
 * Writes v2 checkpoints (PROTOCOL.md, "V2 Spec"): a JSON file `<version>.checkpoint.<uuid>.json`
 * with all actions but those of files, which stand in Parquet sidecars that it names.
 */

import type { ObjectStore, ParquetPort } from '../../src/contracts/index.ts'
import { fileRows, nonFileRows, type RowTools } from './checkpoint-rows.ts'
import { SIDECAR_COLUMNS } from './checkpoint-schema.ts'
import { integer, printJson } from './json.ts'
import { SIDECAR_FOLDER, v2CheckpointPath } from './log-path.ts'
import type { TableState } from './state.ts'

/** What the writer works with. */
export interface V2Tools extends RowTools {
  readonly store: ObjectStore
  /** File actions to a sidecar. */
  readonly sidecarActionsMax: number
}

/** What `_last_checkpoint` tells of a checkpoint. */
export interface WrittenCheckpoint {
  readonly actions: number
  readonly sizeBytes: number
}

/** Sidecars first, then the JSON file that names them: with it the checkpoint is there. */
export async function writeV2Checkpoint(
  tools: V2Tools,
  parquet: ParquetPort,
  state: TableState,
): Promise<WrittenCheckpoint> {
  const { store, clock, sources, sidecarActionsMax } = tools
  const lines = [
    printJson({ checkpointMetadata: { version: integer(state.version) } }),
    ...nonFileRows(state),
  ]
  let actions = lines.length
  let sizeBytes = 0
  const rows = fileRows(tools, state)[Symbol.asyncIterator]()
  for (let next = await rows.next(); !next.done; next = await rows.next()) {
    const first = next.value
    const some = async function* (): AsyncIterable<string> {
      yield first
      actions += 1
      for (let count = 1; count < sidecarActionsMax; count++) {
        const row = await rows.next()
        if (row.done) return
        yield row.value
        actions += 1
      }
    }
    const name = `${clock.uuid()}.parquet`
    const path = sources.paths.object(`${SIDECAR_FOLDER}${name}`)
    await store.putFile(path, await parquet.writeRows({ columns: SIDECAR_COLUMNS, rows: some() }))
    const { sizeBytes: sizeInBytes, modificationTimeMs } = (await store.head(path))!
    const modificationTime = Math.floor(modificationTimeMs)
    lines.push(printJson({ sidecar: { path: name, sizeInBytes, modificationTime } }))
    sizeBytes += sizeInBytes
  }
  const bytes = Buffer.from(`${lines.join('\n')}\n`)
  const path = sources.paths.object(v2CheckpointPath(state.version, clock.uuid()))
  await store.putIfAbsent(path, bytes)
  return { actions, sizeBytes: sizeBytes + bytes.length }
}
