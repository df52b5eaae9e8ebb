/**
 * Seam: a pipeline as settings and as seen from outside. Config produces the first, ingest the
 * second.
 */

import type { PIPELINE_STATES, SourcePosition, SplitId } from '../model/index.ts'
import type { SourceWarning } from './source.ts'

/** How changes are written. */
export type WriteMode = 'upsert' | 'append'

/** What a table does about each kind of change of its stream's columns. */
export interface SchemaPolicies {
  /** A column the table does not have. */
  readonly add: 'apply' | 'stop'
  /** A type whose values the table's holds only after it grew. */
  readonly widen: 'apply' | 'stop'
  /** `keep`: the table goes on under the old name. */
  readonly rename: 'apply' | 'keep' | 'stop'
  /** `keep`: the column stays and is NULL from then on; `apply`: it leaves the table. */
  readonly drop: 'keep' | 'apply' | 'stop'
  /** Any other type. */
  readonly incompatible: 'stop'
}

/** What happens at a record that cannot be decoded. */
export interface RejectPolicy {
  /**
   * `stop` ends the pipeline before the record; `dlq` puts it in the dead-letter table; `skip`
   * counts it and goes on.
   */
  readonly onError: 'stop' | 'dlq' | 'skip'
  /** More rejected records than `count` in any `windowMs` stop the pipeline; null: no ceiling. */
  readonly stopAfter: { readonly count: number; readonly windowMs: number } | null
}

/** One stream and the table it becomes. */
export interface TableTarget {
  /** Stream name in the source: `public.orders`. */
  readonly stream: string
  /** A pattern chose the stream: it may come and go while the pipeline runs. */
  readonly isMatched?: true
  /** Table name for people and SQL: `orders`, `shop.orders`. */
  readonly table: string
  /** Path of the table relative to the store: `orders`, `shop/orders`. */
  readonly root: string
  readonly mode: WriteMode
  /**
   * Nobody chose the mode: a stream without a key becomes an append table, which takes inserts and
   * truncates, and refuses what it could not apply.
   */
  readonly isModeOpen?: true
  /** Key columns; null takes the stream's own key. */
  readonly key: readonly string[] | null
  /** Integer, date or timestamp column whose higher value wins; null takes the source order. */
  readonly orderingColumn: string | null
  readonly partitionBy: readonly string[]
  /**
   * For sources without deletes of their own: rows where this column has this value delete their
   * key.
   */
  readonly deleteWhen: { readonly column: string; readonly equals: string } | null
  readonly schema: SchemaPolicies
  /** Table properties of the user's; none when absent. */
  readonly properties?: Readonly<Record<string, string>>
  /** Stop when absent. */
  readonly rejects?: RejectPolicy
}

/** What a stream becomes whose name is not known yet. */
export interface TargetTemplate
  extends Omit<TableTarget, 'stream' | 'isMatched' | 'table' | 'root'> {
  /** Name of the table, where one is set for the stream; null: after the stream. */
  readonly table: string | null
}

/** Streams that a pipeline names by patterns; which there are, only the source knows. */
export interface StreamSelection {
  /** `public.*`, `!public.tmp_*`: as `parseStreamPattern` reads them. */
  readonly patterns: readonly string[]
  /** Put before the names of the tables. */
  readonly namespace: string | null
  /** The patterns reach several schemas: tables are named `schema.table`. */
  readonly namesSchema: boolean
  readonly template: TargetTemplate
  /** Stream → what it becomes instead of the template. */
  readonly overrides: ReadonlyMap<string, TargetTemplate>
}

/** When a batch is committed: whichever comes first. */
export interface CommitSettings {
  readonly intervalMs: number
  readonly rowsMax: number
  readonly bytesMax: number
  /**
   * A source transaction that does not fit a batch is worked on in parts of so many records or
   * bytes, whichever comes first: the bound of what one transaction takes of memory.
   */
  readonly partRowsMax: number
  readonly partBytesMax: number
}

/** Memory of key indexes. */
export interface IndexSettings {
  /** What the indexes of a pipeline may use together. */
  readonly memoryBytes: number
  /** Where keys go that exceed it; with `none` they end the pipeline. */
  readonly spill: 'disk' | 'none'
}

/** A checked pipeline. */
export interface PipelineSettings {
  readonly name: string
  readonly source: string
  /** The streams that are named; with a runtime also those that patterns chose so far. */
  readonly targets: readonly TableTarget[]
  /** Null when every stream is named. */
  readonly selection: StreamSelection | null
  readonly commit: CommitSettings
  /** What DuckDB may use, in bytes. */
  readonly engineMemoryBytes: number
  readonly engineThreads: number
  readonly index: IndexSettings
  /** Bytes of source data in flight, all splits together. */
  readonly inFlightBytesMax: number
  /** How long deletes are remembered where late changes are possible. */
  readonly tombstoneTtlMs: number
  /** Zstandard level of data files, 1..19. */
  readonly compressionLevel: number
}

/** What a pipeline does now, or how it ended. */
export type PipelineState = (typeof PIPELINE_STATES)[number]

/** A table inside a running pipeline. */
export interface TableStatus {
  readonly table: string
  readonly stream: string
  readonly version: bigint | null
  readonly rowCount: bigint | null
  readonly keyCount: number
  readonly fileCount: number
  readonly sizeBytes: number
  /** Copied rows of the initial copy; null when it is over. */
  readonly copy: { readonly rowsCopied: number; readonly rowsExpected: number | null } | null
  readonly commits: number
  readonly rowsApplied: number
  /** Records of this run that could not be decoded and were passed over, as the policy says. */
  readonly rowsRejected: number
}

/** How far a split is read. */
export interface SplitStatus {
  readonly split: SplitId
  /** Everything before this position is in every table; null when not known yet. */
  readonly floorPosition: SourcePosition | null
  /** Newest position that the source could deliver; null when unknown. */
  readonly endPosition: SourcePosition | null
}

/** What a pipeline tells about itself; equal to what is true, unknown is null. */
export interface PipelineStatus {
  readonly pipeline: string
  readonly state: PipelineState
  readonly startedAtMs: number
  readonly observedAtMs: number
  readonly tables: readonly TableStatus[]
  /** Where the splits of the source stand, by name. */
  readonly splits: readonly SplitStatus[]
  /**
   * Now minus the source time of the newest committed change while behind, else 0; null when
   * unknown.
   */
  readonly lagMs: number | null
  readonly rowsPerSecond: number
  readonly commits: number
  readonly recordsRead: number
  readonly lastCommitAtMs: number | null
  readonly lastError: {
    readonly code: string
    readonly message: string
    readonly remedy: string
  } | null
  /** What the source warns of, as last seen. */
  readonly warnings: readonly SourceWarning[]
}
