/**
 * The seams of the house, types only; their comments are promises that contract suites check.
 * Comes in: the model. Goes out: what rooms know of each other.
 * Must never: hold behaviour beyond constructors of plain values.
 */

export type { Clock } from './clock.ts'
export {
  createRowLocations,
  FILE_ORDINAL_MAX,
  type KeyIndex,
  NO_FILE,
  type RowLocations,
  TOMBSTONE_FILE,
} from './key-index.ts'
export type { ObjectEntry, ObjectStore } from './object-store.ts'
export type { ParquetColumn, ParquetPort, ParquetRows, ParquetShape } from './parquet.ts'
export type {
  CommitSettings,
  IndexSettings,
  PipelineSettings,
  PipelineState,
  PipelineStatus,
  RejectPolicy,
  SchemaPolicies,
  SplitStatus,
  StreamSelection,
  TableStatus,
  TableTarget,
  TargetTemplate,
  WriteMode,
} from './pipeline.ts'
export type {
  BlockPart,
  CopyProgress,
  CsvLayout,
  FileRows,
  RawFormat,
  RecordMarks,
  RecordPlace,
  SelectedStreams,
  Source,
  SourceBlock,
  SourceCheck,
  SourceContext,
  SourceMemory,
  SourceProgress,
  SourceReadBack,
  SourceSession,
  SourceStart,
  SourceView,
  SourceWarning,
  StreamWarning,
  UnreadableRecords,
} from './source.ts'
export type {
  CommitOutcome,
  CommitRequest,
  CursorMove,
  Snapshot,
  SnapshotAt,
  Table,
  TableFormat,
  TableSpec,
  VersionChanges,
} from './table.ts'
export type { LogFields, LogLevel, Telemetry } from './telemetry.ts'
