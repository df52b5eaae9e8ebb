/** Numbers of the members of nested types. Pure. */

import type { ColumnType } from './schema.ts'

/** A type whose struct members have ids, and the highest of them. */
export interface NumberedType {
  readonly type: ColumnType
  readonly maxFieldId: number
}

/** Gives every struct member, at any depth, an id of its own above `maxFieldId`. */
export function numberMembers(type: ColumnType, maxFieldId: number): NumberedType {
  if (typeof type === 'string' || type.kind === 'decimal') return { type, maxFieldId }
  if (type.kind === 'array') {
    const element = numberMembers(type.element, maxFieldId)
    return { type: { ...type, element: element.type }, maxFieldId: element.maxFieldId }
  }
  if (type.kind === 'map') {
    const key = numberMembers(type.key, maxFieldId)
    const value = numberMembers(type.value, key.maxFieldId)
    return { type: { ...type, key: key.type, value: value.type }, maxFieldId: value.maxFieldId }
  }
  let last = maxFieldId
  const fields = type.fields.map((field) => {
    const fieldId = last + 1
    const numbered = numberMembers(field.type, fieldId)
    last = numbered.maxFieldId
    return { ...field, fieldId, physicalName: field.name, type: numbered.type }
  })
  return { type: { ...type, fields }, maxFieldId: last }
}
