/**
 * The actions of a log entry and their JSON (PROTOCOL.md, "Actions").
 * Shape: one JSON object a line with one member that names the action. Unknown actions and members
 * are ignored, as the protocol demands. 64-bit numbers are bigint.
 */

import {
  type DeletionVectorDescriptor,
  type JsonObject,
  SluiceError,
} from '../../src/model/index.ts'
import {
  integer,
  type LogJson,
  type LogObject,
  parseLogJson,
  parsePlainJson,
  printJson,
} from './json.ts'
import { decodePath, encodePath } from './log-path.ts'

/** Physical column name → serialised value. */
export type PartitionValues = Readonly<Record<string, string | null>>

/** A data file becomes live. */
export interface AddAction {
  readonly kind: 'add'
  readonly path: string
  readonly partitionValues: PartitionValues
  readonly sizeBytes: number
  readonly modificationTimeMs: number
  readonly dataChange: boolean
  /** JSON text, kept as it came: its numbers may not fit JavaScript's. */
  readonly statsJson: string | null
  readonly tags: Readonly<Record<string, string | null>> | null
  readonly deletionVector: DeletionVectorDescriptor | null
  readonly baseRowId: bigint | null
  readonly defaultRowCommitVersion: bigint | null
  readonly clusteringProvider: string | null
}

/** A data file, with the vector it has, stops being live. */
export interface RemoveAction {
  readonly kind: 'remove'
  readonly path: string
  readonly deletionTimestampMs: number
  readonly dataChange: boolean
  /** Null when the writer left the extended metadata out. */
  readonly partitionValues: PartitionValues | null
  readonly sizeBytes: number | null
  readonly deletionVector: DeletionVectorDescriptor | null
  readonly baseRowId: bigint | null
  readonly defaultRowCommitVersion: bigint | null
}

/** Schema, partitioning and properties. */
export interface MetadataAction {
  readonly kind: 'metaData'
  readonly id: string
  readonly name: string | null
  readonly description: string | null
  readonly schemaString: string
  /** Logical names. */
  readonly partitionColumns: readonly string[]
  readonly configuration: Readonly<Record<string, string>>
  readonly createdTimeMs: number | null
}

/** What a reader and a writer must be able to do. Features are null below reader 3 and writer 7. */
export interface ProtocolAction {
  readonly kind: 'protocol'
  readonly minReaderVersion: number
  readonly minWriterVersion: number
  readonly readerFeatures: readonly string[] | null
  readonly writerFeatures: readonly string[] | null
}

/** Progress of an application. */
export interface TransactionAction {
  readonly kind: 'txn'
  readonly appId: string
  readonly version: bigint
  readonly lastUpdatedMs: number | null
}

/** Content of a named domain. */
export interface DomainAction {
  readonly kind: 'domainMetadata'
  readonly domain: string
  readonly configuration: string
  readonly removed: boolean
}

/** What the writer says about its commit. */
export interface CommitInfoAction {
  readonly kind: 'commitInfo'
  readonly content: JsonObject
}

/** A change data file; only its presence matters here. */
export interface ChangeFileAction {
  readonly kind: 'cdc'
  readonly path: string
}

/** A part of a v2 checkpoint: file name below `_sidecars/`. */
export interface SidecarAction {
  readonly kind: 'sidecar'
  readonly path: string
}

/** One action of a log entry or checkpoint. */
export type Action =
  | AddAction
  | RemoveAction
  | MetadataAction
  | ProtocolAction
  | TransactionAction
  | DomainAction
  | CommitInfoAction
  | ChangeFileAction
  | SidecarAction

/** Identity of a vector within a table: part of the key of a logical file. Null for no vector. */
export function vectorId(descriptor: DeletionVectorDescriptor | null): string | null {
  if (descriptor === null) return null
  const { storageType, pathOrInline, offset } = descriptor
  return `${storageType}${pathOrInline}${offset === null ? '' : `@${offset}`}`
}

/** A line of a log entry → its actions. Throws SLU-TAB-3001 naming `where`. */
export function decodeActions(line: string, where: string): Action[] {
  try {
    const parsed = objectOf(parseLogJson(line), 'the line')
    const actions: Action[] = []
    for (const name in parsed) {
      const value = parsed[name]
      if (value === null || value === undefined) continue
      const action = decodeAction(name, value, line)
      if (action !== null) actions.push(action)
    }
    return actions
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof ShapeFault)) throw error
    throw new SluiceError('SLU-TAB-3001', {
      message: `${where} is not a log action: ${faultText(error)}`,
      context: { where },
      cause: error,
    })
  }
}

/** An action → the line that holds it, without line end. */
export function encodeAction(action: Action): string {
  return printJson({ [action.kind]: encodeBody(action) })
}

function faultText(error: SyntaxError | ShapeFault): string {
  return error instanceof ShapeFault ? error.reason : error.message
}

/** Some writers leave the schema of a table without columns out. */
const NO_COLUMNS = '{"type":"struct","fields":[]}'

/** A member of another type than the protocol says. */
class ShapeFault {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

function decodeAction(name: string, value: LogJson, line: string): Action | null {
  switch (name) {
    case 'add':
      return decodeAdd(objectOf(value, name))
    case 'remove':
      return decodeRemove(objectOf(value, name))
    case 'metaData':
      return decodeMetadata(objectOf(value, name))
    case 'protocol':
      return decodeProtocol(objectOf(value, name))
    case 'txn':
      return decodeTransaction(objectOf(value, name))
    case 'domainMetadata':
      return decodeDomain(objectOf(value, name))
    case 'commitInfo':
      return { kind: 'commitInfo', content: plainMember(line, name) }
    case 'cdc':
      return { kind: 'cdc', path: textOf(objectOf(value, name).path, 'cdc.path') }
    case 'sidecar':
      return { kind: 'sidecar', path: textOf(objectOf(value, name).path, 'sidecar.path') }
    default:
      return null
  }
}

function decodeAdd(body: LogObject): AddAction {
  return {
    kind: 'add',
    path: decodePath(textOf(body.path, 'add.path')),
    partitionValues: textMapOf(body.partitionValues, 'add.partitionValues') ?? {},
    sizeBytes: countOf(body.size, 'add.size'),
    modificationTimeMs: numberOrNull(body.modificationTime) ?? 0,
    dataChange: body.dataChange !== false,
    statsJson: textOrNull(body.stats),
    tags: textMapOf(body.tags, 'add.tags'),
    deletionVector: decodeVector(body.deletionVector),
    baseRowId: bigintOrNull(body.baseRowId),
    defaultRowCommitVersion: bigintOrNull(body.defaultRowCommitVersion),
    clusteringProvider: textOrNull(body.clusteringProvider),
  }
}

function decodeRemove(body: LogObject): RemoveAction {
  return {
    kind: 'remove',
    path: decodePath(textOf(body.path, 'remove.path')),
    deletionTimestampMs: numberOrNull(body.deletionTimestamp) ?? 0,
    dataChange: body.dataChange !== false,
    partitionValues: textMapOf(body.partitionValues, 'remove.partitionValues'),
    sizeBytes: numberOrNull(body.size),
    deletionVector: decodeVector(body.deletionVector),
    baseRowId: bigintOrNull(body.baseRowId),
    defaultRowCommitVersion: bigintOrNull(body.defaultRowCommitVersion),
  }
}

function decodeMetadata(body: LogObject): MetadataAction {
  const configuration = textMapOf(body.configuration, 'metaData.configuration') ?? {}
  const set = Object.entries(configuration).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  )
  return {
    kind: 'metaData',
    id: textOf(body.id, 'metaData.id'),
    name: textOrNull(body.name),
    description: textOrNull(body.description),
    schemaString: textOrNull(body.schemaString) ?? NO_COLUMNS,
    partitionColumns: textListOf(body.partitionColumns, 'metaData.partitionColumns') ?? [],
    configuration: Object.fromEntries(set),
    createdTimeMs: numberOrNull(body.createdTime),
  }
}

function decodeProtocol(body: LogObject): ProtocolAction {
  return {
    kind: 'protocol',
    minReaderVersion: numberOf(body.minReaderVersion, 'protocol.minReaderVersion'),
    minWriterVersion: numberOf(body.minWriterVersion, 'protocol.minWriterVersion'),
    readerFeatures: textListOf(body.readerFeatures, 'protocol.readerFeatures'),
    writerFeatures: textListOf(body.writerFeatures, 'protocol.writerFeatures'),
  }
}

function decodeTransaction(body: LogObject): TransactionAction {
  const version = bigintOrNull(body.version)
  if (version === null) throw new ShapeFault('txn.version is missing')
  return {
    kind: 'txn',
    appId: textOf(body.appId, 'txn.appId'),
    version,
    lastUpdatedMs: numberOrNull(body.lastUpdated),
  }
}

function decodeDomain(body: LogObject): DomainAction {
  return {
    kind: 'domainMetadata',
    domain: textOf(body.domain, 'domainMetadata.domain'),
    configuration: textOrNull(body.configuration) ?? '',
    removed: body.removed === true,
  }
}

function decodeVector(value: LogJson | undefined): DeletionVectorDescriptor | null {
  if (value === null || value === undefined) return null
  const body = objectOf(value, 'deletionVector')
  const storageType = textOf(body.storageType, 'deletionVector.storageType')
  if (storageType !== 'u' && storageType !== 'i' && storageType !== 'p') {
    throw new ShapeFault(`deletionVector.storageType ${JSON.stringify(storageType)} is unknown`)
  }
  return {
    storageType,
    pathOrInline: textOf(body.pathOrInlineDv, 'deletionVector.pathOrInlineDv'),
    offset: body.offset === undefined ? null : countOrNull(body.offset, 'deletionVector.offset'),
    sizeBytes: countOf(body.sizeInBytes, 'deletionVector.sizeInBytes'),
    cardinality: countOf(body.cardinality, 'deletionVector.cardinality'),
  }
}

/** What stands under the name of the action, for printing. */
export function encodeBody(action: Action): object {
  switch (action.kind) {
    case 'add':
      return encodeAdd(action)
    case 'remove':
      return encodeRemove(action)
    case 'metaData':
      return encodeMetadata(action)
    case 'protocol':
      return {
        minReaderVersion: action.minReaderVersion,
        minWriterVersion: action.minWriterVersion,
        ...present('readerFeatures', action.readerFeatures),
        ...present('writerFeatures', action.writerFeatures),
      }
    case 'txn':
      return {
        appId: action.appId,
        version: integer(action.version),
        ...present('lastUpdated', action.lastUpdatedMs),
      }
    case 'domainMetadata':
      return {
        domain: action.domain,
        configuration: action.configuration,
        removed: action.removed,
      }
    case 'commitInfo':
      return action.content
    case 'cdc':
    case 'sidecar':
      return { path: action.path }
    default: {
      const never: never = action
      return never
    }
  }
}

function encodeAdd(action: AddAction): object {
  return {
    path: encodePath(action.path),
    partitionValues: action.partitionValues,
    size: action.sizeBytes,
    modificationTime: action.modificationTimeMs,
    dataChange: action.dataChange,
    ...present('stats', action.statsJson),
    ...present('tags', action.tags),
    ...present('deletionVector', encodeVector(action.deletionVector)),
    ...present('baseRowId', integerOrNull(action.baseRowId)),
    ...present('defaultRowCommitVersion', integerOrNull(action.defaultRowCommitVersion)),
    ...present('clusteringProvider', action.clusteringProvider),
  }
}

function encodeRemove(action: RemoveAction): object {
  const extended = action.partitionValues !== null && action.sizeBytes !== null
  return {
    path: encodePath(action.path),
    deletionTimestamp: action.deletionTimestampMs,
    dataChange: action.dataChange,
    extendedFileMetadata: extended,
    ...present('partitionValues', action.partitionValues),
    ...present('size', action.sizeBytes),
    ...present('deletionVector', encodeVector(action.deletionVector)),
    ...present('baseRowId', integerOrNull(action.baseRowId)),
    ...present('defaultRowCommitVersion', integerOrNull(action.defaultRowCommitVersion)),
  }
}

function encodeMetadata(action: MetadataAction): object {
  return {
    id: action.id,
    ...present('name', action.name),
    ...present('description', action.description),
    format: { provider: 'parquet', options: {} },
    schemaString: action.schemaString,
    partitionColumns: action.partitionColumns,
    configuration: action.configuration,
    ...present('createdTime', action.createdTimeMs),
  }
}

function encodeVector(descriptor: DeletionVectorDescriptor | null): object | null {
  if (descriptor === null) return null
  return {
    storageType: descriptor.storageType,
    pathOrInlineDv: descriptor.pathOrInline,
    ...present('offset', descriptor.offset),
    sizeInBytes: descriptor.sizeBytes,
    cardinality: descriptor.cardinality,
  }
}

/** Absent members are left out: readers take an explicit null in some places for a value. */
function present(name: string, value: unknown): object {
  return value === null ? {} : { [name]: value }
}

function integerOrNull(value: bigint | null): number | object | null {
  return value === null ? null : integer(value)
}

function plainMember(line: string, name: string): JsonObject {
  const value = (parsePlainJson(line) as JsonObject)[name]
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as JsonObject
  }
  throw new ShapeFault(`${name} is not an object`)
}

function objectOf(value: LogJson | undefined, what: string): LogObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as LogObject
  }
  throw new ShapeFault(`${what} is not an object`)
}

function textOf(value: LogJson | undefined, what: string): string {
  if (typeof value === 'string') return value
  throw new ShapeFault(`${what} is not a string`)
}

function textOrNull(value: LogJson | undefined): string | null {
  return typeof value === 'string' ? value : null
}

function numberOf(value: LogJson | undefined, what: string): number {
  if (typeof value === 'number') return value
  throw new ShapeFault(`${what} is not a number`)
}

function countOf(value: LogJson | undefined, what: string): number {
  const count = numberOf(value, what)
  if (Number.isSafeInteger(count) && count >= 0) return count
  throw new ShapeFault(`${what} is not a count`)
}

function countOrNull(value: LogJson, what: string): number | null {
  return value === null ? null : countOf(value, what)
}

function numberOrNull(value: LogJson | undefined): number | null {
  return typeof value === 'number' ? value : null
}

function bigintOrNull(value: LogJson | undefined): bigint | null {
  if (typeof value === 'bigint') return value
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : null
}

function textListOf(value: LogJson | undefined, what: string): readonly string[] | null {
  if (value === null || value === undefined) return null
  if (!Array.isArray(value)) throw new ShapeFault(`${what} is not a list`)
  return value.map((entry: LogJson) => textOf(entry, what))
}

function textMapOf(
  value: LogJson | undefined,
  what: string,
): Readonly<Record<string, string | null>> | null {
  if (value === null || value === undefined) return null
  const map = objectOf(value, what)
  for (const name in map) if (map[name] !== null) textOf(map[name], what)
  return map as Readonly<Record<string, string | null>>
}
