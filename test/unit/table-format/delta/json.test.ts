import { describe, expect, it } from 'vitest'
import type { FileStatistics, TableSchema } from '../../../../src/model/index.ts'
import { decodeActions, encodeAction } from '../../../../table-format/delta/actions.ts'
import {
  integer,
  parseLogJson,
  parsePlainJson,
  printJson,
  withMember,
} from '../../../../table-format/delta/json.ts'
import {
  parseStatistics,
  printStatistics,
  recordCountOf,
  withWideBounds,
} from '../../../../table-format/delta/statistics.ts'

const LONG = '9223372036854775807'

describe('JSON of a log', () => {
  it('keeps every digit of a 64-bit number', () => {
    const text = `{"a":${LONG},"b":-${LONG},"c":1,"d":[${LONG}]}`
    expect(parseLogJson(text)).toEqual({
      a: 9223372036854775807n,
      b: -9223372036854775807n,
      c: 1,
      d: [9223372036854775807n],
    })
    const printed = printJson({ a: integer(9223372036854775807n), b: integer(-5n) })
    expect(printed).toBe(`{"a":${LONG},"b":-5}`)
  })

  it('gives numbers that JavaScript cannot hold as text', () => {
    const text = `{"a":${LONG},"b":12345678901234567890.123456789,"c":0.1,"d":1.50,"e":1e300}`
    expect(parsePlainJson(text)).toEqual({
      a: LONG,
      b: '12345678901234567890.123456789',
      c: 0.1,
      d: 1.5,
      e: 1e300,
    })
  })

  it('sets a member and leaves the text of every number alone', () => {
    const text = `{"x":${LONG},"y":1.50,"z":{"deep":0.10}}`
    expect(withMember(text, 'x2', false)).toBe(`${text.slice(0, -1)},"x2":false}`)
    expect(withMember(text, 'y', 2)).toBe(`{"x":${LONG},"y":2,"z":{"deep":0.10}}`)
  })

  it('keeps row ids and transaction versions beyond 2^53', () => {
    const required =
      '"path":"p","partitionValues":{},"size":1,"modificationTime":2,"dataChange":true'
    const line = `{"add":{${required},"baseRowId":${LONG},"defaultRowCommitVersion":3}}`
    const [add] = decodeActions(line, 'here')
    expect(add).toMatchObject({ baseRowId: 9223372036854775807n, defaultRowCommitVersion: 3n })
    expect(encodeAction(add!)).toBe(line)
    const txn = `{"txn":{"appId":"a","version":${LONG},"lastUpdated":5}}`
    expect(encodeAction(decodeActions(txn, 'here')[0]!)).toBe(txn)
  })

  it.each([
    ['{"add":{"path":"x"', 'cut off'],
    ['[]', 'no object'],
    ['{"add":{"partitionValues":{},"size":1}}', 'no path'],
    ['{"add":{"path":"x","size":"1"}}', 'size as text'],
    ['{"remove":7}', 'remove as number'],
    ['{"txn":{"appId":"a"}}', 'no version'],
    [
      '{"remove":{"path":"x","deletionVector":{"storageType":"x","pathOrInlineDv":""}}}',
      'unknown vector',
    ],
  ])('refuses %s (%s)', (line) => {
    expect(() => decodeActions(line, 'line 3')).toThrow(
      expect.objectContaining({ code: 'SLU-TAB-3001', message: expect.stringContaining('line 3') }),
    )
  })

  it('passes over actions and members it does not know', () => {
    expect(decodeActions('{"novelty":{"a":1}}', 'here')).toEqual([])
    expect(decodeActions('{"txn":{"appId":"a","version":1,"novel":2}}', 'here')).toHaveLength(1)
  })
})

describe('statistics of files', () => {
  const schema: TableSchema = {
    columns: [
      { name: 'id', physicalName: 'id', fieldId: 1, type: 'long', nullable: false },
      {
        name: 'price',
        physicalName: 'price',
        fieldId: 2,
        type: { kind: 'decimal', precision: 38, scale: 9 },
        nullable: true,
      },
      { name: 'name', physicalName: 'name', fieldId: 3, type: 'string', nullable: true },
    ],
    partitionBy: [],
    key: [],
    maxFieldId: 3,
  }
  const statistics: FileStatistics = {
    recordCount: 7,
    minValues: { id: LONG, price: '0.000000001', name: '12' },
    maxValues: { id: 5, price: '12345678901234567890.123456789', name: '99' },
    nullCount: { id: 0, price: 1, name: 2 },
    tightBounds: true,
  }

  it('writes long and decimal values as numbers, and text as text', () => {
    const text = printStatistics(statistics, schema)
    expect(text).toContain(`"minValues":{"id":${LONG},"price":0.000000001,"name":"12"}`)
    expect(text).toContain('"price":12345678901234567890.123456789')
    expect(parseStatistics(text)).toEqual({
      ...statistics,
      minValues: { ...statistics.minValues, price: 1e-9 },
    })
  })

  it('widens the bounds and keeps all values to the digit', () => {
    const text = printStatistics(statistics, schema)
    expect(withWideBounds(text)).toBe(text.replace('"tightBounds":true', '"tightBounds":false'))
    expect(withWideBounds('{"numRecords":3}')).toBe('{"numRecords":3,"tightBounds":false}')
  })

  it.each([
    ['{"numRecords":3,"tightBounds":false}', '{"numRecords":3,"tightBounds":false}'],
    ['{"numRecords":3, "tightBounds": true }', '{"numRecords":3,"tightBounds":false}'],
    ['{"tightBounds":true,"numRecords":3}', '{"tightBounds":false,"numRecords":3}'],
    [
      '{"numRecords":3,"minValues":{"a":1,"tightBounds":true}}',
      '{"numRecords":3,"minValues":{"a":1,"tightBounds":true},"tightBounds":false}',
    ],
  ])('widens the bounds of %s', (text, wide) => {
    expect(withWideBounds(text)).toBe(wide)
  })

  it('counts records wherever the count stands', () => {
    expect(recordCountOf('{"numRecords":3}')).toBe(3)
    expect(recordCountOf('{"minValues":{"numRecords":9},"numRecords":4}')).toBe(4)
    expect(recordCountOf('{"minValues":{"numRecords":9}}')).toBeNull()
    expect(recordCountOf('no JSON')).toBeNull()
    expect(recordCountOf(null)).toBeNull()
  })
})
