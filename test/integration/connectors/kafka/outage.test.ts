import { Admin } from '@platformatic/kafka'
import { describe, expect, it } from 'vitest'
import type { FetchStart, TopicInfo } from '../../../../connectors/kafka/wire.ts'
import { isKafkaMissing } from '../../../support/kafka/broker.ts'
import { connect, makeTopic } from '../../../support/kafka/cluster.ts'
import { liveBroker, readAll, send, valuesOf } from './harness.ts'

const numbered = (count: number, size = 0): readonly { readonly value: Buffer }[] =>
  Array.from({ length: count }, (_, index) => ({ value: Buffer.from(`${index}`.padEnd(size)) }))

describe.skipIf(isKafkaMissing('outages of Kafka'))('a fetcher', () => {
  const live = liveBroker()
  const admin = (): Admin =>
    new Admin({ clientId: 'test', bootstrapBrokers: [live.broker.address] })
  const start = (topic: TopicInfo, more: Partial<FetchStart> = {}): FetchStart => ({
    topic: topic.name,
    partition: 0,
    topicId: topic.topicId,
    offset: 0n,
    leaderEpoch: -1,
    ...more,
  })
  /** Reads until the read ends by itself; what it threw. */
  const failureOf = async (from: FetchStart): Promise<unknown> => {
    await using cluster = await connect(live.broker.address)
    const fetcher = cluster.fetcher({
      partitions: [from],
      isolation: 'read_committed',
      bufferBytesMax: 1_000_000,
      signal: new AbortController().signal,
    })
    try {
      for await (const _ of fetcher.chunks());
    } catch (error) {
      return error
    }
    return null
  }

  it('goes on where it was when the broker is killed and starts again', async () => {
    const { broker } = live
    const topic = await makeTopic(broker.address, 'restart', { partitions: 12 })
    const sendRound = async (): Promise<void> => {
      const records = topic.partitions.flatMap(({ partition }) =>
        numbered(50).map((record) => ({ ...record, partition })),
      )
      await send(broker.address, topic.name, records)
    }
    await sendRound()
    await using cluster = await connect(broker.address)
    const ended = new AbortController()
    const offsets = topic.partitions.map((): bigint[] => [])
    await using fetcher = cluster.fetcher({
      partitions: topic.partitions.map(({ partition }) => start(topic, { partition })),
      isolation: 'read_committed',
      bufferBytesMax: 10_000,
      signal: ended.signal,
    })
    let outages = 0
    for await (const { partition, records } of fetcher.chunks()) {
      offsets[partition]?.push(...records.offsets)
      const count = offsets.reduce((sum, those) => sum + those.length, 0)
      if (outages < 2 && count === 600 * (outages + 1)) {
        outages++
        await broker.kill()
        await broker.start()
        await sendRound()
      }
      if (count === 1800) ended.abort()
    }
    for (const those of offsets) {
      expect(those).toEqual(Array.from({ length: 150 }, (_, index) => BigInt(index)))
    }
    // Each start made a leader epoch: 0 ended at offset 50, 1 at 100, and nobody led in 9.
    for (const leaderEpoch of [0, 9]) {
      const other = start(topic, { offset: 140n, leaderEpoch })
      expect(await failureOf(other)).toMatchObject({ code: 'SLU-SRC-1508' })
    }
    expect(await failureOf(start(topic, { offset: 151n }))).toMatchObject({ code: 'SLU-SRC-1507' })
  })

  it('holds back partitions that are paused, and no others', async () => {
    const { broker } = live
    const topic = await makeTopic(broker.address, 'paused', { partitions: 2 })
    const records = [0, 1].flatMap((partition) =>
      numbered(20).map((record) => ({ ...record, partition })),
    )
    await send(broker.address, topic.name, records)
    await using cluster = await connect(broker.address)
    const places = [0, 1].map((partition) => ({ topic: topic.name, partition }))
    const fetcher = cluster.fetcher({
      partitions: places.map(({ partition }) => start(topic, { partition })),
      isolation: 'read_committed',
      bufferBytesMax: 1_000_000,
      signal: new AbortController().signal,
    })
    fetcher.pause(places[0] as (typeof places)[0])
    const seen: number[] = []
    for await (const { partition } of fetcher.chunks()) {
      seen.push(partition)
      if (seen.length === 1) fetcher.resume(places[0] as (typeof places)[0])
      if (seen.length === 2) break
    }
    expect(seen).toEqual([1, 0])
  })

  it('ends with a code where records are gone, or the log is another', async () => {
    const { broker } = live
    const topic = await makeTopic(broker.address, 'gone')
    await send(broker.address, topic.name, numbered(10))
    await admin().deleteRecords({
      topics: [{ name: topic.name, partitions: [{ partition: 0, offset: 4n }] }],
    })
    expect(await failureOf(start(topic))).toMatchObject({
      code: 'SLU-SRC-1506',
      context: { topic: 'gone', partition: 0, offset: 0n },
    })
    expect(await failureOf(start(topic, { offset: 11n }))).toMatchObject({ code: 'SLU-SRC-1507' })
    expect(await failureOf(start(topic, { partition: 1 }))).toMatchObject({ code: 'SLU-SRC-1505' })
    const [kept] = await readAll(broker.address, topic)
    expect(valuesOf(kept ?? [])).toEqual(['4', '5', '6', '7', '8', '9'])
  })

  it('ends with a code where the topic is another, or none', async () => {
    const { broker } = live
    const topic = await makeTopic(broker.address, 'again')
    await admin().deleteTopics({ topics: [topic.name] })
    expect(await failureOf(start(topic))).toMatchObject({ code: 'SLU-SRC-1503' })
    await makeTopic(broker.address, 'again')
    expect(await failureOf(start(topic))).toMatchObject({ code: 'SLU-SRC-1504' })
  })

  it('reads a compacted topic with holes and emptied batches to its end', async () => {
    const { broker } = live
    const configs = {
      'cleanup.policy': 'compact',
      'segment.ms': '50',
      'min.cleanable.dirty.ratio': '0.001',
      'delete.retention.ms': '0',
    }
    const topic = await makeTopic(broker.address, 'compacted', { configs })
    const round = async (name: string, keys: readonly string[]): Promise<void> => {
      const records = keys.map((key) => ({
        key: Buffer.from(key),
        value: Buffer.from(`${name} ${key}`),
      }))
      await send(broker.address, topic.name, records)
    }
    await round('first', ['a', 'b', 'c', 'd'])
    await round('second', ['a', 'b', 'c'])
    await round('third', ['a', 'b'])
    const latest = ['first d', 'second c', 'third a', 'third b']
    // A segment is closed by a record that comes after its time, and only then cleaned.
    let found: readonly (string | null)[] = []
    for (let last = 0; found.slice(0, 4).join() !== latest.join(); last++) {
      await round(`last ${last}`, ['z'])
      const [records] = await readAll(broker.address, topic)
      found = valuesOf(records ?? [])
    }
    // From inside of what was emptied: the first record there is comes, and the end is reached.
    const [later] = await readAll(broker.address, topic, { from: 4n })
    expect(valuesOf(later ?? []).slice(0, 3)).toEqual(latest.slice(1))
  })
})
