import { expect, test } from 'vitest'
import type { LayoutColumn, TableLayout } from '../../../../connectors/postgres/catalog.ts'
import {
  compareLayout,
  isNewer,
  layoutFromJson,
  layoutToJson,
  noteOfLayout,
} from '../../../../connectors/postgres/layout.ts'

const column = (attnum: number, more: Partial<LayoutColumn> = {}): LayoutColumn => ({
  ...{
    attnum,
    name: `c${attnum}`,
    written: 100,
    type: '23.-1',
    isGenerated: false,
    hasDefault: false,
    initials: null,
  },
  ...more,
})
const layout = (files: Record<string, number>, ...columns: LayoutColumn[]): TableLayout => ({
  ...{ oid: 1, files, columns },
})
const note = (of: TableLayout) => noteOfLayout(of, null, () => true)
const NOTHING = { came: [], gone: [], refilled: [], unknown: [], published: [], altered: [] }

test('says nothing of a table that only got columns, or that was only written again', () => {
  const before = note(layout({ 1: 7 }, column(1), column(2)))
  const grown = layout({ 1: 7 }, column(1), column(2), column(3, { written: 101 }))
  expect(compareLayout(before, grown)).toEqual(NOTHING)
  expect(compareLayout(before, layout({ 1: 8 }, column(1), column(2)))).toEqual(NOTHING)
})

test('a new column of a table that was written again is unknown without its default', () => {
  const before = note(layout({ 1: 7 }, column(1)))
  const bare = column(2, { written: 101 })
  expect(compareLayout(before, layout({ 1: 8 }, column(1), bare)).unknown).toEqual([bare])
  const known = column(2, { written: 101, initials: ['5'] })
  expect(compareLayout(before, layout({ 1: 8 }, column(1), known))).toEqual(NOTHING)
  const several = column(2, { initials: ['5', '6'] })
  expect(compareLayout(before, layout({ 1: 7 }, column(1), several)).unknown).toEqual([several])
})

test('a default that was seen is remembered while no record of the column was read', () => {
  const seen = layout({ 1: 7 }, column(1), column(2, { initials: ['5'] }))
  expect(noteOfLayout(seen, null, () => true).initials).toEqual({ 2: '5' })
  const rewritten = layout({ 1: 8 }, column(1), column(2))
  expect(noteOfLayout(rewritten, note(seen), () => true).initials).toEqual({ 2: '5' })
  expect(noteOfLayout(rewritten, note(seen), () => false).initials).toEqual({})
  const dropped = layout({ 1: 7 }, column(1))
  expect(noteOfLayout(dropped, note(seen), () => true).initials).toEqual({ 2: '5' })
  expect(noteOfLayout(dropped, note(seen), () => false).initials).toEqual({})
})

test('tells columns that were altered while the table was written again, by transaction', () => {
  const before = note(layout({ 1: 7 }, column(1, { written: 4_294_967_290 }), column(2)))
  const altered = column(2, { written: 5 })
  const now = [column(1, { written: 4_294_967_290 }), altered] as const
  expect(
    compareLayout({ ...before, written: 4_294_967_290 }, layout({ 1: 8 }, ...now)).altered,
  ).toEqual([altered])
  expect(
    compareLayout({ ...before, written: 4_294_967_290 }, layout({ 1: 7 }, ...now)).altered,
  ).toEqual([])
})

test('a rewrite alters columns with a default; only another type says something', () => {
  const before = note(layout({ 1: 7 }, column(1), column(2, { initials: ['5'] })))
  const cleared = column(2, { written: 101 })
  expect(compareLayout(before, layout({ 1: 8 }, column(1), cleared))).toEqual(NOTHING)
  const retyped = { ...cleared, type: '20.-1' }
  expect(compareLayout(before, layout({ 1: 8 }, column(1), retyped)).altered).toEqual([retyped])
})

test('tells partitions that came, went, or got another file by themselves', () => {
  const before = note(layout({ 5: 50, 6: 60, 7: 70 }, column(1)))
  expect(compareLayout(before, layout({ 5: 50, 6: 61, 8: 80 }, column(1)))).toEqual({
    ...NOTHING,
    ...{ came: ['8'], gone: ['7'], refilled: ['6'] },
  })
  const truncated = layout({ 5: 51, 6: 61, 7: 71 }, column(1))
  expect(compareLayout(before, truncated)).toEqual(NOTHING)
})

test('a stored generated column that is published now has values that nobody told', () => {
  const before = note(layout({ 1: 7 }, column(1), column(3)))
  const generated = column(2, { isGenerated: true })
  const now = layout({ 1: 7 }, column(1), generated, column(3))
  expect(compareLayout(before, now).published).toEqual([generated])
})

test('numbers of transactions go round', () => {
  expect(isNewer(2, 1)).toBe(true)
  expect(isNewer(1, 1)).toBe(false)
  expect(isNewer(3, 4_294_967_295)).toBe(true)
  expect(isNewer(4_294_967_295, 3)).toBe(false)
})

test('a note survives JSON, and what is none is no note', () => {
  const one = note(layout({ 1: 7 }, column(1, { initials: ['x'] })))
  expect(layoutFromJson(JSON.parse(JSON.stringify(layoutToJson(one))))).toEqual(one)
  for (const json of [undefined, null, 1, [], {}]) expect(layoutFromJson(json)).toBeNull()
})
