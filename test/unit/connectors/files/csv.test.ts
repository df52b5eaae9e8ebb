import { describe, expect, it } from 'vitest'
import { csvFormat, firstRecordEnd, parseRecords } from '../../../../connectors/files/csv.ts'
import { headerNames, inferCsvColumns } from '../../../../connectors/files/csv-columns.ts'
import { LINE_BYTES_MAX } from '../../../../connectors/files/records.ts'
import { REJECT_CODE_NAMES } from '../../../../src/model/index.ts'

const DIALECT = { delimiter: ',', quote: '"' }
const two = csvFormat(DIALECT, 2)

const landed = (text: string): string => {
  const bytes = Buffer.from(text)
  return two.records(bytes, two.scan(bytes)).toString()
}
const fieldsOf = (text: string) =>
  parseRecords(Buffer.from(text), DIALECT, 10).map((record) => record.map((field) => field.text))

describe('records of a piece of CSV', () => {
  it('end at the last line end that stands outside of quotes', () => {
    expect(two.scan(Buffer.from('a,b\n"c\n",d\ne,"f\n'))).toEqual({
      endBytes: 11,
      lineCount: 3,
      recordCount: 2,
      lineBytesMax: 7,
      problem: null,
    })
    expect(two.scan(Buffer.from('a,b'))).toMatchObject({ endBytes: 0, problem: null })
    expect(two.scan(Buffer.from('a,b\r'))).toMatchObject({ endBytes: 0, problem: null })
    expect(two.scan(Buffer.from('a,"b"'))).toMatchObject({ endBytes: 0, problem: null })
    expect(two.scan(Buffer.from(''))).toMatchObject({ endBytes: 0, problem: null })
  })

  it('are landed without CR and blank lines, but with those inside of quotes', () => {
    expect(landed('a,b\r\n\r\n\n"c\r\n\r\n""",d\nx')).toBe('a,b\n"c\r\n\r\n""",d\n')
    expect(landed('a,b\nc,d\n')).toBe('a,b\nc,d\n')
  })

  it.each([
    ['a,b\nc\n', 'ragged', 4],
    ['a,b\nc,d,e\n', 'ragged', 4],
    ['a,b\n"c"d,e\n', 'bad-quote', 4],
    ['a,b\nc"d,e\n', 'bad-quote', 4],
    ['a,b\nc ,"d" \n', 'bad-quote', 4],
    ['a,b\nc\rd,e\n', 'bad-line-end', 4],
    ['a,b\n\n"\xff",c\n', 'not-utf8', 5],
  ])('stop before what is not well formed: %j', (text, problem, endBytes) => {
    const scan = two.scan(Buffer.from(text, 'latin1'))
    expect(scan).toMatchObject({ problem, endBytes, recordCount: 1 })
  })

  it('stop before one that is longer than records may be', () => {
    const text = `a,b\n"${'x'.repeat(LINE_BYTES_MAX)}",c\n`
    expect(two.scan(Buffer.from(text))).toMatchObject({ problem: 'too-long', endBytes: 4 })
  })

  it('are split into fields with quotes undone', () => {
    expect(fieldsOf('a,"b ""c"" ,\nd",\n\n"",e\r\n')).toEqual([
      ['a', 'b "c" ,\nd', ''],
      ['', 'e'],
    ])
    expect(fieldsOf('a,b\n"c')).toEqual([['a', 'b']])
    expect(firstRecordEnd(Buffer.from('\n\r\n"a\n",b\nc'), DIALECT)).toBe(10)
    expect(firstRecordEnd(Buffer.from('\n"a\n",b'), DIALECT)).toBeNull()
  })
})

describe('all records of a piece of CSV', () => {
  const scanAll = (text: string, isWhole = true) =>
    two.scanAll(Buffer.from(text, 'latin1'), isWhole)
  const rejected = (text: string) => {
    const { unreadable } = scanAll(text)
    return [...(unreadable?.rows ?? [])].map((row, at) => [
      row,
      REJECT_CODE_NAMES[unreadable?.codes[at] as number],
    ])
  }
  const allLanded = (text: string): string => {
    const bytes = Buffer.from(text, 'latin1')
    return two.records(bytes, two.scanAll(bytes, true)).toString('latin1')
  }

  it('are the good ones when nothing is bad', () => {
    expect(scanAll('a,b\n\n"c\n",d\ne,f\n')).toEqual({
      endBytes: 16,
      lineCount: 5,
      recordCount: 3,
      lineBytesMax: 7,
      problem: null,
      linesBefore: Uint32Array.of(0, 2, 4),
      unreadable: null,
    })
    expect(scanAll('a,b\nc,d\n').linesBefore).toBeNull()
  })

  it.each([
    ['a\nb,c\n', [[0, 'field-count']]],
    ['"a\n""b"\nb,c\n', [[0, 'field-count']]],
    ['\xff,a\nb,c\n', [[0, 'invalid-utf8']]],
    ['a"b,c\nd,e\n', [[0, 'bad-quote']]],
    ['a\rb,c\nd,e\n', [[0, 'bad-line-end']]],
    ['a,"b\nd,e\n', [[0, 'open-quote']]],
    ['a,b\n\nc,"d\ne,f\ng,"h"\n', [[1, 'bad-quote']]],
    [
      'a,"b\nc" d,e\nf,g\n',
      [
        [0, 'bad-quote'],
        [1, 'bad-quote'],
      ],
    ],
  ])('go on at the next line after one that is not well formed: %j', (text, expected) => {
    expect(rejected(text)).toEqual(expected)
    const { endBytes, recordCount, unreadable } = scanAll(text)
    expect(endBytes).toBe(text.length)
    expect(recordCount).toBeGreaterThan(unreadable?.rows.length ?? 0)
  })

  it('wait for the end of a quote unless nothing follows', () => {
    expect(scanAll('a,b\nc,"d\ne,f\n', false)).toMatchObject({ endBytes: 4, unreadable: null })
    expect(scanAll('a,b\nc,"d', false)).toMatchObject({ endBytes: 4, unreadable: null })
  })

  it('let a quote that is never closed take one line only, whatever follows', () => {
    const line = `x,${'y'.repeat(1021)}\n`
    const rest = line.repeat(LINE_BYTES_MAX / line.length + 1)
    const found = scanAll(`a,"b\n${rest}`, false)
    expect([...(found.unreadable?.rows ?? [])]).toEqual([0])
    expect(found.recordCount).toBe(LINE_BYTES_MAX / line.length + 2)
  })

  it('end before a line that is longer than records may be', () => {
    const text = `a,b\nc,"${'x'.repeat(LINE_BYTES_MAX)}\nd,e\n`
    expect(scanAll(text)).toMatchObject({ endBytes: 4, recordCount: 1, unreadable: null })
  })

  it('are landed as one quoted field each where they are bad, without their line ends', () => {
    expect(allLanded('a,b\r\nc"d\r\n\n"e\r\n",f\r\n"g\nh,"\xff"\n')).toBe(
      'a,b\n"c""d"\n"e\r\n",f\n"""g"\n"h,""\xff"""\n',
    )
  })
})

describe('columns of a CSV file', () => {
  const typesOf = (text: string, nullTexts = ['']) => {
    const [header = [], ...rows] = parseRecords(Buffer.from(text), DIALECT, 100)
    const names = headerNames(header, 'a.csv')
    return inferCsvColumns(names, rows, nullTexts).map(({ sourceType }) => sourceType)
  }

  it.each([
    ['1\n-20\n', 'bigint'],
    ['1\n2.5\n', 'double'],
    ['1e3\n', 'double'],
    ['007\n8\n', 'string'],
    ['1\n9007199254740993\n', 'bigint'],
    ['1.5\n9007199254740993\n', 'string'],
    ['9007199254740993\n1.5\n', 'string'],
    ['9223372036854775808\n', 'string'],
    ['0.1234567890123456\n', 'string'],
    ['true\nfalse\n', 'boolean'],
    ['True\n', 'string'],
    ['2026-11-22\n', 'date'],
    ['2026-11-22 10:00:00.5Z\n2026-11-22T10:00:00+02:00\n', 'timestamp'],
    ['2026-11-22 10:00:00\n', 'timestamp_ntz'],
    ['2026-11-22 10:00:00\n2026-11-22 10:00:00Z\n', 'string'],
    ['2026-11-22 10:00:00.123456789\n', 'string'],
    ['1\ntrue\n', 'string'],
    [',\n', 'string'],
  ])('takes the narrowest type that has %j exactly', (rows, type) => {
    expect(typesOf(`a\n${rows.replace(',', '')}`)).toEqual([type])
  })

  it('does not look at unquoted NULL texts, but at quoted ones', () => {
    expect(typesOf('a,b\n1,NULL\nNULL,2\n', ['NULL'])).toEqual(['bigint', 'bigint'])
    expect(typesOf('a,b\n1,""\n,2\n')).toEqual(['bigint', 'string'])
  })

  it('refuses a header with a missing or repeated name', () => {
    expect(() => typesOf('a,,b\n')).toThrow('Field 2 of the header of a.csv has no name.')
    expect(() => typesOf('a,b,a\n')).toThrow('The header of a.csv names "a" twice.')
  })
})
