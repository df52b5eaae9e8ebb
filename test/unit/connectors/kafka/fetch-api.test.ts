import { describe, expect, it } from 'vitest'
import { parseFetchAnswer } from '../../../../connectors/kafka/fetch-api.ts'
import { writeBatch } from '../../../support/kafka/record-batch.ts'

const TOPIC = '0123456789abcdef0123456789abcdef'

/** Compact lengths and counts are one higher than what they count. */
function number(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.from([...bytes, rest])
}

function int(size: 2 | 4 | 8, value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return bytes.subarray(8 - size)
}

function answer(records: Buffer): Buffer {
  const noTags = number(0)
  const aborted = Buffer.concat([number(2), int(8, 77n), int(8, 3n), noTags])
  const diverging = Buffer.concat([int(4, 6n), int(8, 40n), noTags])
  const unknownTag = Buffer.concat([number(9), number(2), Buffer.from([1, 2])])
  const tags = [number(2), number(0), number(diverging.length), diverging, unknownTag]
  return Buffer.concat([
    int(4, 0n),
    int(2, 0n),
    int(4, 0n),
    number(2),
    Buffer.from(TOPIC, 'hex'),
    number(2),
    int(4, 5n),
    int(2, 1n),
    int(8, 100n),
    int(8, 90n),
    int(8, 10n),
    aborted,
    int(4, -1n),
    number(records.length + 1),
    records,
    ...tags,
    noTags,
    noTags,
  ])
}

describe('parseFetchAnswer', () => {
  const records = writeBatch({ records: [{ offsetDelta: 0, value: Buffer.alloc(300) }] })

  it('tells of each partition, with its records as they are', () => {
    const bytes = answer(records)
    const parsed = parseFetchAnswer(bytes)
    expect(parsed).toEqual({
      errorCode: 0,
      partitions: [
        {
          topicId: TOPIC,
          partition: 5,
          errorCode: 1,
          highWatermark: 100n,
          lastStableOffset: 90n,
          logStartOffset: 10n,
          aborted: [{ producerId: 77n, firstOffset: 3n }],
          divergesAt: 40n,
          records,
        },
      ],
    })
    expect(parsed.partitions[0]?.records.buffer).toBe(bytes.buffer)
  })

  it('ends with a code wherever the answer is cut or a count is wrong', () => {
    const bytes = answer(records)
    const expected = expect.objectContaining({ code: 'SLU-SRC-1517' })
    for (let size = 0; size < bytes.length; size++) {
      expect(() => parseFetchAnswer(bytes.subarray(0, size))).toThrow(expected)
    }
    const counts = [10, 27]
    for (const at of counts) {
      const wrong = Buffer.from(bytes)
      wrong.fill(0xff, at, at + 4)
      expect(() => parseFetchAnswer(wrong)).toThrow(expected)
    }
  })
})
