import { describe, expect, it } from 'vitest'
import { findUnknownMembers, printColumnType } from '../../../../src/model/index.ts'

const find = (text: string, known: readonly string[] = []) =>
  findUnknownMembers(Buffer.from(text), new Set(known), { file: 'a.ndjson', firstLine: 1 })
const typesOf = (...lines: string[]) =>
  find(`${lines.join('\n')}\n`)?.columns.map(({ name, type }) => `${name} ${printColumnType(type)}`)

describe('columns of JSON members', () => {
  it('follow the values, in the order of first appearance', () => {
    expect(typesOf('{"n":1,"t":"x","b":true}', '{"d":1.5,"n":2}')).toEqual([
      'n bigint',
      't string',
      'b boolean',
      'd double',
    ])
  })

  it('keep 64-bit integers whole', () => {
    expect(typesOf('{"n":9223372036854775807}', '{"n":-9223372036854775808}')).toEqual(['n bigint'])
  })

  it('take the wider of two types', () => {
    expect(typesOf('{"a":1,"b":1,"c":null}', '{"a":1e3,"b":"x","c":2}')).toEqual([
      'a double',
      'b string',
      'c bigint',
    ])
    expect(typesOf('{"a":true,"b":1}', '{"a":1,"b":null}')).toEqual(['a string', 'b bigint'])
  })

  it('are text where there are objects, arrays, dates or only nulls', () => {
    expect(typesOf('{"o":{"x":1},"a":[1],"d":"2026-01-01T00:00:00Z","n":null}')).toEqual([
      'o string',
      'a string',
      'd string',
      'n string',
    ])
  })

  it('refuse an integer beyond 64 bits instead of rounding it, naming the line', () => {
    expect(() => typesOf('{}', '{"n":9223372036854775808}')).toThrowError(
      expect.objectContaining({
        code: 'SLU-SRC-1402',
        message: 'a.ndjson:2: column "n" holds an integer beyond 64 bits.',
      }),
    )
  })

  it('refuse a member without a name', () => {
    expect(() => typesOf('{"":1}')).toThrowError(expect.objectContaining({ code: 'SLU-SRC-1402' }))
  })

  it('are found behind nested values, texts with quotes and white space', () => {
    const line = ' { "a" : {"x":{"y":["}",2]},"z":"\\"}"} , "b":[ {"q":1}, "]" ] ,\t"c" : -1 } \r'
    expect(typesOf(line)).toEqual(['a string', 'b string', 'c bigint'])
  })

  it('have the names that the text stands for', () => {
    expect(typesOf('{"\\u0061\\"é\\\\":1}')).toEqual(['a"é\\ bigint'])
  })

  it('are taken from the members before the place where a line is no JSON', () => {
    expect(typesOf('{"a":1,"b"}', '[{"c":1}]', '{"d":', '{"e":"x', '', '{"f":1}')).toEqual([
      'a bigint',
      'd string',
      'e string',
      'f bigint',
    ])
  })
})

describe('members without a column', () => {
  it('are told with the start of the first line that has one', () => {
    const text = '{"id":1}\n\n{"id":2,"x":null}\n{"id":3,"y":1.5,"x":1}\n'
    expect(find(text, ['id'])).toEqual({
      startBytes: 10,
      columns: [
        { name: 'x', type: 'long', sourceType: 'bigint', nullable: true },
        { name: 'y', type: 'double', sourceType: 'double', nullable: true },
      ],
    })
    expect(find(text, ['id', 'x', 'y'])).toBeNull()
  })

  it('are members of the record alone, not of what stands in it', () => {
    expect(find('{"id":{"x":1},"t":"{\\"y\\":1}"}\n', ['id', 't'])).toBeNull()
  })
})
