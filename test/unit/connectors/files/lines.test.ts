import { describe, expect, it } from 'vitest'
import { scanLines, withoutBlankLines } from '../../../../connectors/files/lines.ts'
import { LINE_BYTES_MAX } from '../../../../connectors/files/records.ts'

const scan = (text: string) => scanLines(Buffer.from(text))

describe('lines of a piece', () => {
  it('ends at the last LF', () => {
    expect(scan('{"a":1}\n{"a":2}\n{"a"')).toEqual({
      endBytes: 16,
      lineCount: 2,
      recordCount: 2,
      lineBytesMax: 8,
      problem: null,
    })
    expect(scan('{"a":1}')).toMatchObject({ endBytes: 0, lineCount: 0 })
    expect(scan('')).toMatchObject({ endBytes: 0, problem: null })
  })

  it('counts blank lines as lines but not as records, and takes them out', () => {
    const bytes = Buffer.from('\n{"a":1}\r\n \t\r\n  {"a":2}\n\n')
    const found = scanLines(bytes)
    expect(found).toEqual({
      endBytes: bytes.length,
      lineCount: 5,
      recordCount: 2,
      lineBytesMax: 10,
      problem: null,
    })
    expect(withoutBlankLines(bytes, found).toString()).toBe('{"a":1}\r\n  {"a":2}\n')
  })

  it('hands over the very bytes when no line is blank', () => {
    const bytes = Buffer.from('{"a":1}\n{"a":2}\n{')
    const records = withoutBlankLines(bytes, scanLines(bytes))
    expect(records.buffer).toBe(bytes.buffer)
    expect(records.toString()).toBe('{"a":1}\n{"a":2}\n')
  })

  it('stops before a line that is no object', () => {
    for (const bad of ['[1]', '42', '"text"', 'null', '\u0000', '}']) {
      const found = scan(`{"a":1}\n\n${bad}\n{"a":2}\n`)
      expect(found).toEqual({
        endBytes: 9,
        lineCount: 2,
        recordCount: 1,
        lineBytesMax: 8,
        problem: 'not-an-object',
      })
    }
  })

  it('stops before a line that is nested too deep, whatever its texts hold', () => {
    const nested = (depth: number, text = '') =>
      `{"a":${'['.repeat(depth - 1)}"${text}"${']'.repeat(depth - 1)}}\n`
    expect(scan(nested(10_000, '\\"['.repeat(20_000))).problem).toBe(null)
    expect(scan(`{"a":1}\n${nested(10_001)}`)).toMatchObject({
      endBytes: 8,
      lineCount: 1,
      problem: 'too-deep',
    })
  })

  it('stops before a line that is not valid UTF-8', () => {
    const good = Buffer.from('{"a":"é"}\n\n')
    const bytes = Buffer.concat([good, Buffer.from('{"a":"\xff"}\n', 'latin1'), good])
    expect(scanLines(bytes)).toEqual({
      endBytes: good.length,
      lineCount: 2,
      recordCount: 1,
      lineBytesMax: good.length - 1,
      problem: 'not-utf8',
    })
  })

  it('names the first bad line, whatever is wrong with it', () => {
    const bytes = Buffer.from('{"a":1}\n{"a":"\xff"}\n[1]\n', 'latin1')
    expect(scanLines(bytes)).toMatchObject({ lineCount: 1, problem: 'not-utf8' })
    const other = Buffer.from('{"a":1}\n[1]\n{"a":"\xff"}\n', 'latin1')
    expect(scanLines(other)).toMatchObject({ lineCount: 1, problem: 'not-an-object' })
  })

  it('takes a line of exactly the limit and stops before a longer one', () => {
    const line = (bytes: number) => `{"a":"${'x'.repeat(bytes - 9)}"}\n`
    expect(scan(line(LINE_BYTES_MAX))).toMatchObject({ recordCount: 1, problem: null })
    expect(scan(line(LINE_BYTES_MAX + 1))).toMatchObject({ recordCount: 0, problem: 'too-long' })
  })
})
