/** Field ids and physical names: given once, kept for ever, never used twice. */

import {
  assert,
  type ColumnType,
  type StructField,
  type TableColumn,
  type TableSchema,
} from '../../src/model/index.ts'
import { mapStructFields } from './schema-json.ts'

/** Result of `assignFields`. */
export interface AssignedSchema {
  readonly schema: TableSchema
  /** Physical names that no new column may take: those of dropped columns. */
  readonly retired: readonly string[]
}

/**
 * Completes a schema. A column whose `fieldId` is one of `previous` is that column, renamed or not,
 * and keeps its physical name; every other column is new. A new one whose id lies between the
 * highest of `previous` and that of `wanted` was given its id and physical name by the caller,
 * which has written files with them. Any other gets the next id, and its own name as physical name
 * unless that was ever used, else a random one.
 */
export function assignFields(request: {
  readonly wanted: TableSchema
  readonly previous: TableSchema | null
  readonly retired: readonly string[]
  readonly uuid: () => string
}): AssignedSchema {
  const { wanted, previous, uuid } = request
  const known = new Map((previous?.columns ?? []).map((column) => [column.fieldId, column]))
  const used = new Set([
    ...request.retired.map(lower),
    ...(previous?.columns ?? []).map((column) => lower(column.physicalName)),
  ])
  const lastId = previous?.maxFieldId ?? 0
  const ids = new IdSequence(Math.max(lastId, wanted.maxFieldId))
  const columns = wanted.columns.map((column): TableColumn => {
    const kept = known.get(column.fieldId)
    if (kept !== undefined) {
      return { ...column, physicalName: kept.physicalName, type: complete(column.type, ids) }
    }
    if (column.fieldId > lastId && column.fieldId <= wanted.maxFieldId) {
      const isFree = !used.has(lower(column.physicalName))
      assert(isFree, 'SLU-BUG-9001', 'a physical name of a table is used once', {
        physicalName: column.physicalName,
      })
      used.add(lower(column.physicalName))
      return { ...column, type: complete(column.type, ids) }
    }
    const physicalName = used.has(lower(column.name)) ? `col-${uuid()}` : column.name
    used.add(lower(physicalName))
    return { ...column, physicalName, fieldId: ids.next(), type: complete(column.type, ids) }
  })
  checkNames(columns)
  const kept = new Set(columns.map((column) => column.fieldId))
  const dropped = [...known.values()].filter((column) => !kept.has(column.fieldId))
  return {
    schema: { ...wanted, columns, maxFieldId: ids.last },
    retired: [...request.retired, ...dropped.map((column) => column.physicalName)],
  }
}

class IdSequence {
  last: number

  constructor(last: number) {
    this.last = last
  }

  next(): number {
    this.last += 1
    return this.last
  }
}

function complete(type: ColumnType, ids: IdSequence): ColumnType {
  return mapStructFields(type, (field): StructField => {
    if (field.fieldId !== undefined) return field
    return { ...field, fieldId: ids.next(), physicalName: field.physicalName ?? field.name }
  })
}

function checkNames(columns: readonly TableColumn[]): void {
  const names = new Set(columns.map((column) => lower(column.name)))
  assert(
    names.size === columns.length,
    'SLU-BUG-9001',
    'column names of a table must differ in more than case',
    { columns: columns.map((column) => column.name).join(', ') },
  )
}

function lower(name: string): string {
  return name.toLowerCase()
}
