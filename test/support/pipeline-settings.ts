/** Settings of a small pipeline in one process: what a test does not say is the same for all. */

import type { CommitSettings, PipelineSettings, TableTarget } from '../../src/contracts/index.ts'
import { DEFAULT_POLICIES } from './schema-policies.ts'

/** A stream that becomes a table of its name, one row a key. */
export function upsertTarget(stream: string, changes: Partial<TableTarget> = {}): TableTarget {
  return {
    stream,
    table: stream,
    root: stream,
    mode: 'upsert',
    key: null,
    orderingColumn: null,
    partitionBy: [],
    deleteWhen: null,
    schema: DEFAULT_POLICIES,
    ...changes,
  }
}

/** One commit a transaction, parts larger than any. */
export function commitSettings(changes: Partial<CommitSettings> = {}): CommitSettings {
  return {
    intervalMs: 60_000,
    rowsMax: 1,
    bytesMax: 2 ** 20,
    partRowsMax: 1000,
    partBytesMax: 2 ** 20,
    ...changes,
  }
}

/** A pipeline that reads the scripted source into the targets. */
export function pipelineSettings(
  name: string,
  targets: readonly TableTarget[],
  changes: Partial<PipelineSettings> = {},
): PipelineSettings {
  return {
    name,
    source: 'script',
    targets,
    selection: null,
    commit: commitSettings(),
    engineMemoryBytes: 256 * 2 ** 20,
    engineThreads: 1,
    index: { memoryBytes: 2 ** 24, spill: 'disk' },
    inFlightBytesMax: 2 ** 20,
    tombstoneTtlMs: 3_600_000,
    compressionLevel: 1,
    ...changes,
  }
}
