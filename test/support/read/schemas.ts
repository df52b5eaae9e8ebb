/** Short ways to schemas for tests. */

import {
  type ColumnType,
  POSITION_COLUMN,
  SPLIT_COLUMN,
  type TableSchema,
} from '../../../src/model/index.ts'

/**
 * Columns by name; physical names and ids differ from the names on purpose; meta columns come last.
 */
export function schemaOf(
  columns: Readonly<Record<string, ColumnType>>,
  options: { readonly key?: readonly string[]; readonly partitionBy?: readonly string[] } = {},
): TableSchema {
  const all: readonly (readonly [string, ColumnType])[] = [
    ...Object.entries(columns),
    [SPLIT_COLUMN, 'integer'],
    [POSITION_COLUMN, 'long'],
  ]
  return {
    columns: all.map(([name, type], index) => ({
      name,
      physicalName: `col-${index + 1}`,
      fieldId: index + 1,
      type,
      nullable: true,
    })),
    partitionBy: options.partitionBy ?? [],
    key: options.key ?? [],
    maxFieldId: all.length,
  }
}
