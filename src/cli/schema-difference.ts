/** What is different between two schemas of a table. Pure. */

import { sameType, type TableColumn, type TableSchema } from '../model/index.ts'
import { typeText } from './format.ts'

/** One difference. `from` and `to` are names, types, or what a key or partition is made of. */
export interface SchemaDifference {
  readonly kind: 'added' | 'dropped' | 'renamed' | 'retyped' | 'nullability' | 'key' | 'partitions'
  /** The column's name after the change, of a dropped one before; null for key and partitions. */
  readonly column: string | null
  readonly fieldId: number | null
  readonly from: string | null
  readonly to: string | null
}

/**
 * From `before` to `after`, columns in the order of `after`, dropped ones last. A column is the
 * same when its physical name is: that outlives its name.
 */
export function schemaDifferences(
  before: TableSchema,
  after: TableSchema,
): readonly SchemaDifference[] {
  const earlier = new Map(before.columns.map((column) => [column.physicalName, column]))
  const kept = new Set(after.columns.map(({ physicalName }) => physicalName))
  const names = new Map(after.columns.map(({ name, physicalName }) => [physicalName, name]))
  const renamed = (name: string): string =>
    names.get(before.columns.find((column) => column.name === name)?.physicalName ?? '') ?? name
  return [
    ...after.columns.flatMap((column) =>
      columnDifferences(earlier.get(column.physicalName), column),
    ),
    ...before.columns
      .filter(({ physicalName }) => !kept.has(physicalName))
      .map((column) => difference('dropped', column, typeText(column.type), null)),
    ...listDifference('key', before.key.map(renamed), after.key),
    ...listDifference('partitions', before.partitionBy.map(renamed), after.partitionBy),
  ]
}

/** One line for people: `+ size long`, `~ amount integer → long`. */
export function differenceText({ kind, column, from, to }: SchemaDifference): string {
  switch (kind) {
    case 'added':
      return `+ ${column} ${to}`
    case 'dropped':
      return `- ${column} ${from}`
    case 'renamed':
      return `~ ${from} is now ${to}`
    case 'retyped':
    case 'nullability':
      return `~ ${column} ${from} → ${to}`
    case 'key':
      return `~ key (${from}) → (${to})`
    case 'partitions':
      return `~ partitioned by (${from}) → (${to})`
    default: {
      const never: never = kind
      return never
    }
  }
}

function columnDifferences(
  before: TableColumn | undefined,
  after: TableColumn,
): readonly SchemaDifference[] {
  if (before === undefined) return [difference('added', after, null, typeText(after.type))]
  const differences: SchemaDifference[] = []
  if (before.name !== after.name) {
    differences.push(difference('renamed', after, before.name, after.name))
  }
  if (!sameType(before.type, after.type)) {
    differences.push(difference('retyped', after, typeText(before.type), typeText(after.type)))
  }
  if (before.nullable !== after.nullable) {
    const text = ({ nullable }: TableColumn): string => (nullable ? 'nullable' : 'not null')
    differences.push(difference('nullability', after, text(before), text(after)))
  }
  return differences
}

function difference(
  kind: SchemaDifference['kind'],
  { name, fieldId }: TableColumn,
  from: string | null,
  to: string | null,
): SchemaDifference {
  return { kind, column: name, fieldId, from, to }
}

function listDifference(
  kind: 'key' | 'partitions',
  before: readonly string[],
  after: readonly string[],
): readonly SchemaDifference[] {
  const [from, to] = [before.join(', '), after.join(', ')]
  return from === to ? [] : [{ kind, column: null, fieldId: null, from, to }]
}
