import { expect, test } from 'vitest'
import { drawFacts, drawTable, printable, widthOf } from '../../../../src/cli/text-table.ts'

const plain = { cellWidthMax: null, isColored: false }
const columns = [
  { title: 'name', align: 'left' },
  { title: 'rows', align: 'right' },
] as const

test('aligns numbers to the right and leaves no space at the end of a line', () => {
  expect(
    drawTable(
      columns,
      [
        ['a', '1'],
        ['long name', '1,234'],
      ],
      plain,
    ),
  ).toBe(
    ['name        rows', '─────────  ─────', 'a              1', 'long name  1,234', ''].join('\n'),
  )
})

test('draws a table without rows', () => {
  expect(drawTable(columns, [], plain)).toBe('name  rows\n────  ────\n')
})

test('aligns wide and combining characters by the columns they take', () => {
  expect(widthOf('日本')).toBe(4)
  expect(widthOf('e\u0301')).toBe(1)
  expect(
    drawTable(
      columns,
      [
        ['日本', '1'],
        ['abcd', '2'],
      ],
      plain,
    ),
  ).toContain('日本     1\nabcd     2\n')
})

test('lets no control character of a value reach the terminal', () => {
  expect(printable('a\nb\u001b[2Jc\u202e')).toBe('a⏎b�[2Jc�')
  expect(drawTable(columns, [['x\u001b]0;evil\u0007', '1']], plain)).not.toContain('\u001b')
})

test('cuts long cells only when told to, and marks the cut', () => {
  const rows = [['x'.repeat(100), '1']]
  expect(drawTable(columns, rows, plain)).toContain('x'.repeat(100))
  const cut = drawTable(columns, rows, { cellWidthMax: 10, isColored: false })
  expect(cut).toContain(`${'x'.repeat(9)}…  `)
  expect(cut).not.toContain('x'.repeat(10))
})

test('emphasises the title line only where colour is allowed', () => {
  expect(drawTable(columns, [], { cellWidthMax: null, isColored: true })).toMatch(/^\u001b\[1mname/)
})

test('pads the names of facts to one width', () => {
  expect(
    drawFacts([
      ['a', '1'],
      ['long', 'x'],
    ]),
  ).toBe('a     1\nlong  x\n')
})
