/** What bench `kafka` does in processes of its own: filling a topic, and three ways to read it. */

import { apiVersionsV3, Connection, metadataV12, Producer } from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { fetchApi } from '../../connectors/kafka/fetch-api.ts'
import { endOfBatches } from '../../connectors/kafka/record-batch.ts'
import { jsonLines, openCluster } from '../../connectors/kafka/wire.ts'
import { createSystemClock } from '../../src/observe/index.ts'

/** Which topic, and what to do with it. */
export interface KafkaJob {
  readonly work: 'fill' | 'raw' | 'ours' | 'kafkajs'
  /** `host:port`. */
  readonly address: string
  readonly topic: string
  readonly partitions: number
  readonly records: number
}

/** What a reader saw. */
export interface KafkaRead {
  readonly records: number
  /** Of the values; of `raw`, of whole batches. */
  readonly bytes: number
}

/** Records of a batch: about 30 KB, as a producer that waits a little makes them. */
const BATCH_RECORDS = 100
const VALUE_BYTES = 300
const FETCH_BYTES = 16 * 2 ** 20
const PARTITION_BYTES = 2 * 2 ** 20

/** Does it. */
export function doKafkaJob(job: KafkaJob): Promise<KafkaRead> {
  switch (job.work) {
    case 'fill':
      return fill(job)
    case 'raw':
      return readRaw(job)
    case 'ours':
      return readOurs(job)
    case 'kafkajs':
      return readWithKafkajs(job)
  }
}

/** Round after round of a batch for each partition. */
async function fill({ address, topic, partitions, records }: KafkaJob): Promise<KafkaRead> {
  const options = { clientId: 'bench', bootstrapBrokers: [address], idempotent: true }
  const producer = new Producer(options)
  let bytes = 0
  for (let sent = 0; sent < records; ) {
    const count = Math.min(records - sent, partitions * BATCH_RECORDS)
    const messages = Array.from({ length: count }, (_, index) => {
      const value = orderEvent(sent + index)
      bytes += value.length
      return { topic, partition: index % partitions, key: keyOf(sent + index), value }
    })
    await producer.send({ messages })
    sent += count
  }
  await producer.close()
  return { records, bytes }
}

const keyOf = (number: number): Buffer => Buffer.from(`order-${number}`)

function orderEvent(number: number): Buffer {
  const event = {
    order_id: number,
    customer_id: (number * 7919) % 100_003,
    status: ['new', 'paid', 'sent', 'done'][number % 4],
    amount_cents: (number * 104_729) % 1_000_000,
    placed_at: new Date(1_700_000_000_000 + number * 1000).toISOString(),
    note: '',
  }
  const room = VALUE_BYTES - Buffer.byteLength(JSON.stringify(event))
  return Buffer.from(JSON.stringify({ ...event, note: 'x'.repeat(room) }))
}

/** Asks for the same answers and looks at nothing but the headers that lead to the next ones. */
async function readRaw(job: KafkaJob): Promise<KafkaRead> {
  const { address, topic, records } = job
  const [host, port] = address.split(':') as [string, string]
  const connection = new Connection('bench')
  await connection.connect(host, Number(port))
  await apiVersionsV3.api.async(connection, 'bench', '0')
  const metadata = await metadataV12.api.async(connection, [topic], false, false)
  const topicId = metadata.topics[0]?.topicId ?? ''
  const offsets = Array.from({ length: job.partitions }, () => 0n)
  const end = BigInt(records / job.partitions)
  let bytes = 0
  while (offsets.some((offset) => offset < end)) {
    const open = [...offsets.keys()].filter((partition) => (offsets[partition] as bigint) < end)
    const { partitions } = await fetchApi.async(connection, {
      maxWaitMs: 500,
      bytesMax: FETCH_BYTES,
      isCommittedOnly: true,
      topics: [
        {
          topicId,
          partitions: open.map((partition) => ({
            partition,
            currentLeaderEpoch: -1,
            offset: offsets[partition] as bigint,
            lastFetchedEpoch: -1,
            bytesMax: PARTITION_BYTES,
          })),
        },
      ],
    })
    for (const { partition, records: batches } of partitions) {
      const reached = endOfBatches(batches, { topic, partition })
      if (reached !== null) offsets[partition] = BigInt(reached.nextOffset)
      bytes += batches.length
    }
  }
  await connection.close()
  return { records: Number(offsets.reduce((sum, offset) => sum + offset, 0n)), bytes }
}

/** Fetches, checks, decodes to columns and makes lines. */
async function readOurs({ address, topic, records }: KafkaJob): Promise<KafkaRead> {
  const [host, port] = address.split(':') as [string, string]
  const brokers = [{ host, port: Number(port) }]
  await using cluster = await openCluster({ clientId: 'bench', brokers }, createSystemClock())
  const [found] = await cluster.topics([topic])
  await using fetcher = cluster.fetcher({
    partitions: (found?.partitions ?? []).map(({ partition }) => ({
      topic,
      partition,
      topicId: found?.topicId ?? '',
      offset: 0n,
      leaderEpoch: -1,
    })),
    isolation: 'read_committed',
    bufferBytesMax: 2 * FETCH_BYTES,
    signal: new AbortController().signal,
  })
  let read = 0
  let bytes = 0
  for await (const chunk of fetcher.chunks()) {
    const lines = jsonLines(chunk.records)
    const { recordCount, valueLengths } = chunk.records
    for (let row = 0; row < recordCount; row++) bytes += valueLengths[row] as number
    read += lines.recordCount
    if (read >= records) break
  }
  return { records: read, bytes }
}

/** What most Node programs do. */
async function readWithKafkajs({ address, topic, records }: KafkaJob): Promise<KafkaRead> {
  const kafka = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: 'bench' })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const done = Promise.withResolvers<void>()
  let read = 0
  let bytes = 0
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      for (const { value } of batch.messages) bytes += value?.length ?? 0
      read += batch.messages.length
      if (read >= records) done.resolve()
    },
  })
  await done.promise
  await consumer.disconnect()
  return { records: read, bytes }
}
