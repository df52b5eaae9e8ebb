import { createRecordsBatch } from '@platformatic/kafka'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonLines } from '../../../../connectors/kafka/wire.ts'
import { isSluiceError } from '../../../../src/model/index.ts'
import { decodeAll, recordsOf } from '../../../support/kafka/decoded.ts'
import {
  CODECS,
  type WrittenBatch,
  withChecksum,
  writeBatch,
  writeMarker,
} from '../../../support/kafka/record-batch.ts'

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array))
const optional = fc.option(bytes, { nil: null })
const record = fc.record({
  gap: fc.nat(5),
  timestampDelta: fc.bigInt({ min: -(1n << 50n), max: 1n << 50n }),
  key: optional,
  value: optional,
  headers: fc.array(fc.tuple(bytes, optional), { maxLength: 3 }),
})
const codec = fc.constantFrom(...CODECS)
const batchShape = fc.record({
  gap: fc.bigInt({ min: 0n, max: 9n }),
  tail: fc.nat(3),
  codec,
  baseTimestamp: fc.bigInt({ min: -1n, max: 1n << 51n }),
  records: fc.array(record, { maxLength: 12 }),
})
const codes = /^SLU-SRC-151[1-6]$/

/** Batches one after the other, with holes as compaction leaves them. */
const log = fc.array(batchShape, { minLength: 1, maxLength: 5 }).map((shapes) => {
  let nextOffset = 0n
  return shapes.map((shape): WrittenBatch => {
    const baseOffset = nextOffset + shape.gap
    let delta = -1
    const records = shape.records.map(({ gap, ...more }) => {
      delta += 1 + gap
      return { ...more, offsetDelta: delta }
    })
    const lastOffsetDelta = Math.max(0, delta) + shape.tail
    nextOffset = baseOffset + BigInt(lastOffsetDelta) + 1n
    return { ...shape, baseOffset, records, lastOffsetDelta }
  })
})

describe('decodeRecords', () => {
  it('gives back what was written, in any chunks', () => {
    fc.assert(
      fc.property(log, fc.integer({ min: 1, max: 500 }), (batches, chunkBytes) => {
        const chunks = decodeAll(Buffer.concat(batches.map(writeBatch)), { chunkBytes })
        const written = batches.flatMap((batch) =>
          batch.records.map((one) => ({
            offset: (batch.baseOffset as bigint) + BigInt(one.offsetDelta),
            timestamp: (batch.baseTimestamp as bigint) + (one.timestampDelta as bigint),
            key: one.key?.toString('latin1') ?? null,
            value: one.value?.toString('latin1') ?? null,
            headers: one.headers?.map(([key, value]) => [
              key.toString('latin1'),
              value?.toString('latin1') ?? null,
            ]),
          })),
        )
        expect(recordsOf(chunks)).toEqual(written)
        const last = batches.at(-1) as WrittenBatch
        const end = (last.baseOffset as bigint) + BigInt(last.lastOffsetDelta as number) + 1n
        expect(chunks.at(-1)?.nextOffset).toBe(end)
      }),
      { numRuns: 300 },
    )
  })

  it('reads what another writer writes', () => {
    const message = fc.record({
      key: bytes,
      value: bytes,
      // The writer loses bits of times further apart than 31 bits tell.
      timestamp: fc.bigInt({ min: 1n << 40n, max: (1n << 40n) + (1n << 31n) - 1n }),
      headers: fc.dictionary(fc.string({ maxLength: 5 }), fc.string(), { maxKeys: 3 }),
    })
    const messages = fc.array(message, { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(messages, codec, (written, compression) => {
        const input = written.map(({ headers, ...more }) => ({
          ...more,
          topic: 'orders',
          headers: new Map(
            Object.entries(headers).map(([k, v]) => [Buffer.from(k), Buffer.from(v)]),
          ),
        }))
        const batch = createRecordsBatch(input, { compression })
        const found = recordsOf(decodeAll(batch.buffer))
        expect(found).toEqual(
          written.map(({ headers, key, value, timestamp }, index) => ({
            offset: BigInt(index),
            timestamp,
            key: key.toString('latin1'),
            value: value.toString('latin1'),
            headers: Object.entries(headers).map(([name, text]) => [
              Buffer.from(name).toString('latin1'),
              Buffer.from(text).toString('latin1'),
            ]),
          })),
        )
      }),
      { numRuns: 100 },
    )
  })

  it('ends with a code, or with records, whatever the bytes', () => {
    const change = fc.record({ at: fc.nat(), byte: fc.nat(255) })
    const changes = fc.array(change, { minLength: 1, maxLength: 4 })
    const cut = fc.option(fc.nat(), { nil: null })
    fc.assert(
      fc.property(log, changes, cut, fc.boolean(), (batches, edits, end, isSealed) => {
        const parts = batches.map(writeBatch)
        const [first] = parts as [Buffer]
        for (const { at, byte } of edits) first[at % first.length] = byte
        if (isSealed) withChecksum(first)
        const whole = Buffer.concat([...parts, writeMarker('abort', 1_000_000n, 1n)])
        const mutated = end === null ? whole : whole.subarray(0, end % whole.length)
        try {
          const aborted = [{ producerId: 1n, firstOffset: 0n }]
          const chunks = decodeAll(mutated, { aborted })
          recordsOf(chunks)
          for (const chunk of chunks) jsonLines(chunk)
        } catch (error) {
          if (!isSluiceError(error)) throw error
          expect(error.code).toMatch(codes)
        }
      }),
      { numRuns: 700 },
    )
  })
})

describe('jsonLines', () => {
  it('has one line for each record, equal to its value', () => {
    const text = fc.oneof(
      fc.json().map((json) => JSON.stringify(JSON.parse(json), null, json.length % 3)),
      fc.constantFrom(null, '', ' ', '\n', 'a\nb', '\r\n1'),
    )
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 20 }), codec, (texts, packing) => {
        const records = texts.map((value, offsetDelta) => ({
          offsetDelta,
          value: value === null ? null : Buffer.from(value),
        }))
        const [chunk] = decodeAll(writeBatch({ records, codec: packing }))
        const found = jsonLines(chunk as NonNullable<typeof chunk>)
        const lines = found.bytes.toString().split('\n')
        expect(lines.pop()).toBe('')
        const seen = lines.map((line) => JSON.parse(line))
        const rejected = [...found.unreadable.rows]
        expect(seen).toEqual(texts.map((value) => (value === null ? null : parse(value))))
        expect(rejected).toEqual(
          [...texts.keys()].filter((row) => texts[row] !== null && !isJson(texts[row] as string)),
        )
        expect([...found.nullRows]).toEqual([...texts.keys()].filter((row) => texts[row] === null))
      }),
      { numRuns: 500 },
    )
  })
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function parse(text: string): unknown {
  return isJson(text) ? JSON.parse(text) : null
}
