/**
 * Version checksums, `<version>.crc` (PROTOCOL.md, "Version Checksum File"): what a writer knew of
 * the table after its commit, to hold against what a reader makes of the log.
 * One is written after each commit, beside it and never in its way; when commits come faster than
 * that, only the newest gets one. Nothing but validation depends on them: a missing one is no
 * fault, nor is one that is no JSON; one that says something else is.
 */

import type { ObjectStore, Telemetry } from '../../src/contracts/index.ts'
import { isSluiceError, type JsonObject, SluiceError } from '../../src/model/index.ts'
import { type Action, encodeBody } from './actions.ts'
import { integer, parsePlainObject, printJson } from './json.ts'
import { checksumPath } from './log-path.ts'
import type { TableState } from './state.ts'
import type { TablePaths } from './table-paths.ts'

/** Writes the checksums of one table, one at a time. */
export interface ChecksumTask {
  /** Starts writing the checksum of a version that was just committed here. */
  afterCommit(state: TableState, txnId: string): void
  /** Waits for the one on its way. */
  settle(): Promise<void>
}

/** What the task works with. */
export interface ChecksumTools {
  readonly store: ObjectStore
  readonly paths: TablePaths
  readonly telemetry: Telemetry | null
}

/** Beyond it the transactions and domains of a table are left out, as they may be. */
const LISTED_MAX = 100

/** The task of one table. */
export function createChecksumTask({ store, paths, telemetry }: ChecksumTools): ChecksumTask {
  let running: Promise<void> | null = null
  let due: { readonly state: TableState; readonly txnId: string } | null = null
  const writeDue = async (): Promise<void> => {
    while (due !== null) {
      const { state, txnId } = due
      due = null
      try {
        const bytes = Buffer.from(printChecksum(state, txnId))
        await store.putIfAbsent(paths.object(checksumPath(state.version)), bytes)
      } catch (error) {
        telemetry?.log('warn', 'a version checksum could not be written; the table is unharmed', {
          table: paths.root,
          version: state.version,
          code: isSluiceError(error) ? error.code : 'unknown',
        })
      }
    }
    running = null
  }
  return {
    afterCommit(state, txnId) {
      due = { state, txnId }
      running ??= writeDue()
    },
    async settle() {
      await running
    },
  }
}

/** The text of the checksum of a state. */
export function printChecksum(state: TableState, txnId: string): string {
  const { files, totals, protocol, metadata, transactions, domains } = state
  const domainActions = [...domains.entries()].map(
    ([domain, configuration]): Action => ({
      kind: 'domainMetadata',
      domain,
      configuration,
      removed: false,
    }),
  )
  return printJson({
    txnId,
    tableSizeBytes: totals.sizeBytes,
    numFiles: files.size,
    numDeletedRecordsOpt: integer(totals.deletedRows),
    numDeletionVectorsOpt: totals.vectors,
    numMetadata: 1,
    numProtocol: 1,
    inCommitTimestampOpt: integer(state.timestampMicros / 1000n),
    ...listed('setTransactions', [...transactions.values()]),
    ...listed('domainMetadata', domainActions),
    metadata: encodeBody(metadata),
    protocol: encodeBody(protocol),
  })
}

/**
 * Holds a state against the text of its checksum: SLU-TAB-3013 with what differs, or null. A text
 * that is no checksum says nothing.
 */
export function checksumFault(state: TableState, text: string, path: string): SluiceError | null {
  const noted = parsePlainObject(text)
  if (noted === null || typeof noted.numFiles !== 'number') return null
  const differing = differences(state, noted)
  if (differing.length === 0) return null
  return new SluiceError('SLU-TAB-3013', {
    message: `the log does not lead to what ${path} says: ${differing.join(', ')}`,
    context: { path, version: state.version },
  })
}

function differences(state: TableState, noted: JsonObject): readonly string[] {
  const { files, totals, protocol, metadata } = state
  const isTimed = metadata.configuration['delta.enableInCommitTimestamps'] === 'true'
  const numbers: readonly (readonly [string, number | bigint | null])[] = [
    ['numFiles', files.size],
    ['tableSizeBytes', totals.sizeBytes],
    ['numDeletedRecordsOpt', totals.deletedRows],
    ['numDeletionVectorsOpt', totals.vectors],
    ['inCommitTimestampOpt', isTimed ? state.timestampMicros / 1000n : null],
  ]
  const found = numbers.flatMap(([name, value]) => {
    const there = noted[name]
    if (there === undefined || there === null || value === null) return []
    return String(there) === String(value) ? [] : [`${name} is ${value} and was ${there}`]
  })
  const theirs = { metadata: objectOf(noted.metadata), protocol: objectOf(noted.protocol) }
  if (theirs.metadata.id !== undefined && theirs.metadata.id !== metadata.id) {
    found.push('another metadata id')
  }
  const { schemaString } = theirs.metadata
  if (typeof schemaString === 'string' && schemaString !== metadata.schemaString) {
    found.push('another schema')
  }
  const { minReaderVersion } = theirs.protocol
  if (minReaderVersion !== undefined && minReaderVersion !== protocol.minReaderVersion) {
    found.push('another protocol')
  }
  return found
}

function listed(name: string, actions: readonly Action[]): object {
  return actions.length > LISTED_MAX ? {} : { [name]: actions.map(encodeBody) }
}

function objectOf(value: JsonObject[string] | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : {}
}
