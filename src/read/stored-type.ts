/** Nested types as they stand in data files, and how their values become the table's. */

import { duckType, identifier } from '../engine/index.ts'
import type { ColumnType, StructField } from '../model/index.ts'

/** DuckDB's name of a type with the member names that data files use. */
export function storedDuckType(type: ColumnType): string {
  return duckType(isRenamed(type) ? stored(type) : type)
}

/** Expression with the table's member names for a value of `storedDuckType`. */
export function fromStored(value: string, type: ColumnType): string {
  return isRenamed(type) ? renamed(value, type, 0) : value
}

const nameInFile = (field: StructField): string => field.physicalName ?? field.name

/** True when a member anywhere inside has another name in files. */
function isRenamed(type: ColumnType): boolean {
  if (typeof type === 'string') return false
  switch (type.kind) {
    case 'decimal':
      return false
    case 'array':
      return isRenamed(type.element)
    case 'map':
      return isRenamed(type.key) || isRenamed(type.value)
    case 'struct':
      return type.fields.some((field) => nameInFile(field) !== field.name || isRenamed(field.type))
    default: {
      const never: never = type
      return never
    }
  }
}

function stored(type: ColumnType): ColumnType {
  if (typeof type === 'string') return type
  switch (type.kind) {
    case 'decimal':
      return type
    case 'array':
      return { ...type, element: stored(type.element) }
    case 'map':
      return { ...type, key: stored(type.key), value: stored(type.value) }
    case 'struct': {
      const fields = type.fields.map((field) => ({
        ...field,
        name: nameInFile(field),
        type: stored(field.type),
      }))
      return { ...type, fields }
    }
    default: {
      const never: never = type
      return never
    }
  }
}

/** `depth` keeps the parameters of nested lambdas apart. */
function renamed(value: string, type: ColumnType, depth: number): string {
  if (typeof type === 'string' || !isRenamed(type)) return value
  const item = `x${depth}`
  switch (type.kind) {
    case 'decimal':
      return value
    case 'array': {
      const element = renamed(item, type.element, depth + 1)
      return `list_transform(${value}, lambda ${item}: ${element})`
    }
    case 'map': {
      const key = renamed(`${item}.key`, type.key, depth + 1)
      const entry = `{'key': ${key}, 'value': ${renamed(`${item}.value`, type.value, depth + 1)}}`
      const entries = `list_transform(map_entries(${value}), lambda ${item}: ${entry})`
      return `CASE WHEN ${value} IS NULL THEN NULL ELSE map_from_entries(${entries}) END`
    }
    case 'struct': {
      const members = type.fields.map((field) => {
        const member = `struct_extract(${value}, '${nameInFile(field).replaceAll("'", "''")}')`
        return `${identifier(field.name)} := ${renamed(member, field.type, depth)}`
      })
      return `CASE WHEN ${value} IS NULL THEN NULL ELSE struct_pack(${members.join(', ')}) END`
    }
    default: {
      const never: never = type
      return never
    }
  }
}
