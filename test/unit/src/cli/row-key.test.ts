import { expect, test } from 'vitest'
import { parseRowKey } from '../../../../src/cli/row-key.ts'

const read = (text: string, ...columns: readonly string[]): object =>
  Object.fromEntries(parseRowKey(text, columns))

test('a key of one column is the text itself', () => {
  expect(read('42', 'id')).toEqual({ id: '42' })
  expect(read('a=1,b=2', 'id')).toEqual({ id: 'a=1,b=2' })
  expect(read('', 'id')).toEqual({ id: '' })
  expect(read('{"other":1}', 'id')).toEqual({ id: '{"other":1}' })
})

test('the column may be named', () => {
  expect(read('id=42', 'id')).toEqual({ id: '42' })
  expect(read('{"id":"id=42"}', 'id')).toEqual({ id: 'id=42' })
})

test('several columns are named in any order, and values may hold commas', () => {
  expect(read('a=1,b=2', 'a', 'b')).toEqual({ a: '1', b: '2' })
  expect(read('b=x,y=z,a=,', 'a', 'b')).toEqual({ a: ',', b: 'x,y=z' })
  expect(read('{"b":true,"a":12345678901234567890}', 'a', 'b')).toEqual({
    a: '12345678901234567890',
    b: 'true',
  })
})

test.each([
  ['1,2', 'does not begin with a key column'],
  ['a=1', 'the key column b is missing'],
  ['{"a":1,"b":2,"c":3}', 'c is no key column'],
  ['{"a":1,"b":null}', 'the value of b is null'],
  ['{"a":1,"b":[2]}', 'the value of b is no plain value'],
])('refuses %s', (text, message) => {
  expect(() => read(text, 'a', 'b')).toThrow(
    expect.objectContaining({
      code: 'SLU-CLI-8001',
      message: expect.stringContaining(message),
      remedy: expect.stringContaining('a'),
    }),
  )
})
