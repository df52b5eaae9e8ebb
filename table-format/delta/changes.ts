/** What versions changed in rows, from the actions of their commits. */

import type { VersionChanges } from '../../src/contracts/index.ts'
import {
  type DataFile,
  isSluiceError,
  SluiceError,
  type TableSchema,
} from '../../src/model/index.ts'
import { type AddAction, type RemoveAction, vectorId } from './actions.ts'
import { LiveFile } from './live-file.ts'
import type { LogCommit, TableLog } from './log.ts'
import { notReadable } from './replay.ts'
import { schemaOf } from './schema-json.ts'
import type { TableState } from './state.ts'

/** A range of versions and how to reach them. */
export interface ChangesRequest {
  readonly log: TableLog
  readonly head: TableState
  readonly fromVersionExclusive: bigint
  readonly toVersionInclusive: bigint
  stateAt(version: bigint): Promise<TableState>
}

/**
 * Changes of (from, to], oldest first. Rearranged rows (`dataChange` false) are no changes.
 * Throws SLU-TAB-3003 when `to` is not there yet, SLU-TAB-3004 when part of the range is gone.
 */
export async function readChanges(request: ChangesRequest): Promise<readonly VersionChanges[]> {
  const { log, head, fromVersionExclusive, toVersionInclusive } = request
  if (toVersionInclusive > head.version) {
    throw notReadable(`version ${toVersionInclusive}`, { oldest: 0n, newest: head.version })
  }
  const commits: LogCommit[] = []
  for (let version = fromVersionExclusive + 1n; version <= toVersionInclusive; version++) {
    const commit = await log.readCommit(version)
    if (commit === null) throw gone(version)
    commits.push(commit)
  }
  let schema = await schemaBefore(request, commits)
  const changes: VersionChanges[] = []
  for (const commit of commits) {
    const metadata = commit.actions.findLast((action) => action.kind === 'metaData')
    if (metadata !== undefined) schema = schemaOf(metadata)
    if (schema === null) throw gone(commit.version)
    changes.push(await changesOf(request, commit, schema))
  }
  return changes
}

/**
 * The schema of the first commit when it sets none; the head's own when that has not changed
 * since.
 */
async function schemaBefore(
  request: ChangesRequest,
  commits: readonly LogCommit[],
): Promise<TableSchema | null> {
  const first = commits[0]
  if (first === undefined || first.actions.some((action) => action.kind === 'metaData')) return null
  if (request.head.metadataVersion <= first.version) return request.head.schema
  try {
    return (await request.stateAt(first.version)).schema
  } catch (error) {
    // A log entry may outlive the checkpoint that its state needs.
    if (isSluiceError(error, 'SLU-TAB-3003')) return null
    throw error
  }
}

async function changesOf(
  request: ChangesRequest,
  commit: LogCommit,
  schema: TableSchema,
): Promise<VersionChanges> {
  const adds = new Map<string, AddAction>()
  const removes = new Map<string, RemoveAction>()
  for (const action of commit.actions) {
    if (action.kind === 'add' && action.dataChange) adds.set(action.path, action)
    else if (action.kind === 'remove' && action.dataChange) removes.set(action.path, action)
  }
  const added = [...adds.values()].filter((action) => !removes.has(action.path))
  const removed = [...removes.values()].filter((action) => !adds.has(action.path))
  const vectorChanges = [...adds.values()].flatMap((after) => {
    const before = removes.get(after.path)
    if (before === undefined) return []
    if (vectorId(before.deletionVector) === vectorId(after.deletionVector)) return []
    const earlier = { ...after, deletionVector: before.deletionVector }
    return [{ before: new LiveFile(earlier), after: new LiveFile(after) }]
  })
  return {
    version: commit.version,
    timestampMicros: await request.log.timestampMicros(commit),
    schema,
    added: added.map((action) => new LiveFile(action)),
    removed: await removedFiles(request, commit.version, removed),
    vectorChanges,
  }
}

/** A remove tells all about its file when the writer was thorough; else the version before does. */
async function removedFiles(
  request: ChangesRequest,
  version: bigint,
  removed: readonly RemoveAction[],
): Promise<readonly DataFile[]> {
  if (removed.every((action) => action.partitionValues !== null && action.sizeBytes !== null)) {
    return removed.map(fileOf)
  }
  const before = await request.stateAt(version - 1n)
  return removed.flatMap((action) => before.files.get(action.path) ?? [])
}

function fileOf(action: RemoveAction): DataFile {
  return new LiveFile({
    kind: 'add',
    path: action.path,
    partitionValues: action.partitionValues ?? {},
    sizeBytes: action.sizeBytes ?? 0,
    modificationTimeMs: action.deletionTimestampMs,
    dataChange: true,
    statsJson: null,
    tags: null,
    deletionVector: action.deletionVector,
    baseRowId: action.baseRowId,
    defaultRowCommitVersion: action.defaultRowCommitVersion,
    clusteringProvider: null,
  })
}

function gone(version: bigint): SluiceError {
  return new SluiceError('SLU-TAB-3004', {
    message: `version ${version} is no longer in the table log`,
    context: { version },
  })
}
