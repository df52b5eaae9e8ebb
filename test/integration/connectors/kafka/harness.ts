/** A broker for the tests of a file, records in it, and what our fetch path reads of them. */

import { type CompressionAlgorithmValue, Producer } from '@platformatic/kafka'
import { afterAll, beforeAll } from 'vitest'
import type { FetchedChunk, FetcherOptions, TopicInfo } from '../../../../connectors/kafka/wire.ts'
import { type BrokerOptions, startBroker, type TestBroker } from '../../../support/kafka/broker.ts'
import { connect } from '../../../support/kafka/cluster.ts'
import { type DecodedRecord, recordsOf } from '../../../support/kafka/decoded.ts'

/** A broker that runs while the tests of the calling file do. */
export function liveBroker(options?: BrokerOptions): { readonly broker: TestBroker } {
  const started: { broker?: TestBroker } = {}
  beforeAll(async () => {
    started.broker = await startBroker(options)
  })
  afterAll(() => started.broker?.[Symbol.asyncDispose]())
  return {
    get broker() {
      return started.broker as TestBroker
    },
  }
}

/** A record to be sent. */
export interface SentRecord {
  readonly value: Buffer | null
  readonly key?: Buffer
  readonly partition?: number
  readonly timestamp?: bigint
}

/** Sends records in one request, so that those of a partition are one batch. */
export async function send(
  address: string,
  topic: string,
  records: readonly SentRecord[],
  compression: CompressionAlgorithmValue = 'none',
): Promise<void> {
  // A request is sent again when a leader is not ready yet: without numbers that makes duplicates.
  const producer = new Producer({
    clientId: 'test',
    bootstrapBrokers: [address],
    compression,
    idempotent: true,
  })
  const messages = records.map((record) => ({
    topic,
    partition: 0,
    ...record,
    // Null is what the protocol has and the declared type does not.
    value: record.value as Buffer,
  }))
  await producer.send({ messages })
  await producer.close()
}

/** Values as UTF-8 texts, null for none. */
export const valuesOf = (records: readonly DecodedRecord[]): readonly (string | null)[] =>
  records.map(({ value }) => value)

/** How a test reads. */
export interface ReadOptions extends Partial<FetcherOptions> {
  readonly from?: bigint
  readonly onChunk?: (chunk: FetchedChunk) => void
}

/** Reads every partition of a topic up to its end of now; records by partition. */
export async function readAll(
  address: string,
  topic: TopicInfo,
  options: ReadOptions = {},
): Promise<readonly (readonly DecodedRecord[])[]> {
  await using cluster = await connect(address)
  const isolation = options.isolation ?? 'read_committed'
  const places = topic.partitions.map(({ partition }) => ({ topic: topic.name, partition }))
  const ends = await cluster.offsets(places, 'latest', isolation)
  const starts = await cluster.offsets(places, 'earliest', isolation)
  const records = places.map((): DecodedRecord[] => [])
  const partitions = places.map((place, index) => ({
    ...place,
    topicId: topic.topicId,
    offset: options.from ?? (starts[index] as bigint),
    leaderEpoch: -1,
  }))
  await using fetcher = cluster.fetcher({
    partitions,
    isolation,
    bufferBytesMax: 8 * 2 ** 20,
    signal: new AbortController().signal,
    ...options,
  })
  const isComplete = (): boolean =>
    fetcher.progress().every(({ nextOffset }, index) => nextOffset >= (ends[index] as bigint))
  if (isComplete()) return records
  for await (const chunk of fetcher.chunks()) {
    records[chunk.partition]?.push(...recordsOf([chunk.records]))
    options.onChunk?.(chunk)
    if (isComplete()) break
  }
  return records
}
