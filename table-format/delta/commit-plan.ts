/**
 * From a commit request and the state it meets to the actions of the next version: pure, so that it
 * can be made anew whenever another writer wins a version.
 *
 * Invariants of the actions: (1) `commitInfo` first; (2) one `add` and one `remove` per path;
 * (3) a new vector comes as remove{path, old vector} + add{path, new vector}, row ids unchanged;
 * (4) no vector is empty and none hides all rows: then the file is removed instead;
 * (5) a new file may come with a vector: rows that a later part of the same commit took back.
 */

import type { CommitRequest } from '../../src/contracts/index.ts'
import {
  assert,
  type Cursor,
  type DeletionVectorDescriptor,
  type StagedFile,
  sameCursor,
  type TableSchema,
} from '../../src/model/index.ts'
import { type Action, type AddAction, type RemoveAction, vectorId } from './actions.ts'
import { commitInfo } from './commit-info.ts'
import type { CommitContext, DeletePlan, VectorUpdate } from './commit-types.ts'
import { cursorActions, storedCursor } from './cursors.ts'
import { integer, parsePlainObject, printJson } from './json.ts'
import type { LiveFile } from './live-file.ts'
import { POLICY_PROPERTY, protocolFor, sameProtocol } from './protocol.ts'
import { isBelow, type RowBitmap, rowsToBitmap, uniteBitmaps } from './row-bitmap.ts'
import { assignFields } from './schema-change.ts'
import {
  KEY_PROPERTY,
  listProperty,
  MAX_ID_PROPERTY,
  printSchema,
  RETIRED_PROPERTY,
} from './schema-json.ts'
import type { TableState } from './state.ts'
import { printStatistics, recordCountOf, withWideBounds } from './statistics.ts'

/** Domain with the highest row id given. */
export const ROW_TRACKING_DOMAIN = 'delta.rowTracking'

/** Why a request does not fit the state it meets. */
export type Obstacle =
  | { readonly kind: 'fenced'; readonly expected: Cursor | null; readonly found: Cursor | null }
  | { readonly kind: 'conflict'; readonly reason: 'file-removed' | 'schema-changed' }

/** What one version will hold. */
export interface CommitPlan {
  readonly actions: readonly Action[]
  readonly inCommitTimestampMs: number
}

/** What stands between the request and the state; null when nothing does. */
export function obstacleOf(
  request: CommitRequest,
  base: TableState,
  state: TableState,
): Obstacle | null {
  for (const { from, to } of request.cursors) {
    assert(request.pipeline !== null, 'SLU-BUG-9001', 'a commit with cursors names its pipeline')
    const found = storedCursor(state, request.pipeline, to.split)
    if (!sameCursor(from, found)) return { kind: 'fenced', expected: from, found }
  }
  if (
    state.metadata.schemaString !== base.metadata.schemaString ||
    state.metadata.id !== base.metadata.id
  ) {
    return { kind: 'conflict', reason: 'schema-changed' }
  }
  const isGone = request.deletes.some(({ path }) => state.files.get(path) === undefined)
  const isTouched = request.removeAllFiles && !holdsAllFiles(state, base)
  return isGone || isTouched ? { kind: 'conflict', reason: 'file-removed' } : null
}

/**
 * True when every file of `base` is live in `state` as it was. Where one is not, its rows may live
 * on in a file that another writer added, or some of them may be deleted since.
 */
function holdsAllFiles(state: TableState, base: TableState): boolean {
  if (state.files === base.files) return true
  for (const { path, deletionVector } of base.files.values()) {
    const now = state.files.get(path)
    if (now === undefined || vectorId(now.deletionVector) !== vectorId(deletionVector)) return false
  }
  return true
}

/** Files that a request deletes rows of; each must be live in the state. */
export function deleteTargets(request: CommitRequest, state: TableState): readonly LiveFile[] {
  const paths = new Set(request.deletes.map(({ path }) => path))
  const once = paths.size === request.deletes.length
  assert(once, 'SLU-BUG-9001', 'a commit deletes from each file once')
  return request.deletes.map(({ path }) => state.files.get(path)!)
}

/**
 * Unites the rows to delete with those the files hide already: `hidden` of each target, in order.
 */
export function planDeletes(
  request: CommitRequest,
  targets: readonly LiveFile[],
  hidden: readonly RowBitmap[],
): DeletePlan {
  const updates: VectorUpdate[] = []
  const emptied: LiveFile[] = []
  let deletedRows = 0
  request.deletes.forEach(({ path, rows }, index) => {
    const file = targets[index]!
    const before = hidden[index]!
    const records = recordCountOf(file.action.statsJson)
    assert(records !== null, 'SLU-BUG-9001', 'the file has no record count', { path })
    const after = uniteBitmaps(before, rowsToBitmap(rows))
    assert(isBelow(after, records), 'SLU-BUG-9001', 'a row to delete is beyond the file', { path })
    const newRows = after.cardinality - before.cardinality
    deletedRows += newRows
    if (after.cardinality === records) emptied.push(file)
    else if (newRows > 0) updates.push({ file, rows: after, newRows })
  })
  return { updates, emptied, deletedRows }
}

/**
 * Live files that `removeAllFiles` takes away: those of the base, which the state has as they were.
 */
export function filesToRemove(request: CommitRequest, base: TableState): readonly LiveFile[] {
  if (!request.removeAllFiles) return []
  assert(request.deletes.length === 0, 'SLU-BUG-9001', 'a truncate deletes no single rows')
  return [...base.files.values()]
}

/** The actions of the version after `state`. */
export function planCommit(request: {
  readonly commit: CommitRequest
  readonly base: TableState
  readonly state: TableState
  readonly deletes: DeletePlan
  /** New descriptor of each of `deletes.updates`, in order. */
  readonly vectors: readonly DeletionVectorDescriptor[]
  /** Path → vector of the files that are added with rows hidden. */
  readonly addedVectors: ReadonlyMap<string, DeletionVectorDescriptor>
  readonly context: CommitContext
}): CommitPlan {
  const { commit, base, state, deletes, vectors, addedVectors, context } = request
  const version = state.version + 1n
  const timestampMs = Math.max(context.nowMs, Number(state.timestampMicros / 1000n) + 1)
  // These two write rows again, which mostly stay what they are.
  const rearranges = commit.operation === 'compact' || commit.operation === 'schema'
  const dataChange = !rearranges || commit.changesValues === true
  const schemaActions = planSchema(commit, state, context)
  const schema = schemaActions.schema
  const gone = [...filesToRemove(commit, base), ...deletes.emptied]
  const rowIds = highWaterMark(state)
  const adds = commit.add.map((staged): AddAction => {
    const isNew = state.files.get(staged.path) === undefined
    const { path } = staged
    assert(isNew, 'SLU-BUG-9001', 'a staged file is part of the table already', { path })
    return {
      ...addOf(staged, addedVectors.get(path) ?? null, schema),
      modificationTimeMs: context.nowMs,
      dataChange,
      baseRowId: rowIds.take(staged.statistics.recordCount),
      defaultRowCommitVersion: version,
    }
  })
  const removal = { nowMs: context.nowMs, dataChange }
  const fileActions = [
    ...adds,
    ...gone.map((file) => removeOf(file, removal)),
    ...deletes.updates.flatMap(({ file }, index) => [
      removeOf(file, removal),
      rehiddenOf(file, vectors[index]!, dataChange),
    ]),
  ]
  checkPaths(fileActions)
  const info = commitInfo({ commit, deletes, gone, timestampMs, context })
  return {
    actions: [
      info,
      ...schemaActions.actions,
      ...commit.cursors.flatMap(({ to }) =>
        cursorActions({ pipeline: commit.pipeline!, cursor: to, nowMs: context.nowMs }),
      ),
      ...rowIds.actions(),
      ...fileActions,
    ],
    inCommitTimestampMs: timestampMs,
  }
}

/** The `metaData` of a schema, with the properties that follow from it. */
export function metadataWith(request: {
  readonly schema: TableSchema
  readonly retired: readonly string[]
  readonly configuration: Readonly<Record<string, string>>
}): {
  readonly schemaString: string
  readonly partitionColumns: readonly string[]
  readonly configuration: Readonly<Record<string, string>>
} {
  const { schema, retired } = request
  return {
    schemaString: printSchema(schema),
    partitionColumns: schema.partitionBy,
    configuration: {
      ...request.configuration,
      [MAX_ID_PROPERTY]: String(schema.maxFieldId),
      [KEY_PROPERTY]: JSON.stringify(schema.key),
      ...(retired.length === 0 ? {} : { [RETIRED_PROPERTY]: JSON.stringify(retired) }),
    },
  }
}

function planSchema(
  { schema: wanted, properties }: CommitRequest,
  state: TableState,
  { uuid, longTableFiles }: CommitContext,
): { readonly schema: TableSchema; readonly actions: readonly Action[] } {
  const { metadata } = state
  const set = { ...policyFor(state, longTableFiles), ...properties }
  const isSame = Object.entries(set).every(
    ([name, value]) => metadata.configuration[name] === value,
  )
  if (wanted === null && isSame) return { schema: state.schema, actions: [] }
  const configuration = { ...metadata.configuration, ...set }
  if (wanted === null) {
    const protocol = changedProtocol(state, state.schema, configuration)
    return { schema: state.schema, actions: [...protocol, { ...metadata, configuration }] }
  }
  const { schema, retired } = assignFields({
    wanted,
    previous: state.schema,
    retired: listProperty(configuration, RETIRED_PROPERTY),
    uuid,
  })
  const changed = { ...metadata, ...metadataWith({ schema, retired, configuration }) }
  return { schema, actions: [...changedProtocol(state, schema, configuration), changed] }
}

/** The protocol that schema and properties ask for, when that is not the one there is. */
function changedProtocol(
  state: TableState,
  schema: TableSchema,
  configuration: Readonly<Record<string, string>>,
): readonly Action[] {
  const protocol = protocolFor(schema, state.protocol, configuration)
  return sameProtocol(protocol, state.protocol) ? [] : [protocol]
}

/** A table that has become long gets v2 checkpoints unless somebody has chosen its policy. */
function policyFor(
  { files, metadata }: TableState,
  longTableFiles: number,
): Readonly<Record<string, string>> {
  const isChosen = metadata.configuration[POLICY_PROPERTY] !== undefined
  return files.size >= longTableFiles && !isChosen ? { [POLICY_PROPERTY]: 'v2' } : {}
}

/** What a staged file says of itself. */
function addOf(
  staged: StagedFile,
  deletionVector: DeletionVectorDescriptor | null,
  schema: TableSchema,
): Omit<AddAction, 'modificationTimeMs' | 'dataChange' | 'baseRowId' | 'defaultRowCommitVersion'> {
  const statistics = printStatistics(staged.statistics, schema)
  return {
    kind: 'add',
    path: staged.path,
    partitionValues: staged.partitionValues,
    sizeBytes: staged.sizeBytes,
    statsJson: deletionVector === null ? statistics : withWideBounds(statistics),
    tags: null,
    deletionVector,
    clusteringProvider: null,
  }
}

function removeOf(
  file: LiveFile,
  removal: { readonly nowMs: number; readonly dataChange: boolean },
): RemoveAction {
  const { action } = file
  return {
    kind: 'remove',
    path: action.path,
    deletionTimestampMs: removal.nowMs,
    dataChange: removal.dataChange,
    partitionValues: action.partitionValues,
    sizeBytes: action.sizeBytes,
    deletionVector: action.deletionVector,
    baseRowId: action.baseRowId,
    defaultRowCommitVersion: action.defaultRowCommitVersion,
  }
}

function rehiddenOf(
  file: LiveFile,
  deletionVector: DeletionVectorDescriptor,
  dataChange: boolean,
): AddAction {
  const { action } = file
  const statsJson = withWideBounds(action.statsJson!)
  return { ...action, dataChange, deletionVector, statsJson }
}

/** Row ids handed out above the highest one so far. */
function highWaterMark(state: TableState): {
  take(count: number): bigint
  actions(): readonly Action[]
} {
  const text = state.domains.get(ROW_TRACKING_DOMAIN)
  const stored = text === undefined ? null : parsePlainObject(text)?.rowIdHighWaterMark
  const start = stored === null || stored === undefined ? -1n : BigInt(stored as number | string)
  let mark = start
  return {
    take: (count) => {
      const first = mark + 1n
      mark += BigInt(count)
      return first
    },
    actions: () =>
      mark === start
        ? []
        : [
            {
              kind: 'domainMetadata',
              domain: ROW_TRACKING_DOMAIN,
              configuration: printJson({ rowIdHighWaterMark: integer(mark) }),
              removed: false,
            },
          ],
  }
}

function checkPaths(actions: readonly (AddAction | RemoveAction)[]): void {
  const added = new Set<string>()
  const removed = new Set<string>()
  for (const action of actions) {
    const seen = action.kind === 'add' ? added : removed
    assert(!seen.has(action.path), 'SLU-BUG-9001', 'a commit names each file once', {
      path: action.path,
      vector: vectorId(action.deletionVector),
    })
    seen.add(action.path)
  }
}
