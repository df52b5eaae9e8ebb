import { describe, expect, it } from 'vitest'
import { type ColumnType, numberMembers, sameType } from '../../../../src/model/index.ts'

const inner: ColumnType = {
  kind: 'struct',
  fields: [{ name: 'x', type: 'long', nullable: true }],
}
const type: ColumnType = {
  kind: 'struct',
  fields: [
    { name: 'a', type: { kind: 'array', element: inner, containsNull: true }, nullable: true },
    {
      name: 'm',
      type: { kind: 'map', key: 'string', value: inner, valueContainsNull: true },
      nullable: true,
    },
  ],
}

describe('members of nested types', () => {
  it('get ids that no other has, at any depth, and their names in files', () => {
    const numbered = numberMembers(type, 10)
    const ids = [...JSON.stringify(numbered.type).matchAll(/"fieldId":(\d+)/g)].map(([, id]) => id)
    expect(ids.map(Number).toSorted()).toEqual([11, 12, 13, 14])
    expect(numbered.maxFieldId).toBe(14)
    expect(sameType(numbered.type, type)).toBe(true)
    expect(sameType(numbered.type, inner)).toBe(false)
  })

  it('are not looked for in other types', () => {
    expect(numberMembers('long', 3)).toEqual({ type: 'long', maxFieldId: 3 })
  })
})
