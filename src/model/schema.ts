/** Column types and schemas: what a source announces and what a table stores. */

/** Types of a table column, named as in the Delta schema; `decimal(p,s)` carries its numbers. */
export type ColumnType =
  | PrimitiveType
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly kind: 'array'; readonly element: ColumnType; readonly containsNull: boolean }
  | { readonly kind: 'struct'; readonly fields: readonly StructField[] }
  | {
      readonly kind: 'map'
      readonly key: ColumnType
      readonly value: ColumnType
      readonly valueContainsNull: boolean
    }

/**
 * Types without parameters. `timestamp` is microseconds UTC; `timestamp_ntz` has no zone. `void` is
 * only ever NULL: read in tables of other engines, never written.
 */
export type PrimitiveType =
  | 'boolean'
  | 'byte'
  | 'short'
  | 'integer'
  | 'long'
  | 'float'
  | 'double'
  | 'string'
  | 'binary'
  | 'date'
  | 'timestamp'
  | 'timestamp_ntz'
  | 'void'

/** A named member of a struct type. Stored tables give each its own id and physical name. */
export interface StructField {
  readonly name: string
  /** Name in data files; the name itself when absent. */
  readonly physicalName?: string
  readonly fieldId?: number
  readonly type: ColumnType
  readonly nullable: boolean
}

/** A column as the source describes it. */
export interface SourceColumn {
  readonly name: string
  /** The table type it becomes. */
  readonly type: ColumnType
  /** The source's own name of the type, for people: `numeric(10,2)`, `uuid[]`. */
  readonly sourceType: string
  readonly nullable: boolean
  /** What becomes of a value that the type cannot hold: refused when absent, or NULL. */
  readonly unfit?: 'null'
  /** Digits of a time beyond microseconds: refused when absent, or left out. */
  readonly nanoseconds?: 'cut'
  /** A decimal whose scale was chosen by the user: values may have more digits than it. */
  readonly isForced?: true
  /**
   * Its values stand in no record: they are told by where the record stands, the same for a run of
   * records, or counted on from one to the next. `BlockPart.metadata` has them.
   */
  readonly metadata?: 'same' | 'counted'
  /**
   * The source's own number of the column, which outlives its name and is never given again.
   * Absent: the source has no such number, the name is all there is. Null: it has one, but the
   * source could not tell which.
   */
  readonly id?: number | null
  /**
   * What rows have in it that were there before the column, in the source's text form and without
   * escapes; absent: NULL. Given by sources that add columns with a default without telling rows.
   */
  readonly initial?: string
}

/** One shape of the records of a stream. A new shape has a new `schemaId`. */
export interface StreamSchema {
  /** Name of the stream within its source: `public.orders`, a topic, a folder. */
  readonly stream: string
  /** Unique within a run of the source; grows with each change of shape. */
  readonly schemaId: number
  readonly columns: readonly SourceColumn[]
  /** Names of the key columns in key order; empty when the stream has no key. */
  readonly key: readonly string[]
}

/** Which column of the source a stored column comes from, as of the version. */
export interface ColumnOrigin {
  /** `SourceColumn.id`; null when there is none or it is not known. */
  readonly id: number | null
  /** The column's name in the source. */
  readonly name: string
  /** The source's own name of the type. */
  readonly type: string
  /** True when the source has dropped the column and the table keeps it. */
  readonly isGone: boolean
}

/**
 * A column of a table. `fieldId` is Delta's column-mapping id and the Parquet and Iceberg field id.
 */
export interface TableColumn {
  readonly name: string
  readonly physicalName: string
  readonly fieldId: number
  readonly type: ColumnType
  readonly nullable: boolean
  readonly comment?: string
  /** Absent for meta columns and in tables that do not record it. */
  readonly origin?: ColumnOrigin
}

/** The columns of a table version, in order, the two meta columns included and last. */
export interface TableSchema {
  readonly columns: readonly TableColumn[]
  /** Logical names of the partition columns, in order. */
  readonly partitionBy: readonly string[]
  /** Names of the key columns in key order; empty for append tables. */
  readonly key: readonly string[]
  /** Highest field id ever given; ids are never reused. */
  readonly maxFieldId: number
}

/** Meta column: number of the split a row came from (`Cursor.splitNumber`). INT. */
export const SPLIT_COLUMN = '_sluice_split'
/** Meta column: source position of the change that wrote the row. BIGINT. */
export const POSITION_COLUMN = '_sluice_position'

/** True for the two meta columns that every row carries. */
export function isMetaColumn(name: string): boolean {
  return name === SPLIT_COLUMN || name === POSITION_COLUMN
}

/** One change of a table's columns that followed from a change of its stream. */
export interface SchemaChange {
  /**
   * `retype`: the source's type changed and the table's holds its values as it is. `widen`: the
   * table's type grew with it.
   */
  readonly kind: 'add' | 'drop' | 'rename' | 'widen' | 'retype'
  /** The table column's name before the change; of an added one its name. */
  readonly column: string
  readonly fieldId: number
  /** What the policy made of it. */
  readonly outcome: 'applied' | 'kept'
  /** Old and new name or type, where the change has them. */
  readonly from: string | null
  readonly to: string | null
  /** Source position of the first record with the new shape. */
  readonly position: string
}

/** The columns a user sees: all but the meta columns. */
export function userColumns(schema: TableSchema): readonly TableColumn[] {
  return schema.columns.filter((column) => !isMetaColumn(column.name))
}
