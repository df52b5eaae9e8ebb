/**
 * The schema of a table ↔ Delta's schema JSON (PROTOCOL.md, "Schema Serialization Format", "Column
 * Mapping"). Field ids and physical names stand in the metadata of each field, nested ones
 * included.
 */

import {
  type ColumnOrigin,
  type ColumnType,
  type PrimitiveType,
  SluiceError,
  type StructField,
  type TableColumn,
  type TableSchema,
} from '../../src/model/index.ts'
import type { MetadataAction } from './actions.ts'
import { checkTypeChanges } from './type-changes.ts'

/** Table property: names of the key columns as a JSON array. */
export const KEY_PROPERTY = 'sluice.key'
/**
 * Table property: physical names that dropped columns leave behind in old files, as a JSON array.
 */
export const RETIRED_PROPERTY = 'sluice.retiredPhysicalNames'
/** Table property: highest field id ever given. */
export const MAX_ID_PROPERTY = 'delta.columnMapping.maxColumnId'

const MODE_PROPERTY = 'delta.columnMapping.mode'
const FIELD_ID = 'delta.columnMapping.id'
const PHYSICAL_NAME = 'delta.columnMapping.physicalName'
/** Field metadata that says which column of the source a column comes from. */
const ORIGIN = {
  id: 'sluice.source.id',
  name: 'sluice.source.name',
  type: 'sluice.source.type',
  isGone: 'sluice.source.isGone',
} as const

const PRIMITIVES: ReadonlySet<string> = new Set<PrimitiveType>([
  'boolean',
  'byte',
  'short',
  'integer',
  'long',
  'float',
  'double',
  'string',
  'binary',
  'date',
  'timestamp',
  'timestamp_ntz',
  'void',
])

const DECIMAL_PRECISION_MAX = 38

interface JsonField {
  readonly name: string
  readonly type: unknown
  readonly nullable: boolean
  readonly metadata?: Readonly<Record<string, unknown>>
}

/**
 * Schema of a `metaData` action. Throws SLU-TAB-3010 on a type or a change of type that is not
 * known, SLU-TAB-3001 on no schema.
 */
export function schemaOf(metadata: MetadataAction): TableSchema {
  const mapped = (metadata.configuration[MODE_PROPERTY] ?? 'none') !== 'none'
  const columns = fieldsOf(metadata.schemaString).map((field, index) =>
    columnOf(field, { mapped, index }),
  )
  return {
    columns,
    partitionBy: metadata.partitionColumns,
    key: listProperty(metadata.configuration, KEY_PROPERTY),
    maxFieldId: Number(metadata.configuration[MAX_ID_PROPERTY] ?? columns.length - 1),
  }
}

/** A property that holds a JSON array of names; empty when absent or something else. */
export function listProperty(
  configuration: Readonly<Record<string, string>>,
  name: string,
): readonly string[] {
  try {
    const value: unknown = JSON.parse(configuration[name] ?? '[]')
    return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : []
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
}

/** Schema → `schemaString`. Every field must have its id and physical name. */
export function printSchema(schema: TableSchema): string {
  return JSON.stringify({ type: 'struct', fields: schema.columns.map(printColumn) })
}

/** True when a column, at any depth, has the primitive type. */
export function usesType(schema: TableSchema, primitive: PrimitiveType): boolean {
  return schema.columns.some((column) => holdsType(column.type, primitive))
}

/** Calls back for every struct member below a type, outermost first, and rebuilds the type. */
export function mapStructFields(
  type: ColumnType,
  change: (field: StructField) => StructField,
): ColumnType {
  if (typeof type === 'string') return type
  switch (type.kind) {
    case 'decimal':
      return type
    case 'array':
      return { ...type, element: mapStructFields(type.element, change) }
    case 'map':
      return {
        ...type,
        key: mapStructFields(type.key, change),
        value: mapStructFields(type.value, change),
      }
    case 'struct':
      return {
        ...type,
        fields: type.fields.map(change).map((field) => ({
          ...field,
          type: mapStructFields(field.type, change),
        })),
      }
    default: {
      const never: never = type
      return never
    }
  }
}

function fieldsOf(schemaString: string): readonly JsonField[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(schemaString)
  } catch (error) {
    throw notASchema(schemaString, error)
  }
  const fields = (parsed as { readonly fields?: unknown } | null)?.fields
  if (!Array.isArray(fields)) throw notASchema(schemaString, undefined)
  return fields as readonly JsonField[]
}

function notASchema(schemaString: string, cause: unknown): SluiceError {
  return new SluiceError('SLU-TAB-3001', {
    message: `the table schema is not a struct: ${schemaString.slice(0, 80)}`,
    cause,
  })
}

function columnOf(
  field: JsonField,
  at: { readonly mapped: boolean; readonly index: number },
): TableColumn {
  const { name, nullable, metadata = {} } = checkField(field)
  checkTypeChanges(metadata, name, (type) => typeOf(type, { column: name, mapped: false }))
  const id = metadata[FIELD_ID]
  const physical = metadata[PHYSICAL_NAME]
  const comment = metadata.comment
  return {
    name,
    physicalName: at.mapped && typeof physical === 'string' ? physical : name,
    fieldId: at.mapped && typeof id === 'number' ? id : at.index,
    type: typeOf(field.type, { column: name, mapped: at.mapped }),
    nullable,
    ...(typeof comment === 'string' ? { comment } : {}),
    ...originOf(metadata),
  }
}

function originOf(
  metadata: Readonly<Record<string, unknown>>,
): { readonly origin: ColumnOrigin } | Record<string, never> {
  const { [ORIGIN.id]: id, [ORIGIN.name]: name, [ORIGIN.type]: type } = metadata
  if (typeof name !== 'string') return {}
  return {
    origin: {
      id: typeof id === 'number' ? id : null,
      name,
      type: typeof type === 'string' ? type : '',
      isGone: metadata[ORIGIN.isGone] === true,
    },
  }
}

function printOrigin(origin: ColumnOrigin | undefined): Record<string, unknown> {
  if (origin === undefined) return {}
  return {
    ...(origin.id === null ? {} : { [ORIGIN.id]: origin.id }),
    [ORIGIN.name]: origin.name,
    [ORIGIN.type]: origin.type,
    ...(origin.isGone ? { [ORIGIN.isGone]: true } : {}),
  }
}

function typeOf(
  json: unknown,
  at: { readonly column: string; readonly mapped: boolean },
): ColumnType {
  if (typeof json === 'string') return primitiveOf(json, at.column)
  const type = (json ?? {}) as Readonly<Record<string, unknown>>
  switch (type.type) {
    case 'array':
      return {
        kind: 'array',
        element: typeOf(type.elementType, at),
        containsNull: type.containsNull !== false,
      }
    case 'map':
      return {
        kind: 'map',
        key: typeOf(type.keyType, at),
        value: typeOf(type.valueType, at),
        valueContainsNull: type.valueContainsNull !== false,
      }
    case 'struct':
      return {
        kind: 'struct',
        fields: ((type.fields ?? []) as readonly JsonField[]).map((field) =>
          structFieldOf(field, at),
        ),
      }
    case undefined:
      throw notASchema(JSON.stringify(json) ?? 'nothing', undefined)
    default:
      throw unknownType(JSON.stringify(json), at.column)
  }
}

/** Throws SLU-TAB-3001 for what is no field. */
function checkField(field: JsonField): JsonField {
  const { name, nullable, metadata } = (field ?? {}) as Partial<JsonField>
  const isField = typeof name === 'string' && name !== '' && typeof nullable === 'boolean'
  if (isField && (metadata === undefined || typeof metadata === 'object')) return field
  throw notASchema(JSON.stringify(field), undefined)
}

function structFieldOf(
  given: JsonField,
  at: { readonly column: string; readonly mapped: boolean },
): StructField {
  const field = checkField(given)
  const column = `${at.column}.${field.name}`
  checkTypeChanges(field.metadata ?? {}, column, (type) => typeOf(type, at))
  const type = typeOf(field.type, { ...at, column })
  const id = field.metadata?.[FIELD_ID]
  const physical = field.metadata?.[PHYSICAL_NAME]
  return {
    name: field.name,
    type,
    nullable: field.nullable,
    ...(at.mapped && typeof physical === 'string' ? { physicalName: physical } : {}),
    ...(at.mapped && typeof id === 'number' ? { fieldId: id } : {}),
  }
}

function primitiveOf(name: string, column: string): ColumnType {
  if (PRIMITIVES.has(name)) return name as PrimitiveType
  // Spark before 3.1 had another name for it.
  if (name === 'null') return 'void'
  const decimal = /^decimal\((\d+),\s*(-?\d+)\)$/.exec(name)
  if (decimal !== null) {
    const [precision, scale] = [Number(decimal[1]), Number(decimal[2])]
    const isKnown = precision >= 1 && precision <= DECIMAL_PRECISION_MAX && scale >= 0
    if (isKnown && scale <= precision) return { kind: 'decimal', precision, scale }
  }
  if (name === 'decimal') return { kind: 'decimal', precision: 10, scale: 0 }
  throw unknownType(name, column)
}

function unknownType(type: string, column: string): SluiceError {
  return new SluiceError('SLU-TAB-3010', {
    message: `column ${column} has the type ${type}`,
    context: { column, type },
  })
}

function printColumn(column: TableColumn): object {
  return {
    name: column.name,
    type: printType(column.type),
    nullable: column.nullable,
    metadata: {
      ...(column.comment === undefined ? {} : { comment: column.comment }),
      [FIELD_ID]: column.fieldId,
      [PHYSICAL_NAME]: column.physicalName,
      ...printOrigin(column.origin),
    },
  }
}

function printType(type: ColumnType): unknown {
  if (typeof type === 'string') return type
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'array':
      return {
        type: 'array',
        elementType: printType(type.element),
        containsNull: type.containsNull,
      }
    case 'map':
      return {
        type: 'map',
        keyType: printType(type.key),
        valueType: printType(type.value),
        valueContainsNull: type.valueContainsNull,
      }
    case 'struct':
      return { type: 'struct', fields: type.fields.map(printStructField) }
    default: {
      const never: never = type
      return never
    }
  }
}

function printStructField(field: StructField): object {
  return {
    name: field.name,
    type: printType(field.type),
    nullable: field.nullable,
    metadata: {
      [FIELD_ID]: field.fieldId,
      [PHYSICAL_NAME]: field.physicalName ?? field.name,
    },
  }
}

function holdsType(type: ColumnType, primitive: PrimitiveType): boolean {
  if (typeof type === 'string') return type === primitive
  switch (type.kind) {
    case 'decimal':
      return false
    case 'array':
      return holdsType(type.element, primitive)
    case 'map':
      return holdsType(type.key, primitive) || holdsType(type.value, primitive)
    case 'struct':
      return type.fields.some((field) => holdsType(field.type, primitive))
    default: {
      const never: never = type
      return never
    }
  }
}
