/**
 * The table at one version, as replayed from its log, and how a commit leads to the next one.
 * Invariants: (1) a state never changes; (2) one live file per path; (3) counters equal what the
 * files say.
 */

import {
  type DeletionVectorDescriptor,
  SluiceError,
  type TableSchema,
} from '../../src/model/index.ts'
import {
  type Action,
  type AddAction,
  type MetadataAction,
  type ProtocolAction,
  type TransactionAction,
  vectorId,
} from './actions.ts'
import { emptyFileList, type FileList, FileListBuilder } from './file-list.ts'
import { type FileTotals, LiveFile, NO_TOTALS, TotalsCounter } from './live-file.ts'
import { type MapDraft, PersistentMap } from './persistent-map.ts'
import { checkReadable } from './protocol.ts'
import { schemaOf } from './schema-json.ts'

/** The table at one version. */
export interface TableState {
  readonly version: bigint
  readonly timestampMicros: bigint
  readonly protocol: ProtocolAction
  readonly metadata: MetadataAction
  /** No metadata changed after this version; it may have been the same before. */
  readonly metadataVersion: bigint
  readonly schema: TableSchema
  readonly files: FileList
  readonly totals: FileTotals
  readonly transactions: PersistentMap<TransactionAction>
  /** Domain → configuration text. */
  readonly domains: PersistentMap<string>
}

/** A replay on its way: protocol and metadata may be missing yet. */
export interface PartialState {
  readonly protocol: ProtocolAction | null
  readonly metadata: MetadataAction | null
  readonly metadataVersion: bigint
  readonly schema: TableSchema | null
  readonly files: FileList
  readonly totals: FileTotals
  readonly transactions: PersistentMap<TransactionAction>
  readonly domains: PersistentMap<string>
}

/** What a replay starts from. */
export const NOTHING: PartialState = {
  protocol: null,
  metadata: null,
  metadataVersion: 0n,
  schema: null,
  files: emptyFileList(),
  totals: NO_TOTALS,
  transactions: PersistentMap.empty(),
  domains: PersistentMap.empty(),
}

/**
 * Applies the actions of one version. Cost follows the actions, not the table.
 * A remove takes away the file with that very vector only, so the order of actions does not matter.
 * Throws SLU-TAB-3007 when the actions ask more of a reader than this one can.
 */
export function applyActions(
  state: PartialState,
  version: bigint,
  actions: Iterable<Action>,
): PartialState {
  const totals = new TotalsCounter(state.totals)
  const rest: Action[] = []
  const files = state.files.edit((draft) => {
    for (const action of actions) {
      if (action.kind === 'add') addFile(draft, action, totals)
      else if (action.kind === 'remove') removeFile(draft, action, totals)
      else rest.push(action)
    }
  })
  const named = applyNamed(state, rest)
  const protocol = last(rest, 'protocol') ?? state.protocol
  const metadata = last(rest, 'metaData') ?? state.metadata
  if (protocol !== null && protocol !== state.protocol) checkReadable(protocol)
  const changed = metadata !== state.metadata
  return {
    ...named,
    protocol,
    metadata,
    metadataVersion: changed ? version : state.metadataVersion,
    schema: changed && metadata !== null ? schemaOf(metadata) : state.schema,
    files,
    totals: totals.result(),
  }
}

/** Puts together the state that a checkpoint holds, without its files ever being all unpacked. */
export class CheckpointLoad {
  readonly #files = new FileListBuilder()
  readonly #rest: Action[] = []

  /** Takes actions in any order. Removes tell only what vacuum must leave alone. */
  add(actions: Iterable<Action>): void {
    for (const action of actions) {
      if (action.kind === 'add') this.#files.add(new LiveFile(action))
      else if (action.kind !== 'remove') this.#rest.push(action)
    }
  }

  /** The state. Throws SLU-TAB-3007 when it asks more of a reader than this one can. */
  finish(version: bigint): PartialState {
    return { ...applyActions(NOTHING, version, this.#rest), ...this.#files.finish() }
  }
}

/** A finished replay. Throws SLU-TAB-3005 when the log has no protocol or no metadata. */
export function completeState(
  partial: PartialState,
  version: bigint,
  timestampMicros: bigint,
): TableState {
  const { protocol, metadata, schema } = partial
  if (protocol === null || metadata === null || schema === null) {
    const missing = protocol === null ? 'protocol' : 'metadata'
    throw new SluiceError('SLU-TAB-3005', {
      message: `the log up to version ${version} has no ${missing}`,
      context: { version },
    })
  }
  return { ...partial, protocol, metadata, schema, version, timestampMicros }
}

function addFile(draft: MapDraft<LiveFile>, action: AddAction, totals: TotalsCounter): void {
  const before = draft.get(action.path)
  if (before !== undefined) totals.count(before.action, -1)
  draft.set(action.path, new LiveFile(action))
  totals.count(action, 1)
}

function removeFile(
  draft: MapDraft<LiveFile>,
  action: { readonly path: string; readonly deletionVector: DeletionVectorDescriptor | null },
  totals: TotalsCounter,
): void {
  const before = draft.get(action.path)
  if (before === undefined) return
  if (vectorId(before.deletionVector) !== vectorId(action.deletionVector)) return
  totals.count(before.action, -1)
  draft.delete(action.path)
}

function applyNamed(
  state: PartialState,
  actions: readonly Action[],
): Pick<PartialState, 'transactions' | 'domains'> {
  if (!actions.some(({ kind }) => kind === 'txn' || kind === 'domainMetadata')) return state
  const transactions = state.transactions.edit((draft) => {
    for (const action of actions) if (action.kind === 'txn') draft.set(action.appId, action)
  })
  const domains = state.domains.edit((draft) => {
    for (const action of actions) {
      if (action.kind !== 'domainMetadata') continue
      if (action.removed) draft.delete(action.domain)
      else draft.set(action.domain, action.configuration)
    }
  })
  return { transactions, domains }
}

function last<K extends Action['kind']>(
  actions: readonly Action[],
  kind: K,
): Extract<Action, { kind: K }> | null {
  const found = actions.findLast((action) => action.kind === kind)
  return (found as Extract<Action, { kind: K }> | undefined) ?? null
}
