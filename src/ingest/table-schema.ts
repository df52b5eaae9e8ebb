/** From a stream's schema to a new table's. Pure. */

import type { TableTarget } from '../contracts/index.ts'
import {
  type ColumnType,
  numberMembers,
  POSITION_COLUMN,
  SluiceError,
  type SourceColumn,
  SPLIT_COLUMN,
  type StreamSchema,
  type TableColumn,
  type TableSchema,
} from '../model/index.ts'

/**
 * The schema of a new table. Throws SLU-ING-4002 when the target names columns the stream lacks.
 */
export function createTableSchema(stream: StreamSchema, target: TableTarget): TableSchema {
  const key = target.mode === 'append' ? [] : (target.key ?? stream.key)
  const names = new Set(stream.columns.map((column) => column.name))
  const wanted = [...key, ...target.partitionBy, ...optional(target.orderingColumn)]
  for (const name of wanted) {
    if (!names.has(name)) throw missingColumn(name, stream, target)
  }
  if (target.mode === 'upsert' && key.length === 0) {
    throw new SluiceError('SLU-ING-4002', {
      message: `${stream.stream} has no key, so changes cannot be applied by key`,
      remedy:
        `Give ${target.table} a \`key\`, give ${stream.stream} a primary key, ` +
        'or set mode: append.',
    })
  }
  for (const name of target.partitionBy) checkPartitionType(name, stream)
  const columns: TableColumn[] = []
  let maxFieldId = 0
  for (const column of stream.columns) {
    const numbered = numberMembers(column.type, maxFieldId + 1)
    const added = { ...column, type: numbered.type }
    columns.push(addedColumn(columns, added, maxFieldId + 1))
    maxFieldId = numbered.maxFieldId
  }
  return {
    columns: [...columns, ...metaColumns(maxFieldId + 1)],
    partitionBy: target.partitionBy,
    key,
    maxFieldId: maxFieldId + 2,
  }
}

function metaColumns(firstFieldId: number): TableColumn[] {
  return [
    metaColumn(SPLIT_COLUMN, 'integer', firstFieldId),
    metaColumn(POSITION_COLUMN, 'long', firstFieldId + 1),
  ]
}

function metaColumn(name: string, type: ColumnType, fieldId: number): TableColumn {
  return { name, physicalName: name, fieldId, type, nullable: true }
}

const optional = (name: string | null): string[] => (name === null ? [] : [name])

function missingColumn(name: string, stream: StreamSchema, target: TableTarget): SluiceError {
  const known = stream.columns.map((column) => column.name).join(', ')
  return new SluiceError('SLU-ING-4002', {
    message:
      `${target.table} names column ${name}, which ${stream.stream} does not have ` + `(${known})`,
    context: { table: target.table, column: name },
  })
}

const PARTITION_TYPES = new Set(['string', 'long', 'integer', 'short', 'byte', 'date', 'boolean'])

function checkPartitionType(name: string, stream: StreamSchema): void {
  const type = stream.columns.find((column) => column.name === name)?.type
  if (typeof type === 'string' && PARTITION_TYPES.has(type)) return
  throw new SluiceError('SLU-ING-4002', {
    message:
      `${stream.stream}.${name} cannot be a partition column: ` +
      'its type is not text, whole number, date or boolean',
  })
}

/** Names that Sluice or its engine gives a meaning of their own. */
const RESERVED = new Set([SPLIT_COLUMN, POSITION_COLUMN, 'rowid', 'file_row_number', 'is_kept'])

function isReserved(name: string): boolean {
  const lower = name.toLowerCase()
  return RESERVED.has(lower) || lower.startsWith('__sluice_')
}

function addedColumn(
  existing: readonly TableColumn[],
  column: SourceColumn,
  fieldId: number,
): TableColumn {
  const taken = existing.some((other) => other.name.toLowerCase() === column.name.toLowerCase())
  if (taken || isReserved(column.name)) {
    const why = taken ? 'a column of that name is there already' : 'the name is reserved'
    throw new SluiceError('SLU-ING-4005', {
      message: `column ${column.name} cannot be stored: ${why} (case does not count)`,
    })
  }
  return {
    name: column.name,
    physicalName: column.name,
    fieldId,
    type: column.type,
    nullable: true,
    origin: {
      id: column.id ?? null,
      name: column.name,
      type: column.sourceType,
      isGone: false,
    },
  }
}
