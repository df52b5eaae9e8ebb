/** Seam: a source of changes. Implemented by every folder of connectors/. */

import type {
  ColumnOrigin,
  Cursor,
  DebeziumLayout,
  JsonObject,
  SourcePosition,
  SplitId,
  StreamSchema,
} from '../model/index.ts'
import type { Clock } from './clock.ts'
import type { ParquetPort } from './parquet.ts'
import type { Telemetry } from './telemetry.ts'

/**
 * How the bytes of a part are laid out.
 * - `copy-text`: PostgreSQL's COPY text format, one line a change, fields separated by TAB:
 *   `op`, `position`, `source time (epoch micros or \N)`, then the schema's columns in order.
 *   `\N` is NULL, `\U` a column the source did not send (unchanged TOAST); backslash, TAB, LF, CR,
 * BS, FF, VT
 *   are escaped as COPY does (`\\ \t \n \r \b \f \v`). Valid UTF-8. Values are PostgreSQL's text
 * output.
 *   `op` is one of: `r` row of the initial copy · `b` row of a copy that runs beside the stream: it
 *   counts only where nothing is known of its key, neither a row nor a delete · `i` insert ·
 *   `u` update · `d` delete (only key columns set) ·
 *   `m` insert after a key change: the line before it is the `d` of the old key, whose row supplies
 * the
 *   columns marked `\U` · `t` truncate (no column set).
 * - `json-lines`: one JSON object a line, LF; the position of line i is `firstPosition + i`.
 * - `csv`: records as RFC 4180 has them, ended by LF, none blank, each with as many fields as
 *   `csv.fields`; the position of record i is `firstPosition + i`. An unreadable record is one
 *   quoted field that holds its bytes without their line end.
 * - `parquet`: no bytes, but consecutive rows of `file`; the position of row `file.firstRow + i` is
 *   `firstPosition + i`.
 * - `debezium-json`: records of Debezium without their schemas, one a line, LF; `null` and others
 *   that tell of no row among them. The position of line i is `firstPosition + i`.
 */
export type RawFormat = 'copy-text' | 'json-lines' | 'csv' | 'parquet' | 'debezium-json'

/** Rows of a file of the source that the engine reads where it lies. */
export interface FileRows {
  /** Local path. The receiver never writes to it. */
  readonly path: string
  readonly firstRow: number
  /** About how many bytes of the file the rows take. */
  readonly sizeBytes: number
  /** Names of the columns in the file. */
  readonly columns: readonly string[]
}

/** How the fields of `csv` records are told apart and which columns they are. */
export interface CsvLayout {
  /** One ASCII character each. */
  readonly delimiter: string
  readonly quote: string
  /** Unquoted fields of these texts are NULL. */
  readonly nullTexts: readonly string[]
  /** Per field the name of the schema's column; null when it is not read. */
  readonly fields: readonly (string | null)[]
}

/** Consecutive records of one stream and one schema inside a block. */
export interface BlockPart {
  readonly schema: StreamSchema
  readonly format: RawFormat
  /** Set when the format is `csv`; one object as long as nothing of it changes. */
  readonly csv?: CsvLayout
  /** Set when the format is `debezium-json`; one object as long as nothing of it changes. */
  readonly debezium?: DebeziumLayout
  /** Set when the format is `parquet`. */
  readonly file?: FileRows
  /**
   * Whole lines, the last one ended too. Owned by the receiver; the source does not touch it again
   * before `release`.
   */
  readonly bytes: Uint8Array
  /**
   * Called at most once, by a receiver that needs `bytes` no longer: the source may then write over
   * them. Never calling it is allowed and costs memory and collections only.
   */
  readonly release?: () => void
  readonly recordCount: number
  /** No line is longer, when the source knows: lets the engine read with smaller buffers. */
  readonly lineBytesMax?: number
  /**
   * Of `json-lines` with whole-number or decimal columns: true when a double holds every number
   * with a fraction or exponent that is a member of one of them, which spares the engine a second
   * look at them.
   */
  readonly hasShortNumbers?: boolean
  /**
   * Of `json-lines`: true when every member must have a column. One that has none ends the
   * decoding, and the source is then asked to look for it: `SourceStart.unknownBefore`.
   */
  readonly refusesUnknown?: boolean
  /** Position of the first record. */
  readonly firstPosition: SourcePosition
  /** Number of records that leave out at least one value (`\U`); may be too high, but not zero. */
  readonly partialCount: number
  /**
   * Of a stream of `SourceStart.keepsUnreadable`: the records that are no records. Their bytes are
   * as they were found, ended by LF (`csv`: as `RawFormat` says); of one that is too long, the
   * beginning.
   */
  readonly unreadable?: UnreadableRecords
  /**
   * Set where the schema has columns that are `metadata`: their values as JSON lines, one for each
   * run of records for which they are the same or counted on from record to record:
   * `{"position":7,"values":{"__file":"a.csv","__line":8}}`, with the position and the values of
   * the run's first record; times are ISO-8601 texts. The first run begins with the part.
   */
  readonly metadata?: Uint8Array
  /** Given where records may be rejected and the source has files. */
  readonly place?: RecordPlace
  /** Of sources whose records do not follow each other, or that know more of each. */
  readonly marks?: RecordMarks
}

/**
 * What a source knows of each record of a part, beside its bytes. Arrays are parallel to them. The
 * lines may begin with spaces that are no part of their records.
 */
export interface RecordMarks {
  /** Ascending; where marks are given they count, not `firstPosition + i`. */
  readonly positions: BigInt64Array
  /** Source time, epoch milliseconds; null when not known of any. */
  readonly timesMs: BigInt64Array | null
  /**
   * True (1) where the record deletes its key; its line holds the key columns only. Null when none
   * does.
   */
  readonly deletes: Uint8Array | null
}

/** Records of a part that its source itself finds to be none, for a receiver that rejects them. */
export interface UnreadableRecords {
  /** Index of each in the part, ascending. */
  readonly rows: Uint32Array
  /** Why, as `rejectCodeNumber` gives it; parallel to `rows`. */
  readonly codes: Uint8Array
  /** The bytes of each, parallel to `rows`, where its line could not hold them. */
  readonly values?: readonly Uint8Array[]
}

/** Where the records of a part stand, for people who look for one. */
export interface RecordPlace {
  readonly file: string
  /** Number of the line on which the first record stands, from 1. */
  readonly firstLine: number
  /** Number of each record's line, where records do not stand on consecutive ones; else null. */
  readonly lines: Uint32Array | null
}

/** Progress of an initial copy that a block belongs to. */
export interface CopyProgress {
  readonly stream: string
  /** Identifies the attempt: a new attempt replaces every row of an earlier one. */
  readonly attempt: string
  /**
   * True on the first block of the attempt (a table with rows of an earlier attempt is emptied).
   */
  readonly first: boolean
  /** True on the last block: the stream is complete as of `nextPosition`. */
  readonly complete: boolean
  readonly rowsCopied: number
  /**
   * True when the attempt began in an earlier session: the table may hold some of the rows already,
   * with the same values. Before such rows the session has yielded all changes of the stream from
   * the table's cursor up to the position of the copy.
   */
  readonly resumed: boolean
  /**
   * Where the source can go on when everything up to this block is committed; null where it cannot.
   * Stored in the cursor as `identity.copied`, beside `identity.copyAttempt`.
   */
  readonly place: JsonObject | null
  /**
   * True when blocks of the stream come meanwhile. Rows are `b` lines then, and none is wrong once
   * the table holds the stream up to `nextPosition` of the block or further.
   */
  readonly beside?: boolean
}

/**
 * A run of records of one split. Blocks of several splits come between each other as they like; a
 * copy is of a source that has one split.
 * A copy's position is never below one that was delivered before: the floor of the pipeline stays
 * true for it.
 * Order: blocks come in source order; records of one stream keep their order inside the parts, and
 * parts of one stream follow each other in order. Parts may be empty: the source then only tells
 * how far it is complete.
 */
export interface SourceBlock {
  readonly split: SplitId
  readonly splitNumber: number
  readonly parts: readonly BlockPart[]
  /** Everything before this position has been yielded, when `endsTransaction`. Half-open. */
  readonly nextPosition: SourcePosition
  /** True when a batch may end here; a block that is cut inside a source transaction says false. */
  readonly endsTransaction: boolean
  /** Set while an initial copy runs; then `parts` hold rows of that stream only. */
  readonly copy: CopyProgress | null
  /** To be stored in the cursors that this block leads to. */
  readonly identity: JsonObject
  /** Source time of the newest record, epoch micros; null when unknown. */
  readonly sourceTimeMicros: bigint | null
}

/** A finding of `Source.check`. */
export interface SourceCheck {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly seen: string
  /** What to do about it; empty when ok. */
  readonly remedy: string
}

/** What needs attention while everything still goes on. */
export interface SourceWarning {
  readonly code: string
  readonly message: string
  /** What is at stake and what to run. */
  readonly remedy: string
}

/** A warning about one stream. */
export interface StreamWarning extends SourceWarning {
  readonly stream: string
}

/** What a source has for patterns of streams. */
export interface SelectedStreams {
  /** Can be read now. */
  readonly ready: readonly StreamSchema[]
  /** Match and cannot be read yet: why, and what to run. */
  readonly waiting: readonly StreamWarning[]
  /** About the patterns themselves: those that nothing matches. */
  readonly warnings: readonly SourceWarning[]
}

/** How far the source is, as last seen. */
export interface SourceProgress {
  /** Split → its end (newest position it could deliver), as far as known. */
  readonly ends: ReadonlyMap<SplitId, SourcePosition>
  readonly copies: readonly {
    readonly stream: string
    readonly rowsCopied: number
    /** The source's estimate; null when it has none. */
    readonly rowsExpected: number | null
    readonly complete: boolean
  }[]
  /** None when absent. */
  readonly warnings?: readonly SourceWarning[]
}

/** Small durable notes of a source in the pipeline's own log: slot ownership and identity. */
export interface SourceMemory {
  read(): Promise<JsonObject | null>
  /** Returns when durable. Throws SLU-ING-4001 when another instance wrote in between. */
  write(notes: JsonObject): Promise<void>
}

/** What a session starts from. */
export interface SourceStart {
  /**
   * Streams to read → the effective cursors of the table behind it, one per split: a split without
   * one was never read, `copy` has an incomplete copy, `stream` continues at `nextPosition`. A
   * source may go on with an incomplete copy whose cursor has `identity.copied`: it then yields the
   * stream's changes from `nextPosition` on, up to the position of the rows that it copies next,
   * and again the row of every key that changed in part. It may as well begin from empty, with a
   * new attempt.
   */
  readonly streams: ReadonlyMap<string, readonly Cursor[]>
  /**
   * Streams of `streams` that patterns chose, not names: one that is not the same any more, or was
   * not published for a while, is copied again instead of ending the pipeline.
   */
  readonly matched?: ReadonlySet<string>
  /** Streams whose records are added to a table that never meets a row again. */
  readonly appended?: ReadonlySet<string>
  /** What chose them. Streams of `known` were seen, and are not read for another reason. */
  readonly selection?: {
    readonly patterns: readonly string[]
    readonly known: ReadonlySet<string>
  }
  /** Stream → the columns that the table behind it has or kept of it, as of its cursor. */
  readonly columns?: ReadonlyMap<string, readonly ColumnOrigin[]>
  /**
   * Streams whose records may be rejected: what the source cannot read as a record is yielded among
   * the others and marked in `BlockPart.unreadable`. In other streams it ends the read.
   */
  readonly keepsUnreadable?: ReadonlySet<string>
  /**
   * Stream → split → a position before which a record has members that no column of its schema
   * had: the source looks for them there, and yields such records under a schema that has a column
   * for each.
   */
  readonly unknownBefore?: ReadonlyMap<string, ReadonlyMap<SplitId, SourcePosition>>
  readonly memory: SourceMemory
  /** Upper bound of bytes read and not yet taken through `blocks()`. */
  readonly bufferBytesMax: number
  /** Existing local folder for what the source cannot keep in memory; emptied before each start. */
  readonly spoolFolder: string
  readonly signal: AbortSignal
}

/** A running read. */
export interface SourceSession extends AsyncDisposable {
  /**
   * The blocks, once; the source reads ahead up to `bufferBytesMax` and stays alive (keep-alives)
   * while the consumer is slow. Never yields a record below a stream's resume position. Ends when
   * the signal aborts or, for finite reads, at the end. Throws SluiceError: `gap`, `transient`,
   * `fenced`, `invalid-config`, `bad-data`.
   */
  blocks(): AsyncIterable<SourceBlock>
  /**
   * The blocks of copies that run beside the stream, once; taken at a pace of their own, so that
   * neither waits for the other. A copy from empty begins with a block without rows among
   * `blocks()`. Every block here comes after one of `blocks()` that ended a transaction at its
   * `nextPosition` or further was taken. Ends as `blocks()` does; that does not end before a copy
   * is complete unless it must. None when absent.
   */
  copyBlocks?(): AsyncIterable<SourceBlock>
  /**
   * Everything of the split before the position is durable in every table: a hint the source may
   * free what lies before.
   */
  acknowledge(split: SplitId, nextPosition: SourcePosition): void
  progress(): SourceProgress
  /**
   * True after `blocks` ended because the patterns choose other streams by now, or one that they
   * chose is not the same any more; all that was there of it before was yielded.
   */
  readonly isOutdated?: boolean
  /**
   * True when no stream is ever copied: a table without a cursor of a split has nothing of it
   * because nothing was there.
   */
  readonly copiesNothing?: boolean
  /**
   * Streams whose cursor says `stream` and which this session copies all the same, because changes
   * are missing: their cursors must say `copy` before a block is taken. None when absent.
   */
  readonly copiesAgain?: readonly string[]
}

/** A configured source. Constructing does nothing; `check`, `discover`, `start` connect. */
export interface Source extends AsyncDisposable {
  readonly name: string
  /**
   * Environment checks for `sluice check` and before the first start: reach, rights, settings, for
   * the named streams and those that patterns choose.
   */
  check(streams: readonly string[], patterns?: readonly string[]): Promise<readonly SourceCheck[]>
  /** The streams the source can deliver, with their current schema; of `named` ones only those. */
  discover(named?: readonly string[]): Promise<readonly StreamSchema[]>
  /** The streams that patterns choose; absent where streams are always named. */
  select?(patterns: readonly string[]): Promise<SelectedStreams>
  start(request: SourceStart): Promise<SourceSession>
  /**
   * The first records of a stream, for a look at them: no more of them is read than is taken, and
   * those that are no records are among the others, marked. Absent where the first rows of
   * `readBack` are these.
   */
  peek?(stream: string): AsyncIterable<BlockPart>
  /**
   * For `verify`: rows of a stream as of a position that the callback is told, as `copy-text` lines
   * with op `r`, or as `json-lines` of all its records in order, where the last one of a key
   * counts. The source must be able to name the position (Postgres: LSN of the exported snapshot).
   * Null when the source cannot re-read itself.
   */
  readonly readBack: SourceReadBack | null
}

/** Reads whole streams again at one common position. */
export interface SourceReadBack {
  /** Opens a view of the source at one position. */
  open(streams: readonly string[]): Promise<SourceView>
}

/** The source as of `position`. */
export interface SourceView extends AsyncDisposable {
  /** Everything before this position is included, nothing after. */
  readonly position: SourcePosition
  rows(stream: string): AsyncIterable<BlockPart>
}

/** What a connector is given by `compose.ts`. */
export interface SourceContext {
  readonly name: string
  /** Name of the pipeline that reads; part of default names such as the slot's. */
  readonly pipeline: string
  readonly clock: Clock
  readonly telemetry: Telemetry
  /** Looks into Parquet files; absent where the source has none. */
  readonly parquet?: Pick<ParquetPort, 'describe'>
}
