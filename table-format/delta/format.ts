/** Opens and creates Delta tables. */

import type {
  Clock,
  ObjectStore,
  ParquetPort,
  Table,
  TableFormat,
  TableSpec,
  Telemetry,
} from '../../src/contracts/index.ts'
import type { Action } from './actions.ts'
import { createCheckpointReader } from './checkpoint-read.ts'
import { createCheckpointTask } from './checkpoint-write.ts'
import { createChecksumTask } from './checksum.ts'
import { encodeEntry, putLogEntry } from './commit.ts'
import { creationInfo } from './commit-info.ts'
import { metadataWith } from './commit-plan.ts'
import { createTableLog } from './log.ts'
import { featureProperties, protocolFor } from './protocol.ts'
import { type ReplaySources, replayNewest } from './replay.ts'
import { assignFields } from './schema-change.ts'
import { createDeltaTable } from './table.ts'
import { tablePaths } from './table-paths.ts'
import { VectorStore } from './vector-store.ts'

/** What the format works with. */
export interface DeltaFormatOptions {
  readonly store: ObjectStore
  readonly clock: Clock
  /** Name and version of this program, as foreign engines show it. */
  readonly writerName: string
  /** Decoded deletion vectors kept per table. */
  readonly cacheBytesMax?: number
  /**
   * Reads and writes Parquet checkpoints; without it only JSON ones are read and none is written.
   */
  readonly parquet?: ParquetPort
  readonly telemetry?: Telemetry
  /** File actions to a sidecar of a v2 checkpoint. */
  readonly sidecarActionsMax?: number
  /** Live files from which on a table gets v2 checkpoints, unless its policy is chosen. */
  readonly longTableFiles?: number
}

const CACHE_BYTES_DEFAULT = 64 * 1024 * 1024
/** A reader can share sidecars of this size out, and does not drown in them. */
const SIDECAR_ACTIONS_DEFAULT = 100_000
/** More than one sidecar: a reader takes a classic checkpoint as one object, as a whole. */
const LONG_TABLE_FILES_DEFAULT = 100_000

/** Delta tables in a store. */
export function createDeltaFormat(options: DeltaFormatOptions): TableFormat {
  return {
    async open(root) {
      const parts = partsOf(options, root)
      const state = await replayNewest(parts.sources)
      return state === null ? null : createDeltaTable(parts, state)
    },
    async create(root, spec) {
      const parts = partsOf(options, root)
      const there = await replayNewest(parts.sources)
      if (there !== null) return createDeltaTable(parts, there)
      return writeFirstVersion(options, parts, spec)
    },
  }
}

type Parts = Parameters<typeof createDeltaTable>[0]

function partsOf(options: DeltaFormatOptions, root: string): Parts {
  const { store, clock, writerName } = options
  const parquet = options.parquet ?? null
  const paths = tablePaths(store, root)
  const checkpoints = createCheckpointReader({ store, paths, parquet })
  const telemetry = options.telemetry ?? null
  const log = createTableLog(store, paths)
  const sources: ReplaySources = { store, paths, log, checkpoints, telemetry }
  const cacheBytesMax = options.cacheBytesMax ?? CACHE_BYTES_DEFAULT
  return {
    root,
    store,
    clock,
    writerName,
    longTableFiles: options.longTableFiles ?? LONG_TABLE_FILES_DEFAULT,
    sources,
    vectors: new VectorStore({ store, clock, paths, cacheBytesMax }),
    checksums: createChecksumTask({ store, paths, telemetry }),
    checkpoints: createCheckpointTask({
      store,
      clock,
      sources,
      parquet,
      telemetry,
      sidecarActionsMax: options.sidecarActionsMax ?? SIDECAR_ACTIONS_DEFAULT,
    }),
  }
}

/** Writes version 0, or opens what another writer made of it meanwhile. */
async function writeFirstVersion(
  options: DeltaFormatOptions,
  parts: Parts,
  spec: TableSpec,
): Promise<Table> {
  const { store, clock } = options
  const txnId = clock.uuid()
  const bytes = encodeEntry(firstActions(options, spec, txnId))
  await putLogEntry({ store, clock, paths: parts.sources.paths }, { version: 0n, bytes, txnId })
  const state = await replayNewest(parts.sources)
  return createDeltaTable(parts, state!)
}

function firstActions(
  options: DeltaFormatOptions,
  spec: TableSpec,
  txnId: string,
): readonly Action[] {
  const { clock, writerName } = options
  const uuid = (): string => clock.uuid()
  const { schema, retired } = assignFields({
    wanted: spec.schema,
    previous: null,
    retired: [],
    uuid,
  })
  const nowMs = Math.floor(clock.nowMs())
  const context = { txnId, writerName, nowMs, uuid }
  const configuration = { ...featureProperties(uuid), ...spec.properties }
  return [
    creationInfo({ context, details: spec.details, partitionBy: schema.partitionBy }),
    protocolFor(schema, null, configuration),
    {
      kind: 'metaData',
      id: clock.uuid(),
      name: spec.name,
      description: null,
      createdTimeMs: nowMs,
      ...metadataWith({ schema, retired, configuration }),
    },
  ]
}
