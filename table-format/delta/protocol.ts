/** Which table features are used, read and written. */

import { SluiceError, type TableSchema } from '../../src/model/index.ts'
import type { MetadataAction, ProtocolAction } from './actions.ts'
import { usesType } from './schema-json.ts'

/** Features whose tables are read exactly. */
const READABLE = new Set([
  'deletionVectors',
  'columnMapping',
  'timestampNtz',
  'v2Checkpoint',
  'vacuumProtocolCheck',
  'typeWidening',
  'typeWidening-preview',
])

/** Features whose rules a commit of this writer keeps. */
const WRITABLE = new Set([
  'deletionVectors',
  'columnMapping',
  'timestampNtz',
  'v2Checkpoint',
  'vacuumProtocolCheck',
  'domainMetadata',
  'inCommitTimestamp',
  'rowTracking',
  'appendOnly',
])

/** Features a table must have for the commits of this writer. */
const REQUIRED = [
  'deletionVectors',
  'columnMapping',
  'domainMetadata',
  'inCommitTimestamp',
  'rowTracking',
]

const READER_FEATURES = ['columnMapping', 'deletionVectors']
const WRITER_FEATURES = [...READER_FEATURES, 'domainMetadata', 'inCommitTimestamp', 'rowTracking']

/** Table property: `v2` for checkpoints in parts, `classic` for single ones. */
export const POLICY_PROPERTY = 'delta.checkpointPolicy'

/** Highest versions that the protocol defines. */
const READER_VERSION_MAX = 3
const WRITER_VERSION_MAX = 7

/** Protocol of a new table, or of one whose schema changes to `schema`. */
export function protocolFor(
  schema: TableSchema,
  previous: ProtocolAction | null,
  properties: Readonly<Record<string, string>> = {},
): ProtocolAction {
  const wanted = [
    ...(usesType(schema, 'timestamp_ntz') ? ['timestampNtz'] : []),
    ...(properties[POLICY_PROPERTY] === 'v2' ? ['v2Checkpoint'] : []),
  ]
  return {
    kind: 'protocol',
    minReaderVersion: READER_VERSION_MAX,
    minWriterVersion: WRITER_VERSION_MAX,
    readerFeatures: union(previous?.readerFeatures ?? [], [...READER_FEATURES, ...wanted]),
    writerFeatures: union(previous?.writerFeatures ?? [], [...WRITER_FEATURES, ...wanted]),
  }
}

/** True when both name the same features. */
export function sameProtocol(left: ProtocolAction, right: ProtocolAction): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}

/** Properties that the features of a new table need. */
export function featureProperties(uuid: () => string): Record<string, string> {
  return {
    'delta.columnMapping.mode': 'name',
    'delta.enableDeletionVectors': 'true',
    'delta.enableInCommitTimestamps': 'true',
    'delta.enableRowTracking': 'true',
    'delta.rowTracking.materializedRowIdColumnName': `_row-id-col-${uuid()}`,
    'delta.rowTracking.materializedRowCommitVersionColumnName': `_row-commit-version-col-${uuid()}`,
    'delta.checkpointInterval': '100',
  }
}

/** Refuses a table that needs more of a reader than this one does. Throws SLU-TAB-3007. */
export function checkReadable(protocol: ProtocolAction): void {
  const unknown = (protocol.readerFeatures ?? []).filter((feature) => !READABLE.has(feature))
  if (unknown.length > 0) {
    throw new SluiceError('SLU-TAB-3007', {
      message: `the table needs the reader feature ${unknown.join(', ')}`,
      context: { features: unknown.join(',') },
    })
  }
  if (protocol.minReaderVersion <= READER_VERSION_MAX && protocol.minReaderVersion >= 1) return
  throw new SluiceError('SLU-TAB-3007', {
    message: `the table needs reader version ${protocol.minReaderVersion}`,
    context: { minReaderVersion: protocol.minReaderVersion },
  })
}

/** Refuses to write a table that another engine made. Throws SLU-TAB-3008. */
export function checkWritable(protocol: ProtocolAction, metadata: MetadataAction): void {
  const reason = obstacleToWriting(protocol, metadata)
  if (reason === null) return
  throw new SluiceError('SLU-TAB-3008', { message: `the table cannot be written: ${reason}` })
}

/** Why this writer leaves the table alone; null when it does not. */
export function obstacleToWriting(
  protocol: ProtocolAction,
  metadata: MetadataAction,
): string | null {
  const features = new Set(protocol.writerFeatures ?? [])
  const missing = REQUIRED.filter((feature) => !features.has(feature))
  const unknown = [...features].filter((feature) => !WRITABLE.has(feature))
  const appendOnly = metadata.configuration['delta.appendOnly'] === 'true'
  if (missing.length > 0) return `it lacks the writer feature ${missing.join(', ')}`
  if (unknown.length > 0) return `it has the writer feature ${unknown.join(', ')}`
  return appendOnly ? 'it has delta.appendOnly set' : null
}

function union(left: readonly string[], right: readonly string[]): readonly string[] {
  return [...new Set([...left, ...right])].sort()
}
