/**
 * The nouns of the house: plain data, pure functions, errors.
 * Comes in: nothing. Goes out: types and pure functions every room may use.
 * Must never: read a clock, do I/O, or import another room.
 */

export { type HostPort, parseHostPort } from './address.ts'
export { fitsLong, parseColumnType, printColumnType } from './column-type-names.ts'
export {
  type ConnectRecord,
  type ConnectSchema,
  connectValue,
  parseConnectType,
  readConnectSchema,
} from './connect-schema.ts'
export { DEAD_LETTER_SCHEMA, deadLettersOf, tableOfDeadLetters } from './dead-letters.ts'
export {
  type DebeziumLayout,
  type DebeziumMember,
  type DebeziumValue,
  EVENT_FIELDS,
  type EventField,
  eventColumn,
  type TimeUnit,
  UNAVAILABLE_VALUE,
  type UnavailableForms,
  unavailableForms,
  type WrittenValue,
} from './debezium.ts'
export {
  bareKind,
  createDebeziumRecords,
  type DebeziumRecords,
  type RecordKind,
  type SchemaShape,
} from './debezium-records.ts'
export { ERROR_CODES, type ErrorCode } from './error-codes.ts'
export type { ErrorKind } from './error-kind.ts'
export {
  assert,
  type ErrorContext,
  type ErrorDetails,
  isSluiceError,
  SluiceError,
  wrapError,
} from './errors.ts'
export { type NumberedType, numberMembers } from './field-ids.ts'
export { parseInterval } from './interval.ts'
export { findUnknownMembers, membersOf, type UnknownMembers } from './json-columns.ts'
export { LF, OPENING_BRACE, skipSpace } from './line-bytes.ts'
export {
  type CounterName,
  type GaugeName,
  type HistogramName,
  METRICS,
  type MetricLabels,
  type MetricName,
  type MetricSpec,
} from './metrics.ts'
export { nearestName, suggestName } from './nearest.ts'
export { PIPELINE_STATES } from './pipeline-states.ts'
export {
  type Cursor,
  cursorFromJson,
  cursorToJson,
  type JsonObject,
  type JsonValue,
  onlyCursor,
  type PositionRange,
  type SourcePosition,
  type SplitId,
  sameCursor,
} from './position.ts'
export {
  REJECT_CODE_NAMES,
  REJECT_CODES,
  type RejectCode,
  rejectCodeNumber,
} from './reject-codes.ts'
export {
  type ColumnOrigin,
  type ColumnType,
  isMetaColumn,
  POSITION_COLUMN,
  type PrimitiveType,
  type SchemaChange,
  type SourceColumn,
  SPLIT_COLUMN,
  type StreamSchema,
  type StructField,
  type TableColumn,
  type TableSchema,
  userColumns,
} from './schema.ts'
export {
  matchesPatterns,
  parseStreamPattern,
  type StreamPattern,
  streamParts,
  TABLE_NAME,
} from './stream-pattern.ts'
export { createShape, knownColumns, type Shape } from './stream-shape.ts'
export type {
  Accounting,
  CommitOperation,
  DataFile,
  DeletionVectorDescriptor,
  FileStatistics,
  RowDeletes,
  StagedFile,
  TimelineEntry,
} from './table.ts'
export { keptProperties, propertyProblem } from './table-properties.ts'
export { isoFromMicros, microsFromMs, msFromMicros } from './time.ts'
export { compareTypes, isWholeNumber, sameType, type TypeChange } from './type-change.ts'
export {
  formatDurationMs,
  formatSizeBytes,
  parseDurationMs,
  parseSizeBytes,
} from './units.ts'
