/** What a commit says about itself: `commitInfo`, in Delta's words and in Sluice's. */

import type { CommitRequest } from '../../src/contracts/index.ts'
import {
  type Accounting,
  type CommitOperation,
  cursorToJson,
  type JsonObject,
  type JsonValue,
  type StagedFile,
} from '../../src/model/index.ts'
import type { CommitInfoAction } from './actions.ts'
import type { CommitContext, DeletePlan } from './commit-types.ts'
import type { LiveFile } from './live-file.ts'
import { recordCountOf } from './statistics.ts'

/** Names that readers of Delta know. */
const OPERATION_NAMES: Readonly<Record<CommitOperation, string>> = {
  create: 'CREATE TABLE',
  ingest: 'STREAMING UPDATE',
  copy: 'WRITE',
  schema: 'CHANGE COLUMNS',
  truncate: 'TRUNCATE',
  compact: 'OPTIMIZE',
  restore: 'RESTORE',
  purge: 'DELETE',
  properties: 'SET TBLPROPERTIES',
  foreign: 'WRITE',
}

/** Delta's name of an operation. */
export function operationName(operation: CommitOperation): string {
  return OPERATION_NAMES[operation]
}

/** `commitInfo` of a commit to an existing table. */
export function commitInfo(request: {
  readonly commit: CommitRequest
  readonly deletes: DeletePlan
  /** Files removed as a whole. */
  readonly gone: readonly LiveFile[]
  readonly timestampMs: number
  readonly context: CommitContext
}): CommitInfoAction {
  const { commit, deletes, gone, timestampMs, context } = request
  const blind = commit.deletes.length === 0 && gone.length === 0 && commit.schema === null
  const removedRows = commit.removeAllFiles
    ? gone.reduce((sum, file) => sum + liveRows(file), 0)
    : 0
  const metrics = {
    numAddedFiles: commit.add.length,
    numRemovedFiles: gone.length,
    numAddedBytes: commit.add.reduce((sum, file) => sum + file.sizeBytes, 0),
    numOutputRows: commit.add.reduce((sum, file) => sum + visibleRows(file), 0),
    numDeletedRows: deletes.deletedRows + removedRows,
    numDeletionVectorsAdded: deletes.updates.length + commit.add.filter(isHiding).length,
  }
  return {
    kind: 'commitInfo',
    content: {
      inCommitTimestamp: timestampMs,
      timestamp: timestampMs,
      operation: OPERATION_NAMES[commit.operation],
      operationParameters: parametersOf(commit),
      isolationLevel: 'WriteSerializable',
      isBlindAppend: blind,
      operationMetrics: textValues(metrics),
      engineInfo: context.writerName,
      tags: { 'delta.rowTracking.preserved': blind ? 'true' : 'false' },
      txnId: context.txnId,
      sluice: {
        ...commit.details,
        operation: commit.operation,
        pipeline: commit.pipeline,
        accounting: commit.accounting === null ? null : accountingToJson(commit.accounting),
        cursors: commit.cursors.map(({ from, to }) => ({
          from: from === null ? null : cursorToJson(from),
          to: cursorToJson(to),
        })),
        stepTimingsMs: commit.stepTimingsMs,
      },
    },
  }
}

/** `commitInfo` of version 0. */
export function creationInfo(request: {
  readonly context: Pick<CommitContext, 'txnId' | 'writerName' | 'nowMs'>
  readonly details: JsonObject
  readonly partitionBy: readonly string[]
}): CommitInfoAction {
  const { context, details, partitionBy } = request
  return {
    kind: 'commitInfo',
    content: {
      inCommitTimestamp: context.nowMs,
      timestamp: context.nowMs,
      operation: OPERATION_NAMES.create,
      operationParameters: { partitionBy: JSON.stringify(partitionBy) },
      isolationLevel: 'Serializable',
      isBlindAppend: true,
      operationMetrics: {},
      engineInfo: context.writerName,
      tags: { 'delta.rowTracking.preserved': 'true' },
      txnId: context.txnId,
      sluice: { ...details, operation: 'create' },
    },
  }
}

/** Accounting as stored; null when `json` is none. */
export function accountingFromJson(json: JsonValue | undefined): Accounting | null {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null
  const counts = json as JsonObject
  const count = (name: keyof Accounting): number => {
    const value = counts[name]
    return typeof value === 'number' ? value : 0
  }
  return {
    read: count('read'),
    applied: count('applied'),
    superseded: count('superseded'),
    filtered: count('filtered'),
    late: count('late'),
    rejected: count('rejected'),
    inserted: count('inserted'),
    updated: count('updated'),
    deleted: count('deleted'),
  }
}

function accountingToJson(accounting: Accounting): JsonObject {
  return { ...accounting }
}

function parametersOf(commit: CommitRequest): JsonObject {
  if (commit.operation === 'ingest') {
    const epoch = commit.cursors[0]?.to.batchNumber
    return {
      outputMode: commit.deletes.length === 0 ? 'Append' : 'Update',
      queryId: commit.pipeline ?? '',
      epochId: epoch === undefined ? '' : epoch.toString(),
    }
  }
  if (commit.operation === 'properties') {
    return { properties: JSON.stringify(commit.properties ?? {}) }
  }
  return commit.operation === 'copy' ? { mode: 'Append' } : {}
}

function isHiding({ hiddenRows }: StagedFile): boolean {
  return hiddenRows !== undefined && hiddenRows.length > 0
}

function visibleRows({ statistics, hiddenRows }: StagedFile): number {
  return statistics.recordCount - (hiddenRows?.length ?? 0)
}

function liveRows(file: LiveFile): number {
  const records = recordCountOf(file.action.statsJson) ?? 0
  return records - (file.deletionVector?.cardinality ?? 0)
}

function textValues(metrics: Readonly<Record<string, number>>): JsonObject {
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, String(value)]))
}
