/** Partitions of files under the names that people know. */

import type { DataFile, TableSchema } from '../model/index.ts'

/** Partition column → serialised value, in the order of the table; files know physical names. */
export function partitionOf(
  schema: TableSchema,
  file: DataFile,
): Readonly<Record<string, string | null>> {
  const physicalNames = new Map(
    schema.columns.map(({ name, physicalName }) => [name, physicalName]),
  )
  return Object.fromEntries(
    schema.partitionBy.map((name) => [
      name,
      file.partitionValues[physicalNames.get(name) ?? name] ?? null,
    ]),
  )
}

/** `day=2026-01-31, country=NULL`. */
export function partitionText(partition: Readonly<Record<string, string | null>>): string {
  return Object.entries(partition)
    .map(([name, value]) => `${name}=${value ?? 'NULL'}`)
    .join(', ')
}
