import { expect, test } from 'vitest'
import { bytesText, closingIndex, plainText, tokenize } from '../../../../src/read/tokens.ts'

const texts = (sql: string): string[] => tokenize(bytesText(sql)).map(({ text }) => text)

test('keeps strings whole, whatever stands in them', () => {
  expect(texts("select 'it''s -- AT (', E'a\\'b', $$x ' y$$, $t$ $$ $t$")).toEqual([
    'select',
    "'it''s -- AT ('",
    ',',
    "E'a\\'b'",
    ',',
    "$$x ' y$$",
    ',',
    '$t$ $$ $t$',
  ])
})

test('skips line comments and nested block comments', () => {
  expect(texts('a -- b\n c /* d /* e */ f */ g')).toEqual(['a', 'c', 'g'])
})

test('lowers words and takes quoted identifiers as they are', () => {
  expect(texts('Shop."Or""ders" É')).toEqual(['shop', '.', 'Or"ders', 'é'])
})

test('tells numbers and the arrow from other signs', () => {
  expect(texts('1.5e+3-.5=>x=2')).toEqual(['1.5e+3', '-', '.5', '=>', 'x', '=', '2'])
})

test('counts places in bytes, as DuckDB does', () => {
  const tokens = tokenize(bytesText('select "ééé" from orders'))
  expect(tokens.at(-1)).toMatchObject({ text: 'orders', start: 21, end: 27 })
})

test('finds the parenthesis that closes', () => {
  const tokens = tokenize(bytesText("f(a, (b), ')') c"))
  expect(tokens[closingIndex(tokens, 1)]?.start).toBe(13)
  expect(closingIndex(tokenize('(a'), 0)).toBe(-1)
})

test('turns text into bytes and back', () => {
  expect(plainText(bytesText('a é 漢 😀'))).toBe('a é 漢 😀')
})
