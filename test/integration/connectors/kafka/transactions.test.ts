import { randomUUID } from 'node:crypto'
import {
  Consumer,
  FetchIsolationLevels,
  type MessagesStream,
  Producer,
  stringDeserializers,
} from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { isKafkaMissing } from '../../../support/kafka/broker.ts'
import { makeTopic } from '../../../support/kafka/cluster.ts'
import { liveBroker, readAll, valuesOf } from './harness.ts'

/** Keys of 32-bit zero look like the marker of an abort to a reader that does not look closely. */
const ZERO = Buffer.alloc(4)
const END = 'the end'

type Ending = 'commit' | 'abort'

/** One producer that ends transactions one after the other, a request for each record. */
async function produce(
  address: string,
  topic: string,
  transactions: readonly (readonly [Ending, readonly string[], Buffer?])[],
): Promise<void> {
  const bootstrapBrokers = [address]
  const transactionalId = randomUUID()
  const options = { clientId: 'test', bootstrapBrokers, idempotent: true, transactionalId }
  const producer = new Producer(options)
  for (const [ending, values, key] of transactions) {
    const transaction = await producer.beginTransaction()
    for (const value of values) {
      const message = { topic, partition: 0, value: Buffer.from(value) }
      await transaction.send({ messages: [key === undefined ? message : { ...message, key }] })
    }
    await transaction[ending]()
  }
  await producer.close()
}

/** What a consumer of kafkajs gets up to the record that ends the test. */
async function readWithKafkajs(address: string, topic: string): Promise<readonly string[]> {
  const kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: randomUUID() })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const values: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  await consumer.run({
    eachMessage: async ({ message }) => {
      values.push(String(message.value))
      if (values.at(-1) === END) resolve()
    },
  })
  await promise
  await consumer.disconnect()
  return values
}

/** The same of @platformatic/kafka. */
async function readWithPlatformatic(address: string, topic: string): Promise<readonly string[]> {
  const consumer = new Consumer({
    clientId: 'test',
    groupId: randomUUID(),
    bootstrapBrokers: [address],
    deserializers: stringDeserializers,
  })
  const stream = await consumer.consume({
    topics: [topic],
    mode: 'earliest',
    isolationLevel: FetchIsolationLevels.READ_COMMITTED,
  })
  const values: string[] = []
  for await (const { value } of stream as MessagesStream<string, string, string, string>) {
    values.push(String(value))
    if (value === END) break
  }
  await consumer.close(true)
  return values
}

describe.skipIf(isKafkaMissing('transactions of Kafka'))('a reader of committed records', () => {
  const live = liveBroker()

  it('gets what was committed, between aborted transactions of one producer', async () => {
    const { address } = live.broker
    const topic = await makeTopic(address, 'several')
    await produce(address, topic.name, [
      ['abort', ['a1', 'a2']],
      ['commit', ['c1', 'c2']],
      ['abort', ['a3']],
      ['abort', ['a4', 'a5']],
      ['commit', [END]],
    ])
    const committed = ['c1', 'c2', END]
    const [records] = await readAll(address, topic)
    expect(valuesOf(records ?? [])).toEqual(committed)
    const isolation = 'read_uncommitted'
    const byPlatformatic = await readWithPlatformatic(address, topic.name)
    expect(byPlatformatic, '@platformatic/kafka is right now').toContain('a1')
    const [all] = await readAll(address, topic, { isolation })
    expect(valuesOf(all ?? [])).toEqual(['a1', 'a2', 'c1', 'c2', 'a3', 'a4', 'a5', END])
  })

  it('is not deceived by keys of four zero bytes', async () => {
    const { address } = live.broker
    const topic = await makeTopic(address, 'zero-keys')
    await produce(address, topic.name, [
      ['abort', ['a1', 'a2', 'a3'], ZERO],
      ['commit', ['c1'], ZERO],
      ['commit', [END]],
    ])
    const [records] = await readAll(address, topic)
    expect(valuesOf(records ?? [])).toEqual(['c1', END])
    const byKafkajs = await readWithKafkajs(address, topic.name)
    expect(byKafkajs, 'kafkajs is right now').toContain('a3')
  })

  it('leaves out a transaction whose marker comes in another answer', async () => {
    const { address } = live.broker
    const topic = await makeTopic(address, 'far-marker')
    const values = Array.from({ length: 10 }, (_, index) => `a${index}`.padEnd(500, '.'))
    await produce(address, topic.name, [
      ['abort', values],
      ['commit', ['c1'.padEnd(500, '.'), END]],
    ])
    let answers = 0
    const onChunk = (): void => {
      answers++
    }
    const [records] = await readAll(address, topic, { bufferBytesMax: 600, onChunk })
    expect(answers).toBeGreaterThan(5)
    expect(valuesOf(records ?? [])).toEqual(['c1'.padEnd(500, '.'), END])
    for (const from of [3n, 9n, 10n]) {
      const [later] = await readAll(address, topic, { from })
      expect(valuesOf(later ?? [])).toEqual(['c1'.padEnd(500, '.'), END])
    }
  })

  it('waits before a transaction that has not ended', async () => {
    const { address } = live.broker
    const topic = await makeTopic(address, 'open')
    await produce(address, topic.name, [['commit', ['c1']]])
    const bootstrapBrokers = [address]
    const transactionalId = randomUUID()
    const options = { clientId: 'test', bootstrapBrokers, idempotent: true, transactionalId }
    const producer = new Producer(options)
    const transaction = await producer.beginTransaction()
    const message = { topic: topic.name, partition: 0, value: Buffer.from('late') }
    await transaction.send({ messages: [message] })
    const [before] = await readAll(address, topic)
    expect(valuesOf(before ?? [])).toEqual(['c1'])
    await transaction.commit()
    await producer.close()
    const [after] = await readAll(address, topic)
    expect(valuesOf(after ?? [])).toEqual(['c1', 'late'])
  })
})
