/**
 * The columns of Parquet checkpoints (PROTOCOL.md, "Checkpoint Schema"), as far as they are used.
 */

import type { ColumnType, StructField } from '../../src/model/index.ts'

const TEXT_MAP: ColumnType = {
  kind: 'map',
  key: 'string',
  value: 'string',
  valueContainsNull: true,
}
const TEXT_LIST: ColumnType = { kind: 'array', element: 'string', containsNull: true }

const VECTOR = struct({
  storageType: 'string',
  pathOrInlineDv: 'string',
  offset: 'integer',
  sizeInBytes: 'integer',
  cardinality: 'long',
})

/** Columns of a classic checkpoint, in Spark's order. */
export const CHECKPOINT_COLUMNS: readonly StructField[] = fields({
  txn: struct({ appId: 'string', version: 'long', lastUpdated: 'long' }),
  add: struct({
    path: 'string',
    partitionValues: TEXT_MAP,
    size: 'long',
    modificationTime: 'long',
    dataChange: 'boolean',
    stats: 'string',
    tags: TEXT_MAP,
    deletionVector: VECTOR,
    baseRowId: 'long',
    defaultRowCommitVersion: 'long',
    clusteringProvider: 'string',
  }),
  remove: struct({
    path: 'string',
    deletionTimestamp: 'long',
    dataChange: 'boolean',
    extendedFileMetadata: 'boolean',
    partitionValues: TEXT_MAP,
    size: 'long',
    deletionVector: VECTOR,
    baseRowId: 'long',
    defaultRowCommitVersion: 'long',
  }),
  metaData: struct({
    id: 'string',
    name: 'string',
    description: 'string',
    format: struct({ provider: 'string', options: TEXT_MAP }),
    schemaString: 'string',
    partitionColumns: TEXT_LIST,
    configuration: TEXT_MAP,
    createdTime: 'long',
  }),
  protocol: struct({
    minReaderVersion: 'integer',
    minWriterVersion: 'integer',
    readerFeatures: TEXT_LIST,
    writerFeatures: TEXT_LIST,
  }),
  domainMetadata: struct({ domain: 'string', configuration: 'string', removed: 'boolean' }),
})

/** Columns of a sidecar: files and nothing else. */
export const SIDECAR_COLUMNS: readonly StructField[] = CHECKPOINT_COLUMNS.filter(
  ({ name }) => name === 'add' || name === 'remove',
)

/** Column that names the sidecars of a v2 checkpoint. */
export const SIDECAR_NAMES: readonly StructField[] = fields({ sidecar: struct({ path: 'string' }) })

/** Columns read: those, and the parts that a v2 checkpoint refers to. */
export const CHECKPOINT_READ_COLUMNS: readonly StructField[] = [
  ...CHECKPOINT_COLUMNS,
  ...SIDECAR_NAMES,
]

function struct(types: Readonly<Record<string, ColumnType>>): ColumnType {
  return { kind: 'struct', fields: fields(types) }
}

function fields(types: Readonly<Record<string, ColumnType>>): readonly StructField[] {
  return Object.entries(types).map(([name, type]) => ({ name, type, nullable: true }))
}
