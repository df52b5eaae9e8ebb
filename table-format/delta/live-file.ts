/** A live data file, and sums over many of them. */

import type { DataFile, DeletionVectorDescriptor, FileStatistics } from '../../src/model/index.ts'
import type { AddAction, PartitionValues } from './actions.ts'
import { parseStatistics, recordCountOf } from './statistics.ts'

/**
 * A live data file. Its statistics stay text until somebody asks: a table may have a million
 * files.
 */
export class LiveFile implements DataFile {
  readonly action: AddAction

  constructor(action: AddAction) {
    this.action = action
  }

  get path(): string {
    return this.action.path
  }

  get sizeBytes(): number {
    return this.action.sizeBytes
  }

  get partitionValues(): PartitionValues {
    return this.action.partitionValues
  }

  get modificationTimeMs(): number {
    return this.action.modificationTimeMs
  }

  get statistics(): FileStatistics | null {
    return parseStatistics(this.action.statsJson)
  }

  get deletionVector(): DeletionVectorDescriptor | null {
    return this.action.deletionVector
  }

  get baseRowId(): bigint | null {
    return this.action.baseRowId
  }

  get defaultRowCommitVersion(): bigint | null {
    return this.action.defaultRowCommitVersion
  }
}

/** Sums over the live files. */
export interface FileTotals {
  readonly sizeBytes: number
  /** Physical rows minus deleted ones, of the files whose statistics tell. */
  readonly liveRows: bigint
  readonly filesWithoutStatistics: number
  /** Rows that vectors hide, statistics or not. */
  readonly deletedRows: bigint
  readonly vectors: number
}

/** Sums over no files. */
export const NO_TOTALS: FileTotals = {
  sizeBytes: 0,
  liveRows: 0n,
  filesWithoutStatistics: 0,
  deletedRows: 0n,
  vectors: 0,
}

/** Keeps sums up to date while files come and go. */
export class TotalsCounter {
  readonly #start: FileTotals
  #sizeBytes = 0
  #liveRows = 0
  #filesWithoutStatistics = 0
  #deletedRows = 0
  #vectors = 0

  constructor(start: FileTotals) {
    this.#start = start
  }

  /** `sign` is 1 for a file that comes, -1 for one that goes. */
  count(action: AddAction, sign: 1 | -1): void {
    const { sizeBytes, statsJson, deletionVector } = action
    const deleted = deletionVector?.cardinality ?? 0
    this.#sizeBytes += sign * sizeBytes
    this.#deletedRows += sign * deleted
    if (deletionVector !== null) this.#vectors += sign
    const records = recordCountOf(statsJson)
    if (records === null) this.#filesWithoutStatistics += sign
    else this.#liveRows += sign * (records - deleted)
  }

  result(): FileTotals {
    const start = this.#start
    return {
      sizeBytes: start.sizeBytes + this.#sizeBytes,
      liveRows: start.liveRows + BigInt(this.#liveRows),
      filesWithoutStatistics: start.filesWithoutStatistics + this.#filesWithoutStatistics,
      deletedRows: start.deletedRows + BigInt(this.#deletedRows),
      vectors: start.vectors + this.#vectors,
    }
  }
}
