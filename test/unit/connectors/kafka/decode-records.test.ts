import { describe, expect, it } from 'vitest'
import { decodeRecords } from '../../../../connectors/kafka/wire.ts'
import type { ErrorCode } from '../../../../src/model/index.ts'
import { decodeAll, PLACE, recordsOf } from '../../../support/kafka/decoded.ts'
import {
  CODECS,
  pack,
  packXerial,
  varint,
  type WrittenRecord,
  withChecksum,
  writeBatch,
  writeMarker,
  writeRecord,
} from '../../../support/kafka/record-batch.ts'

const value = (text: string): Buffer => Buffer.from(text)
const record = (offsetDelta: number, text = `v${offsetDelta}`): WrittenRecord => ({
  offsetDelta,
  value: value(text),
})
const valuesOf = (...args: Parameters<typeof decodeAll>): readonly (string | null)[] =>
  recordsOf(decodeAll(...args)).map((decoded) => decoded.value)
const nextOf = (...args: Parameters<typeof decodeAll>): bigint | undefined =>
  decodeAll(...args).at(-1)?.nextOffset

function expectCode(code: ErrorCode, ...args: Parameters<typeof decodeAll>): void {
  expect(() => decodeAll(...args)).toThrow(expect.objectContaining({ code }))
}

describe('decodeRecords', () => {
  it('gives offset, time, key, value and headers of each record', () => {
    const bytes = writeBatch({
      baseOffset: 5_000_000_000n,
      baseTimestamp: 1_700_000_000_000n,
      leaderEpoch: 7,
      records: [
        {
          offsetDelta: 0,
          key: value('k'),
          value: value('one'),
          headers: [
            [value('a'), value('1')],
            [value('b'), null],
          ],
        },
        { offsetDelta: 3, timestampDelta: -5n, key: null, value: null },
        { offsetDelta: 4, timestampDelta: 9_000_000_000n, key: value(''), value: value('') },
      ],
    })
    const chunks = decodeAll(bytes)
    expect(recordsOf(chunks)).toEqual([
      {
        offset: 5_000_000_000n,
        timestamp: 1_700_000_000_000n,
        key: 'k',
        value: 'one',
        headers: [
          ['a', '1'],
          ['b', null],
        ],
      },
      {
        offset: 5_000_000_003n,
        timestamp: 1_699_999_999_995n,
        key: null,
        value: null,
        headers: [],
      },
      { offset: 5_000_000_004n, timestamp: 1_709_000_000_000n, key: '', value: '', headers: [] },
    ])
    expect(chunks[0]).toMatchObject({ nextOffset: 5_000_000_005n, leaderEpoch: 7 })
  })

  it('keeps times of all 64 bits', () => {
    const times = [(1n << 62n) + 1n, -1n, 1_700_000_000_123_456_789n, -(1n << 61n)]
    for (const baseTimestamp of times) {
      const records = [record(0), { ...record(1), timestampDelta: 1n << 40n }]
      const found = recordsOf(decodeAll(writeBatch({ baseTimestamp, records })))
      expect(found.map(({ timestamp }) => timestamp)).toEqual([
        baseTimestamp,
        baseTimestamp + (1n << 40n),
      ])
    }
  })

  it('takes the time of the broker where the topic says so', () => {
    const records = [record(0), { ...record(1), timestampDelta: 12n }]
    const bytes = writeBatch({ hasLogAppendTime: true, maxTimestamp: 99n, records })
    expect(recordsOf(decodeAll(bytes)).map(({ timestamp }) => timestamp)).toEqual([99n, 99n])
  })

  it.each(CODECS)('unpacks %s', (codec) => {
    const records = Array.from({ length: 500 }, (_, index) => record(index, `value ${index % 7}`))
    const batch = writeBatch({ codec, records })
    const second = writeBatch({ codec, baseOffset: 500n, records: [record(0, 'last')] })
    const values = valuesOf(Buffer.concat([batch, second]))
    expect(values).toHaveLength(501)
    expect(values.slice(498)).toEqual(['value 1', 'value 2', 'last'])
  })

  it('unpacks the snappy frames of Java clients', () => {
    const records = Array.from({ length: 9_000 }, (_, index) => record(index))
    const body = packXerial(Buffer.concat(records.map(writeRecord)))
    const values = valuesOf(writeBatch({ codec: 'snappy', records, body }))
    expect(values).toHaveLength(9_000)
    expect(values.at(-1)).toBe('v8999')
  })

  it('leaves out records below the offset that was asked for', () => {
    const bytes = writeBatch({ baseOffset: 10n, records: [record(0), record(4), record(5)] })
    expect(valuesOf(bytes, { fromOffset: 14n })).toEqual(['v4', 'v5'])
    expect(valuesOf(bytes, { fromOffset: 12n })).toEqual(['v4', 'v5'])
    expect(valuesOf(bytes, { fromOffset: 16n })).toEqual([])
    expect(nextOf(bytes, { fromOffset: 16n })).toBe(16n)
  })

  it('moves past offsets that compaction emptied', () => {
    const first = writeBatch({ records: [record(1)], lastOffsetDelta: 9 })
    const empty = writeBatch({ baseOffset: 10n, records: [], lastOffsetDelta: 4 })
    expect(valuesOf(Buffer.concat([first, empty]))).toEqual(['v1'])
    expect(nextOf(Buffer.concat([first, empty]))).toBe(15n)
    expect(nextOf(empty)).toBe(15n)
  })

  it('waits for the rest of a last batch that was cut short', () => {
    const whole = writeBatch({ records: [record(0)] })
    const cut = writeBatch({ baseOffset: 1n, records: [record(0, 'x'.repeat(50))] })
    for (let size = 0; size < cut.length; size++) {
      const bytes = Buffer.concat([whole, cut.subarray(0, size)])
      expect(valuesOf(bytes)).toEqual(['v0'])
      expect(nextOf(bytes)).toBe(1n)
      expect(decodeAll(cut.subarray(0, size))).toEqual([])
    }
  })

  it('hands out uncompressed batches that lie together without copying them', () => {
    const bytes = Buffer.concat([
      writeBatch({ records: [record(0)] }),
      writeBatch({ baseOffset: 1n, records: [record(0)] }),
    ])
    const request = { place: PLACE, records: bytes, fromOffset: 0n, aborted: null }
    const [chunk] = [...decodeRecords(request)]
    expect(chunk?.bytes.buffer).toBe(bytes.buffer)
    expect(chunk?.recordCount).toBe(2)
  })

  it('ends a chunk after the batch that fills it', () => {
    const batches = Array.from({ length: 6 }, (_, index) =>
      writeBatch({ baseOffset: BigInt(index), records: [record(0, 'x'.repeat(100))] }),
    )
    const chunks = decodeAll(Buffer.concat(batches), { chunkBytes: 200 })
    expect(chunks.map(({ recordCount, nextOffset }) => [recordCount, nextOffset])).toEqual([
      [2, 2n],
      [2, 4n],
      [2, 6n],
    ])
  })
})

describe('decodeRecords of committed records', () => {
  const data = (baseOffset: bigint, producerId: bigint, text: string): Buffer =>
    writeBatch({ baseOffset, producerId, isTransactional: true, records: [record(0, text)] })

  it('never delivers markers', () => {
    const bytes = Buffer.concat([data(0n, 1n, 'a'), writeMarker('commit', 1n, 1n)])
    expect(valuesOf(bytes, { aborted: [] })).toEqual(['a'])
    expect(valuesOf(bytes)).toEqual(['a'])
    expect(nextOf(bytes)).toBe(2n)
  })

  it('leaves out each of several aborted transactions of one producer', () => {
    const bytes = Buffer.concat([
      data(0n, 1n, 'aborted'),
      writeMarker('abort', 1n, 1n),
      data(2n, 1n, 'committed'),
      writeMarker('commit', 3n, 1n),
      data(4n, 1n, 'aborted too'),
      data(5n, 2n, 'of another'),
      writeMarker('abort', 6n, 1n),
      data(7n, 1n, 'later'),
    ])
    const aborted = [
      { producerId: 1n, firstOffset: 4n },
      { producerId: 1n, firstOffset: 0n },
    ]
    const chunks = decodeAll(bytes, { aborted })
    expect(recordsOf(chunks).map((found) => found.value)).toEqual([
      'committed',
      'of another',
      'later',
    ])
    expect(chunks[0]?.abortedCount).toBe(2)
    expect(valuesOf(bytes)).toHaveLength(5)
  })

  it('leaves out a transaction whose marker lies outside of the answer, before or after', () => {
    const aborted = [{ producerId: 1n, firstOffset: 0n }]
    const bytes = Buffer.concat([data(4n, 1n, 'aborted'), data(5n, 2n, 'kept')])
    expect(valuesOf(bytes, { aborted, fromOffset: 4n })).toEqual(['kept'])
  })

  it('does not take a key of four zero bytes for a marker', () => {
    const zero = { offsetDelta: 0, key: Buffer.alloc(4), value: value('zero') }
    const bytes = Buffer.concat([
      writeBatch({ producerId: 1n, isTransactional: true, records: [zero] }),
      data(1n, 1n, 'after zero'),
      writeMarker('abort', 2n, 1n),
      data(3n, 1n, 'committed'),
    ])
    expect(valuesOf(bytes, { aborted: [{ producerId: 1n, firstOffset: 0n }] })).toEqual([
      'committed',
    ])
  })

  it('keeps records of an idempotent producer without transactions', () => {
    const bytes = writeBatch({ producerId: 1n, records: [record(0)] })
    expect(valuesOf(bytes, { aborted: [{ producerId: 1n, firstOffset: 0n }] })).toEqual(['v0'])
  })

  it('reads a marker after a time as far away as compaction leaves it', () => {
    const key = Buffer.from([0, 0, 0, 0])
    const marker = writeBatch({
      baseOffset: 1n,
      producerId: 1n,
      isTransactional: true,
      isControl: true,
      records: [{ offsetDelta: 0, timestampDelta: -(1n << 45n), key, value: Buffer.alloc(6) }],
    })
    const bytes = Buffer.concat([data(0n, 1n, 'a'), marker, data(2n, 1n, 'b')])
    expect(valuesOf(bytes, { aborted: [{ producerId: 1n, firstOffset: 0n }] })).toEqual(['b'])
  })
})

describe('decodeRecords refuses', () => {
  const good = writeBatch({ baseOffset: 9n, records: [record(0), record(1)] })
  const changed = (change: (batch: Buffer) => void): Buffer => {
    const batch = Buffer.from(good)
    change(batch)
    return withChecksum(batch)
  }

  it('a batch whose checksum is wrong, naming topic, partition and offset', () => {
    const batch = Buffer.from(good)
    batch.writeUInt8(1 + batch.readUInt8(70), 70)
    expectCode('SLU-SRC-1511', batch)
    expect(() => decodeAll(batch)).toThrow('orders/3 at offset 9')
  })

  it('formats older and newer than record batches', () => {
    for (const magic of [0, 1, 3]) expectCode('SLU-SRC-1513', writeBatch({ magic, records: [] }))
  })

  it('a batch shorter than its header', () => {
    expectCode(
      'SLU-SRC-1512',
      changed((batch) => batch.writeInt32BE(48, 8)),
    )
    expectCode(
      'SLU-SRC-1512',
      changed((batch) => batch.writeInt32BE(-1, 8)),
    )
  })

  it('offsets that are negative, do not ascend or leave the batch', () => {
    const records = [record(0), record(0)]
    expectCode('SLU-SRC-1512', writeBatch({ baseOffset: -1n, records: [record(0)] }))
    expectCode('SLU-SRC-1512', writeBatch({ records: [record(0)], lastOffsetDelta: -1 }))
    expectCode('SLU-SRC-1512', writeBatch({ baseOffset: 1n << 62n, records: [record(0)] }))
    expectCode('SLU-SRC-1512', writeBatch({ records, lastOffsetDelta: 5 }))
    expectCode('SLU-SRC-1512', writeBatch({ records: [record(6)], lastOffsetDelta: 5 }))
    expectCode('SLU-SRC-1512', writeBatch({ records: [record(-1)], lastOffsetDelta: 5 }))
    expectCode('SLU-SRC-1512', Buffer.concat([good, good]))
  })

  it('counts that are not those of the records', () => {
    for (const recordCount of [-1, 1, 3, 2 ** 31 - 1]) {
      const lastOffsetDelta = 2 ** 31 - 1
      const records = [record(0), record(1)]
      expectCode('SLU-SRC-1512', writeBatch({ records, recordCount, lastOffsetDelta }))
    }
  })

  it('lengths that are negative, cut short or reach beyond their record', () => {
    const part = (...numbers: readonly number[]): Buffer =>
      Buffer.concat(numbers.map((number) => varint(BigInt(number))))
    const framed = (content: Buffer): Buffer => Buffer.concat([part(content.length), content])
    const zero = Buffer.from([0])
    const bodies = [
      Buffer.from([0x80]),
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
      part(-1, 0, 0, 0, 0, 0, 0),
      part(1000, 0, 0, 0, -1, -1, 0),
      framed(Buffer.concat([zero, part(0, 0, -2, -1, 0)])),
      framed(Buffer.concat([zero, part(0, 0, 90, -1, 0)])),
      framed(Buffer.concat([zero, part(0, 0, -1, -2, 0)])),
      framed(Buffer.concat([zero, part(0, 0, -1, 90, 0)])),
      framed(Buffer.concat([zero, part(0, 0, -1, -1, -1)])),
      framed(Buffer.concat([zero, part(0, 0, -1, -1, 2 ** 30)])),
      framed(Buffer.concat([zero, part(0, 0, -1, -1, 1, -1, 0)])),
      framed(Buffer.concat([zero, part(0, 0, -1, -1, 1, 0, 5)])),
      framed(Buffer.concat([zero, part(0, 0, -1, -1, 0), zero])),
      Buffer.concat([writeRecord(record(0)), zero]),
      framed(Buffer.alloc(12, 0xff)),
    ]
    for (const body of bodies) {
      expectCode('SLU-SRC-1512', writeBatch({ records: [], recordCount: 1, body }))
    }
  })

  it('a codec that nobody knows', () => {
    expectCode(
      'SLU-SRC-1514',
      changed((batch) => batch.writeInt16BE(5, 21)),
    )
  })

  it.each(CODECS.slice(1))('bytes that are no %s, or end early', (codec) => {
    const records = Array.from({ length: 300 }, (_, index) => record(index, `${index * 7919}`))
    const plain = Buffer.concat(records.map(writeRecord))
    const packed = pack(codec, plain)
    const codes = ['SLU-SRC-1516', 'SLU-SRC-1512', 'SLU-SRC-1515']
    for (const body of [
      Buffer.alloc(0),
      Buffer.alloc(40, 0xab),
      packed.subarray(0, 10),
      packed.subarray(0, packed.length - 5),
    ]) {
      expect(() => decodeAll(writeBatch({ codec, records, body }))).toThrow(
        expect.objectContaining({ code: expect.toBeOneOf(codes) }),
      )
    }
  })

  it.each(CODECS.slice(1))('more than the limit when it is unpacked from %s', (codec) => {
    const records = [record(0, 'x'.repeat(200_000))]
    const bytes = writeBatch({ codec, records })
    const limits = { batchBytesMax: 100_000, ratioMax: 1100, freeBytes: 1_000_000 }
    expectCode('SLU-SRC-1515', bytes, { limits })
    const narrow = { batchBytesMax: 10_000_000, ratioMax: 2, freeBytes: 1000 }
    expectCode('SLU-SRC-1515', bytes, { limits: narrow })
    const wide = { batchBytesMax: 10_000_000, ratioMax: 1100, freeBytes: 1_000_000 }
    expect(valuesOf(bytes, { limits: wide })).toHaveLength(1)
  })

  it('snappy blocks that claim more than they hold', () => {
    const body = packXerial(writeRecord(record(0)))
    body.writeUInt32BE(0x7fff_ffff, 16)
    expectCode('SLU-SRC-1516', writeBatch({ codec: 'snappy', records: [record(0)], body }))
    const huge = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3])
    expectCode('SLU-SRC-1515', writeBatch({ codec: 'snappy', records: [record(0)], body: huge }))
  })
})
