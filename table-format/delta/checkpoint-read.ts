/**
 * Reads checkpoints (PROTOCOL.md, "Checkpoints"): classic, in parts, and v2 as JSON or Parquet with
 * or without sidecars. Parquet goes through the `ParquetPort`.
 */

import type { ObjectStore, ParquetPort } from '../../src/contracts/index.ts'
import { SluiceError } from '../../src/model/index.ts'
import { type Action, decodeActions } from './actions.ts'
import { CHECKPOINT_READ_COLUMNS, SIDECAR_NAMES } from './checkpoint-schema.ts'
import { decodeCommit, type LogEntry } from './log.ts'
import { SIDECAR_FOLDER } from './log-path.ts'
import type { TablePaths } from './table-paths.ts'

/** A checkpoint whose files are all there. */
export interface Checkpoint {
  readonly version: bigint
  readonly form: 'parquet' | 'json'
  /** Paths in the table, in order of parts. */
  readonly paths: readonly string[]
  readonly modificationTimeMs: number
}

/** Reads the actions of checkpoints. */
export interface CheckpointReader {
  /** In batches; the order of actions says nothing. Throws SLU-TAB-3012. */
  read(checkpoint: Checkpoint): AsyncIterable<readonly Action[]>
  /** Paths in the table of the sidecars that a checkpoint names. Throws SLU-TAB-3012. */
  sidecars(checkpoint: Checkpoint): Promise<readonly string[]>
}

/** A reader; without a port only JSON checkpoints can be read. */
export function createCheckpointReader(request: {
  readonly store: ObjectStore
  readonly paths: TablePaths
  readonly parquet: ParquetPort | null
}): CheckpointReader {
  const { store, paths, parquet } = request
  const readParquet = async function* (
    path: string,
    columns = CHECKPOINT_READ_COLUMNS,
  ): AsyncIterable<readonly Action[]> {
    if (parquet === null) throw unreadable(path, 'this process reads no Parquet', undefined)
    try {
      for await (const rows of parquet.readRows(paths.readUrl(path), columns)) {
        yield rows.flatMap((row) => decodeActions(row, `a row of ${path}`))
      }
    } catch (error) {
      // The engine takes a file that is not there for a fault that may pass.
      const isGone = (await store.head(paths.object(path))) === null
      if (isGone) throw unreadable(path, 'it is gone', undefined)
      throw unreadable(path, 'it is not a readable Parquet file', error)
    }
  }
  const readJson = async function* (path: string): AsyncIterable<readonly Action[]> {
    const bytes = await store.get(paths.object(path))
    if (bytes === null) throw unreadable(path, 'it is gone', undefined)
    yield decodeCommit(0n, bytes, path).actions
  }
  return {
    async *read(checkpoint) {
      const sidecars: string[] = []
      for (const path of checkpoint.paths) {
        const batches = checkpoint.form === 'json' ? readJson(path) : readParquet(path)
        for await (const actions of batches) {
          sidecars.push(...sidecarsIn(actions))
          yield actions
        }
      }
      for (const path of sidecars) yield* readParquet(path)
    },
    async sidecars(checkpoint) {
      const found: string[] = []
      for (const path of checkpoint.paths) {
        const isJson = checkpoint.form === 'json'
        const batches = isJson ? readJson(path) : readParquet(path, SIDECAR_NAMES)
        for await (const actions of batches) found.push(...sidecarsIn(actions))
      }
      return found
    },
  }
}

/**
 * Checkpoints of a listing that are complete, newest first; of one version the simplest form
 * first.
 */
export function completeCheckpoints(entries: readonly LogEntry[]): readonly Checkpoint[] {
  const found: Checkpoint[] = []
  const parts = new Map<string, LogEntry[]>()
  for (const entry of entries) {
    const { file, path, modificationTimeMs } = entry
    if (file.kind === 'checkpoint') {
      const form = file.form === 'v2-json' ? 'json' : 'parquet'
      found.push({ version: file.version, form, paths: [path], modificationTimeMs })
    } else if (file.kind === 'checkpoint-part') {
      const key = `${file.version}/${file.parts}`
      parts.set(key, [...(parts.get(key) ?? []), entry])
    }
  }
  for (const group of parts.values()) {
    const { file, modificationTimeMs } = group[0]!
    if (file.kind !== 'checkpoint-part' || group.length !== file.parts) continue
    const paths = group.map((entry) => entry.path)
    found.push({ version: file.version, form: 'parquet', paths, modificationTimeMs })
  }
  return found.sort((left, right) => compareVersions(right.version, left.version))
}

/** They are named by their file name alone; some writers give a path. */
function sidecarsIn(actions: readonly Action[]): readonly string[] {
  return actions.flatMap((action) => {
    if (action.kind !== 'sidecar') return []
    return [action.path.includes('/') ? action.path : `${SIDECAR_FOLDER}${action.path}`]
  })
}

function compareVersions(left: bigint, right: bigint): number {
  return left < right ? -1 : left > right ? 1 : 0
}

function unreadable(path: string, reason: string, cause: unknown): SluiceError {
  if (cause instanceof SluiceError && cause.kind === 'transient') return cause
  return new SluiceError('SLU-TAB-3012', {
    message: `the checkpoint ${path} cannot be read: ${reason}`,
    context: { path },
    cause,
  })
}
