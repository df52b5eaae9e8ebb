import { describe, expect, it } from 'vitest'
import { type JsonLines, jsonLines } from '../../../../connectors/kafka/wire.ts'
import { decodeAll } from '../../../support/kafka/decoded.ts'
import { writeBatch, writeMarker } from '../../../support/kafka/record-batch.ts'

type Value = string | Buffer | null

function batchOf(values: readonly Value[], baseOffset = 0n): Buffer {
  const records = values.map((value, offsetDelta) => ({
    offsetDelta,
    key: Buffer.from('a key\nwith a line end'),
    value: typeof value === 'string' ? Buffer.from(value) : value,
    headers: [[Buffer.from('h\n'), Buffer.from('{"no": "value"}\n')]] as const,
  }))
  return writeBatch({ baseOffset, records })
}

function linesOf(values: readonly Value[]): JsonLines {
  const [chunk] = decodeAll(batchOf(values))
  return jsonLines(chunk as NonNullable<typeof chunk>)
}

/** What a reader of lines sees. */
function parsed(lines: JsonLines): readonly unknown[] {
  const texts = lines.bytes.toString().split('\n')
  expect(texts.pop()).toBe('')
  expect(texts).toHaveLength(lines.recordCount)
  expect(Math.max(...texts.map((text) => Buffer.byteLength(text) + 1))).toBe(lines.lineBytesMax)
  return texts.map((text) => JSON.parse(text))
}

describe('jsonLines', () => {
  it('makes a line of each value, in the bytes that were decoded', () => {
    const [chunk] = decodeAll(batchOf(['{"a":1}', '[2]', '"é\\n"']))
    const lines = jsonLines(chunk as NonNullable<typeof chunk>)
    expect(parsed(lines)).toEqual([{ a: 1 }, [2], 'é\n'])
    expect(lines.bytes.buffer).toBe(chunk?.bytes.buffer)
    expect(lines.nullRows).toEqual(new Uint32Array())
    expect(lines.unreadable.rows).toEqual(new Uint32Array())
  })

  it('blanks what stands between batches', () => {
    const bytes = Buffer.concat([
      batchOf(['1']),
      writeMarker('commit', 1n, 5n),
      batchOf(['2', '3'], 2n),
    ])
    const [chunk] = decodeAll(bytes)
    expect(parsed(jsonLines(chunk as NonNullable<typeof chunk>))).toEqual([1, 2, 3])
  })

  it('begins at the first record that was asked for', () => {
    const [chunk] = decodeAll(batchOf(['1'.repeat(900), '2', '3']), { fromOffset: 1n })
    const lines = jsonLines(chunk as NonNullable<typeof chunk>)
    expect(parsed(lines)).toEqual([2, 3])
    expect(lines.lineBytesMax).toBeLessThan(100)
  })

  it('tells of records without a value, whose lines are null', () => {
    const lines = linesOf([null, '1', null, null])
    expect(parsed(lines)).toEqual([null, 1, null, null])
    expect(lines.nullRows).toEqual(Uint32Array.of(0, 2, 3))
  })

  it('has room for null where a record is as small as a record can be', () => {
    const records = [0, 1, 2].map((offsetDelta) => ({ offsetDelta, value: null }))
    const [chunk] = decodeAll(writeBatch({ records }))
    expect(parsed(jsonLines(chunk as NonNullable<typeof chunk>))).toEqual([null, null, null])
  })

  it('joins the lines of a value that has line ends outside of strings', () => {
    const lines = linesOf(['{\n  "a": 1,\r\n  "b": [\n]}', '2', '\n3\n', '{"c":\n4}\n'])
    expect(parsed(lines)).toEqual([{ a: 1, b: [] }, 2, 3, { c: 4 }])
    expect(lines.unreadable.rows).toEqual(new Uint32Array())
  })

  it('keeps the bytes of values that no line can hold', () => {
    const notUtf8 = Buffer.from([0x22, 0xc3, 0x28, 0x22])
    const cutCharacter = Buffer.from([0x22, 0xe2, 0x82])
    const values = ['1', 'no\njson', '', notUtf8, '  ', '{"a":"x\ny"}', cutCharacter, '2', '\n']
    const lines = linesOf(values)
    expect(lines.unreadable.rows).toEqual(Uint32Array.of(1, 2, 3, 4, 5, 6, 8))
    expect(lines.unreadable.values).toEqual(
      [1, 2, 3, 4, 5, 6, 8].map((row) => Buffer.from(values[row] as string)),
    )
    expect(parsed(lines)).toEqual([1, null, null, null, null, null, null, 2, null])
  })

  it('leaves what is no JSON to the reader where it is one line', () => {
    const lines = linesOf(['{oops', '  {"a": 1}'])
    expect(lines.bytes.toString().split('\n')[0]).toMatch(/ \{oops$/)
    expect(lines.unreadable.rows).toEqual(new Uint32Array())
  })

  it('gives no line for no records', () => {
    const [chunk] = decodeAll(writeBatch({ records: [], lastOffsetDelta: 3 }))
    const lines = jsonLines(chunk as NonNullable<typeof chunk>)
    expect(lines).toMatchObject({ recordCount: 0, lineBytesMax: 0 })
    expect(lines.bytes).toHaveLength(0)
  })
})
