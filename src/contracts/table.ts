/** Seam: a table with versions, written by atomic commits. Implemented by table-format/delta. */

import type {
  Accounting,
  CommitOperation,
  Cursor,
  DataFile,
  JsonObject,
  RowDeletes,
  StagedFile,
  TableSchema,
  TimelineEntry,
} from '../model/index.ts'

/** What a table is created from. Field ids and physical names are given by the format. */
export interface TableSpec {
  readonly schema: TableSchema
  readonly name: string
  readonly properties: Readonly<Record<string, string>>
  /** Stored in the first commit's details. */
  readonly details: JsonObject
}

/** Opens and creates tables under one object store. `root` is a path relative to the store. */
export interface TableFormat {
  /** Null when there is no table at `root`. */
  open(root: string): Promise<Table | null>
  /** Creates version 0, or opens the table when it exists already. */
  create(root: string, spec: TableSpec): Promise<Table>
}

/** Which version to read. */
export type SnapshotAt =
  | { readonly kind: 'version'; readonly version: bigint }
  | { readonly kind: 'timestamp'; readonly micros: bigint }

/** The table at one version. Immutable. */
export interface Snapshot {
  readonly version: bigint
  /** In-commit timestamp, else modification time of the commit; epoch micros. */
  readonly timestampMicros: bigint
  readonly tableId: string
  readonly schema: TableSchema
  readonly properties: Readonly<Record<string, string>>
  readonly fileCount: number
  readonly sizeBytes: number
  /** Live rows: physical rows minus deletion vectors; null when a file lacks statistics. */
  readonly rowCount: bigint | null
  /** Live files in a stable order. */
  files(): Iterable<DataFile>
  file(path: string): DataFile | null
  /** Cursors that a pipeline stored, one per split; all pipelines when none is named. */
  cursors(pipeline?: string): readonly { readonly pipeline: string; readonly cursor: Cursor }[]
  /** Content of a metadata domain; null when absent or removed. */
  domain(name: string): JsonObject | null
}

/** One split's compare-and-swap: the commit holds only if the table still stores `from`. */
export interface CursorMove {
  readonly from: Cursor | null
  readonly to: Cursor
}

/** What one commit changes. All of it becomes visible at once, or nothing does. */
export interface CommitRequest {
  /** The snapshot the plan was made from. */
  readonly base: Snapshot
  readonly operation: CommitOperation
  /** Owner of the cursors; null for maintenance. */
  readonly pipeline: string | null
  readonly cursors: readonly CursorMove[]
  readonly add: readonly StagedFile[]
  /** Rows of live files to delete; merged with the vectors they have. */
  readonly deletes: readonly RowDeletes[]
  /**
   * Removes every file that is live in `base` (truncate, restarted copy, rewritten rows); `deletes`
   * is then empty. Files that came after `base` stay.
   */
  readonly removeAllFiles: boolean
  /** An operation that only writes rows again gives them other values: incremental reads tell. */
  readonly changesValues?: boolean
  /** Schema from this version on; null keeps it. */
  readonly schema: TableSchema | null
  /** Table properties that are set from this version on; the others stay. Absent sets none. */
  readonly properties?: Readonly<Record<string, string>>
  readonly accounting: Accounting | null
  readonly stepTimingsMs: Readonly<Record<string, number>>
  /** Stored in `commitInfo.sluice`. */
  readonly details: JsonObject
}

/**
 * How a commit ended. There is no fourth way: an unknown outcome is resolved before returning
 * (design.md §5).
 * - `committed`: visible as `snapshot.version`.
 * - `fenced`: another writer moved a cursor; this instance must stop or start over. Nothing was
 *   written.
 * - `conflict`: another writer removed a file that `deletes` names, touched one that
 *   `removeAllFiles` is about, or changed the schema; plan again on `latest`.
 */
export type CommitOutcome =
  | { readonly kind: 'committed'; readonly snapshot: Snapshot }
  | { readonly kind: 'fenced'; readonly expected: Cursor | null; readonly found: Cursor | null }
  | {
      readonly kind: 'conflict'
      readonly reason: 'file-removed' | 'schema-changed'
      readonly latest: Snapshot
    }

/** What one version changed in rows, for incremental reads. */
export interface VersionChanges {
  readonly version: bigint
  readonly timestampMicros: bigint
  readonly schema: TableSchema
  /** Files whose rows (minus their vector in this version) appeared. */
  readonly added: readonly DataFile[]
  /** Files whose then-live rows disappeared (removed without being added again). */
  readonly removed: readonly DataFile[]
  /**
   * Rows that a new vector hides in a file that stays: `before` and `after` differ only in the
   * vector.
   */
  readonly vectorChanges: readonly { readonly before: DataFile; readonly after: DataFile }[]
}

/** A table. Reads see whole commits only. */
export interface Table extends AsyncDisposable {
  /** Path relative to the store. */
  readonly root: string
  /** The newest version, read from storage. */
  latest(): Promise<Snapshot>
  /** Throws SLU-TAB-3003 when the version or time is not (or no longer) readable. */
  snapshot(at: SnapshotAt): Promise<Snapshot>
  /**
   * Commits the request; retries versions lost to harmless winners by itself. Order: one call at a
   * time per table.
   */
  commit(request: CommitRequest): Promise<CommitOutcome>
  /** Commits newest first, from `latest` or below `beforeVersionExclusive`. */
  timeline(options: {
    readonly limit: number
    readonly beforeVersionExclusive?: bigint
  }): Promise<readonly TimelineEntry[]>
  /** One commit; null when its log entry is gone or not there yet. */
  entry(version: bigint): Promise<TimelineEntry | null>
  /**
   * Data changes of (from, to], one entry a version, oldest first. Throws SLU-TAB-3004 when part of
   * the range is gone.
   */
  changes(
    fromVersionExclusive: bigint,
    toVersionInclusive: bigint,
  ): Promise<readonly VersionChanges[]>
  /**
   * Deleted row positions of a file, ascending; empty without a vector. Throws SLU-TAB-3002 on a
   * corrupt vector.
   */
  deletedRows(file: DataFile): Promise<Uint32Array>
  /**
   * Looks whether data files are there, may be read and are as long as the log says, before their
   * rows are believed. Throws SLU-STO-2005, SLU-STO-2007, SLU-STO-2008.
   */
  checkFiles(files: Iterable<DataFile>): Promise<void>
  /** Path or URL under which DuckDB reads a data file. */
  readUrl(file: DataFile): string
  /** Path or URL under which DuckDB reads a staged file before a commit names it. */
  stagedUrl(path: string): string
  /**
   * Puts a local Parquet file at a new object path of the table; invisible until a commit names it.
   */
  stageFile(localPath: string, path: string): Promise<void>
  /** Puts other bytes (tombstones) at a new object path of the table. */
  stageBytes(path: string, bytes: Uint8Array): Promise<void>
  /** Reads what `stageBytes` wrote; null when it is gone. */
  readBytes(path: string): Promise<Buffer | null>
  /** Writes a checkpoint of the newest version; a no-op when it has one. */
  checkpoint(): Promise<void>
}
