import { CompressionAlgorithms } from '@platformatic/kafka'
import { describe, expect, it } from 'vitest'
import { isKafkaMissing } from '../../../support/kafka/broker.ts'
import { connect, makeTopic } from '../../../support/kafka/cluster.ts'
import { liveBroker, readAll, type SentRecord, send, valuesOf } from './harness.ts'

const numbered = (count: number, more: Partial<SentRecord> = {}): readonly SentRecord[] =>
  Array.from({ length: count }, (_, index) => ({ value: Buffer.from(`value ${index}`), ...more }))
const numbers = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `value ${index}`)

describe.skipIf(isKafkaMissing('fetching from Kafka'))('a fetcher', () => {
  const live = liveBroker()

  it.each(Object.values(CompressionAlgorithms))('reads batches packed with %s', async (codec) => {
    const topic = await makeTopic(live.broker.address, `packed-${codec}`)
    await send(live.broker.address, topic.name, numbered(1000), codec)
    const [records] = await readAll(live.broker.address, topic)
    expect(valuesOf(records ?? [])).toEqual(numbers(1000))
  })

  it.each(['gzip', 'snappy', 'lz4', 'zstd'])('reads what Java packs with %s', async (codec) => {
    const configs = { 'compression.type': codec }
    const topic = await makeTopic(live.broker.address, `java-${codec}`, { configs })
    await send(live.broker.address, topic.name, numbered(20_000))
    const [records] = await readAll(live.broker.address, topic)
    expect(valuesOf(records ?? [])).toEqual(numbers(20_000))
  })

  it('tells keys, times, headers and records without a value', async () => {
    const topic = await makeTopic(live.broker.address, 'columns')
    await send(live.broker.address, topic.name, [
      { value: Buffer.from('one'), key: Buffer.from('k'), timestamp: 1_700_000_000_000n },
      { value: null, key: Buffer.from('k'), timestamp: 1_699_999_000_000n },
    ])
    const [records] = await readAll(live.broker.address, topic)
    expect(records).toEqual([
      { offset: 0n, timestamp: 1_700_000_000_000n, key: 'k', value: 'one', headers: [] },
      { offset: 1n, timestamp: 1_699_999_000_000n, key: 'k', value: null, headers: [] },
    ])
  })

  it('takes the time of the broker where the topic says so', async () => {
    const configs = { 'message.timestamp.type': 'LogAppendTime' }
    const topic = await makeTopic(live.broker.address, 'append-time', { configs })
    await send(live.broker.address, topic.name, numbered(3, { timestamp: 5n }))
    const [records] = await readAll(live.broker.address, topic)
    const times = new Set(records?.map(({ timestamp }) => timestamp))
    expect(times.size).toBe(1)
    expect([...times][0]).toBeGreaterThan(1_700_000_000_000n)
  })

  it('reads records of 5 MB with little room ahead', async () => {
    const topic = await makeTopic(live.broker.address, 'large')
    const value = Buffer.alloc(5_000_000, 'x')
    for (let index = 0; index < 4; index++) {
      await send(live.broker.address, topic.name, [{ value }, { value: Buffer.from('small') }])
    }
    const [records] = await readAll(live.broker.address, topic, { bufferBytesMax: 1_000_000 })
    const sizes = records?.map((record) => record.value?.length)
    expect(sizes).toEqual([5_000_000, 5, 5_000_000, 5, 5_000_000, 5, 5_000_000, 5])
  })

  it('reads twelve partitions, each in its order, from where it is told', async () => {
    const topic = await makeTopic(live.broker.address, 'twelve', { partitions: 12 })
    for (let round = 0; round < 5; round++) {
      const records = topic.partitions.flatMap(({ partition }) => numbered(40, { partition }))
      await send(live.broker.address, topic.name, records)
    }
    const all = await readAll(live.broker.address, topic, { bufferBytesMax: 100_000 })
    for (const records of all) {
      expect(records.map(({ offset }) => offset)).toEqual(
        Array.from({ length: 200 }, (_, index) => BigInt(index)),
      )
    }
    const later = await readAll(live.broker.address, topic, { from: 150n })
    for (const records of later) expect(records).toHaveLength(50)
  })

  it('finds offsets by place and by time', async () => {
    const topic = await makeTopic(live.broker.address, 'offsets', { partitions: 2 })
    await send(live.broker.address, topic.name, numbered(3, { timestamp: 1_000n }))
    await send(live.broker.address, topic.name, numbered(2, { timestamp: 2_000n }))
    await using cluster = await connect(live.broker.address)
    const places = [0, 1].map((partition) => ({ topic: topic.name, partition }))
    const at = (place: Parameters<typeof cluster.offsets>[1]): Promise<unknown> =>
      cluster.offsets(places, place, 'read_committed')
    expect(await at('earliest')).toEqual([0n, 0n])
    expect(await at('latest')).toEqual([5n, 0n])
    expect(await at({ timestampMs: 1_500n })).toEqual([3n, null])
    expect(await at({ timestampMs: 9_000n })).toEqual([null, null])
  })
})
