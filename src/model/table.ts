/** The nouns of a stored table: files, vectors, snapshots' plain parts, timeline entries. */

import type { Cursor, JsonObject } from './position.ts'
import type { TableSchema } from './schema.ts'

/**
 * Statistics of one data file, in Delta's shape: physical column name → value, members of structs
 * nested. Numbers that JavaScript would not print as they are (wide long and decimal values, a
 * negative zero) are their digits as text.
 */
export interface FileStatistics {
  /** Physical rows, deleted ones included. */
  readonly recordCount: number
  readonly minValues: JsonObject
  readonly maxValues: JsonObject
  readonly nullCount: JsonObject
  /** False once a deletion vector hides rows: min and max may be wider than the live values. */
  readonly tightBounds: boolean
}

/**
 * Where a deletion vector is stored; Delta's descriptor. `sizeBytes` excludes length and checksum.
 */
export interface DeletionVectorDescriptor {
  readonly storageType: 'u' | 'i' | 'p'
  readonly pathOrInline: string
  readonly offset: number | null
  readonly sizeBytes: number
  /** Number of deleted rows. */
  readonly cardinality: number
}

/** A live data file of a snapshot. */
export interface DataFile {
  /** Object path relative to the table root, decoded (not percent-encoded); or an absolute URL. */
  readonly path: string
  readonly sizeBytes: number
  /** Partition column (physical name) → serialised value; null is SQL NULL. */
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly modificationTimeMs: number
  /** Null when the writer left no statistics. */
  readonly statistics: FileStatistics | null
  readonly deletionVector: DeletionVectorDescriptor | null
  readonly baseRowId: bigint | null
  readonly defaultRowCommitVersion: bigint | null
}

/** A Parquet file written to the spool, not yet part of any snapshot. */
export interface StagedFile {
  /** Object path relative to the table root that it has been put at. */
  readonly path: string
  readonly sizeBytes: number
  readonly partitionValues: Readonly<Record<string, string | null>>
  readonly statistics: FileStatistics
  /**
   * Ascending, unique positions of rows that are gone before they are ever seen: later parts of the
   * same commit replaced or deleted them. Never all rows of the file.
   */
  readonly hiddenRows?: Uint32Array
}

/** Rows of one live data file to delete. `rows` are ascending, unique row positions in the file. */
export interface RowDeletes {
  readonly path: string
  readonly rows: Uint32Array
}

/**
 * How the records of a batch ended: `read = applied + superseded + filtered + late + rejected`.
 * `inserted + updated + deleted` is what `applied` changed in the table; a key that was inserted
 * and deleted within one batch counts its last change as applied and the earlier ones as
 * superseded. A commit of several parts holds the sums of its parts.
 */
export interface Accounting {
  readonly read: number
  readonly applied: number
  readonly superseded: number
  readonly filtered: number
  readonly late: number
  readonly rejected: number
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

/** What made a version. */
export type CommitOperation =
  | 'create'
  | 'ingest'
  | 'copy'
  | 'schema'
  | 'truncate'
  | 'compact'
  | 'restore'
  | 'purge'
  | 'properties'
  | 'foreign'

/** One commit as the timeline shows it. */
export interface TimelineEntry {
  readonly version: bigint
  /** In-commit timestamp, else the modification time; epoch microseconds. */
  readonly timestampMicros: bigint
  readonly operation: CommitOperation
  /** The engine's own operation name: `STREAMING UPDATE`, `OPTIMIZE`. */
  readonly operationName: string
  readonly writer: string | null
  readonly addedFiles: number
  readonly removedFiles: number
  readonly addedBytes: number
  readonly addedRows: number
  readonly deletedRows: number
  /** Deletion vectors written by this commit. */
  readonly deletionVectors: number
  readonly accounting: Accounting | null
  /** Cursors stored by this commit. */
  readonly cursors: readonly Cursor[]
  /** Milliseconds per step of the journey, when the writer recorded them. */
  readonly stepTimingsMs: Readonly<Record<string, number>>
  /**
   * The schema that this commit sets; null when it keeps the one before. Throws SLU-TAB-3010 on a
   * type that is not known: older versions may have had one.
   */
  schema(): TableSchema | null
  /** The commit's own details as stored. */
  readonly commitInfo: JsonObject
}
