/** What a cluster says of itself: topics, who leads their partitions, where those begin and end. */

import {
  type Broker,
  type Connection,
  type ConnectionPool,
  listOffsetsV7,
  metadataV12,
} from '@platformatic/kafka'
import { SluiceError } from '../../src/model/index.ts'
import { answerOf, kafkaError, PROTOCOL, protocolError } from './errors.ts'
import type { TopicPartition } from './place.ts'

/** A topic as the cluster knows it. */
export interface TopicInfo {
  readonly name: string
  /** A topic that was deleted and created anew has another. Canonical UUID. */
  readonly topicId: string
  /** Made by Kafka for itself. */
  readonly isInternal: boolean
  /** By number, from 0, without gaps. */
  readonly partitions: readonly PartitionInfo[]
}

/** Who has a partition. */
export interface PartitionInfo {
  readonly partition: number
  /** Node of the broker to ask; −1 while there is none. */
  readonly leaderId: number
  readonly leaderEpoch: number
}

/** Brokers and topics, as of one answer. */
export interface ClusterView {
  readonly brokers: ReadonlyMap<number, Broker>
  readonly topics: readonly TopicInfo[]
}

/** A place in every partition: the first record kept, the end, or the first of a time or later. */
export type OffsetPlace = 'earliest' | 'latest' | { readonly timestampMs: bigint }

/** Which records are wanted; `latest` is the last stable offset to `read_committed`. */
export type Isolation = 'read_committed' | 'read_uncommitted'

/** What `listOffsets` is asked. */
export interface OffsetsRequest {
  readonly partitions: readonly TopicPartition[]
  readonly place: OffsetPlace
  readonly isolation: Isolation
}

/** Gives a connection to any broker. */
export type AnyConnection = () => Promise<Connection>

const CONSUMER = -1
const EARLIEST = -2n
const LATEST = -1n
const UNKNOWN_EPOCH = -1

/** Brokers, and the named topics or, for null, all of them. */
export async function readView(
  connect: AnyConnection,
  names: readonly string[] | null,
): Promise<ClusterView> {
  const action = 'asking Kafka for its topics'
  let answer: metadataV12.MetadataResponse
  try {
    const connection = await connect()
    const wanted = names === null ? null : [...names]
    // The declared type knows no null, which stands for all topics.
    answer = await metadataV12.api.async(connection, wanted as string[], false, false)
  } catch (error) {
    const partial = answerOf(error) as metadataV12.MetadataResponse | null
    if (partial === null) throw kafkaError(error, action)
    answer = partial
  }
  const brokers = new Map(
    answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }] as const),
  )
  const topics = answer.topics.flatMap((topic): readonly TopicInfo[] => {
    if (topic.errorCode === PROTOCOL.unknownTopicOrPartition || topic.name == null) return []
    if (topic.errorCode !== PROTOCOL.none) {
      throw protocolError(topic.errorCode, action, { topic: topic.name })
    }
    const partitions = topic.partitions.map(({ partitionIndex, leaderId, leaderEpoch }) => ({
      partition: partitionIndex,
      leaderId,
      leaderEpoch,
    }))
    const { name, topicId, isInternal } = topic
    partitions.sort((a, b) => a.partition - b.partition)
    return [{ name, topicId, isInternal, partitions }]
  })
  return { brokers, topics }
}

/** Asks the leaders; the offsets come in the order of the partitions. */
export async function listOffsets(
  pool: ConnectionPool,
  view: ClusterView,
  request: OffsetsRequest,
): Promise<readonly (bigint | null)[]> {
  const timestamp = timestampOf(request.place)
  const isolation = request.isolation === 'read_committed' ? 1 : 0
  const byLeader = Map.groupBy(request.partitions, (place) => leaderOf(view, place))
  const offsets = new Map<string, bigint>()
  const asked = [...byLeader].map(async ([leaderId, places]) => {
    const action = `asking broker ${leaderId} for offsets`
    try {
      const connection = await pool.get(brokerOf(view, leaderId))
      const topics = [...Map.groupBy(places, ({ topic }) => topic)].map(([name, those]) => ({
        name,
        partitions: those.map(({ partition }) => ({
          partitionIndex: partition,
          currentLeaderEpoch: UNKNOWN_EPOCH,
          timestamp,
        })),
      }))
      const answer = await listOffsetsV7.api.async(connection, CONSUMER, isolation, topics)
      for (const { name, partitions } of answer.topics) {
        for (const { partitionIndex, offset } of partitions) {
          offsets.set(`${name}/${partitionIndex}`, offset)
        }
      }
    } catch (error) {
      throw kafkaError(error, action)
    }
  })
  await Promise.all(asked)
  return request.partitions.map(({ topic, partition }) => {
    const offset = offsets.get(`${topic}/${partition}`)
    return offset === undefined || offset < 0n ? null : offset
  })
}

function timestampOf(place: OffsetPlace): bigint {
  if (place === 'earliest') return EARLIEST
  return place === 'latest' ? LATEST : place.timestampMs
}

function leaderOf(view: ClusterView, { topic, partition }: TopicPartition): number {
  const info = findTopic(view.topics, topic).partitions[partition]
  if (info === undefined) {
    const message = `the topic ${topic} has no partition ${partition}`
    throw new SluiceError('SLU-SRC-1503', { message, context: { topic, partition } })
  }
  return info.leaderId
}

/** Throws SLU-SRC-1509 when nobody leads, which passes. */
export function brokerOf(view: ClusterView, leaderId: number): Broker {
  const broker = view.brokers.get(leaderId)
  if (broker !== undefined) return broker
  const message = `no broker ${leaderId} is there to lead the partition`
  throw new SluiceError('SLU-SRC-1509', { message })
}

/** Throws SLU-SRC-1503 when it is not among them. */
export function findTopic(topics: readonly TopicInfo[], name: string): TopicInfo {
  const topic = topics.find((known) => known.name === name)
  if (topic !== undefined) return topic
  const message = `the topic ${name} does not exist, or its name may not be seen`
  throw new SluiceError('SLU-SRC-1503', { message, context: { topic: name } })
}
