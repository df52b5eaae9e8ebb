/**
 * The embedded DuckDB: sessions, relations, typed-array columns in and out, quoting, memory budget.
 * Comes in: SQL, typed arrays. Goes out: relations inside DuckDB, typed arrays, small row results.
 * Must never: know what a table, a source or a batch is.
 */

export {
  type ColumnKind,
  type ColumnViews,
  createEngine,
  type Engine,
  type EngineSettings,
  guard,
  mapEntries,
  type ResultTable,
  type Session,
  type SqlValue,
} from './engine.ts'
export { createParquetPort, type ParquetPortOptions } from './parquet-port.ts'
export { identifier, list, literal, pathLiteral } from './sql.ts'
export { duckType, FIELD_ID_ROOT, fieldIds } from './types.ts'
