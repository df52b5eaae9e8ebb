/** Topics as streams, partitions as splits. */

import type { Source, SourceCheck, SourceContext, SourceStart } from '../../src/contracts/index.ts'
import {
  createShape,
  findUnknownMembers,
  isSluiceError,
  printColumnType,
  type Shape,
  SluiceError,
  type SourceColumn,
  type StreamSchema,
} from '../../src/model/index.ts'
import { type Cluster, type ClusterSettings, openCluster } from './cluster.ts'
import type { TopicInfo } from './cluster-view.ts'
import { jsonLines } from './json-lines.ts'
import { openSession } from './session.ts'
import { addsColumns, type KafkaSettings } from './spec.ts'

/** Records that columns are inferred from. */
const SAMPLE_RECORDS = 1000
const SAMPLE_BYTES = 4 * 1024 * 1024

/** The source; nothing is connected before `check`, `discover` or `start`. */
export function kafkaSource(settings: KafkaSettings, context: SourceContext): Source {
  const connect = (): Promise<Cluster> => openCluster(clusterSettings(settings), context.clock)
  return {
    name: context.name,
    check: (streams) => checkTopics(settings, streams, connect),
    discover: async (named) => {
      await using cluster = await connect()
      const topics = named === undefined ? await cluster.allTopics() : await cluster.topics(named)
      const found: StreamSchema[] = []
      for (const topic of topics) {
        const shape = await topicShape(settings, cluster, topic)
        if (shape !== null) found.push(shape.current)
        else if (named !== undefined) throw noColumns(topic.name)
      }
      return found
    },
    start: (request: SourceStart) =>
      openSession({
        settings,
        context,
        request,
        connect,
        shapeOf: async (cluster, topic) => {
          const shape = await topicShape(settings, cluster, topic)
          if (shape === null) throw noColumns(topic.name)
          return shape
        },
      }),
    readBack: null,
    [Symbol.asyncDispose]: async () => {},
  }
}

function clusterSettings({ brokers, tls, sasl }: KafkaSettings): ClusterSettings {
  return {
    clientId: 'sluice',
    brokers,
    ...(tls === false ? {} : { tls: tls === true ? {} : definedOf(tls) }),
    ...(sasl && { sasl: { ...sasl, mechanism: MECHANISMS[sasl.mechanism] } }),
  }
}

const MECHANISMS = {
  plain: 'PLAIN',
  'scram-sha-256': 'SCRAM-SHA-256',
  'scram-sha-512': 'SCRAM-SHA-512',
} as const

function definedOf(tls: Exclude<KafkaSettings['tls'], boolean>): ClusterSettings['tls'] {
  return Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined))
}

function noColumns(topic: string): SluiceError {
  return new SluiceError('SLU-SRC-1522', {
    message: `the topic ${topic} has no record that names a column`,
    context: { topic },
  })
}

function declaredColumns({ columns }: KafkaSettings): readonly SourceColumn[] {
  return Object.entries(columns ?? {}).map(([name, type]) => {
    return { name, type, sourceType: printColumnType(type), nullable: true }
  })
}

/** The columns as the settings and the first records tell them; null without any. */
async function topicShape(
  settings: KafkaSettings,
  cluster: Cluster,
  topic: TopicInfo,
): Promise<Shape | null> {
  const declared = declaredColumns(settings)
  const inferred = addsColumns(settings) ? await inferColumns(settings, cluster, topic) : []
  const names = new Set(declared.map(({ name }) => name))
  const columns = [...declared, ...inferred.filter(({ name }) => !names.has(name))]
  return columns.length === 0
    ? null
    : createShape(topic.name, columns, { cutsTimes: false, metadata: [] })
}

async function inferColumns(
  { isolation }: KafkaSettings,
  cluster: Cluster,
  { name: topic, topicId, partitions }: TopicInfo,
): Promise<readonly SourceColumn[]> {
  const places = partitions.map(({ partition }) => ({ topic, partition }))
  const begins = await cluster.offsets(places, 'earliest', isolation)
  const ends = await cluster.offsets(places, 'latest', isolation)
  const unread = new Map<number, bigint>()
  for (const [index, { partition }] of places.entries()) {
    const end = ends[index] ?? 0n
    if ((begins[index] ?? 0n) < end) unread.set(partition, end)
  }
  if (unread.size === 0) return []
  const stop = new AbortController()
  const wanted = places.flatMap((place, index) => {
    const known = { topicId, offset: begins[index] ?? 0n, leaderEpoch: -1 }
    return unread.has(place.partition) ? [{ ...place, ...known }] : []
  })
  await using fetcher = cluster.fetcher({
    partitions: wanted,
    isolation,
    bufferBytesMax: SAMPLE_BYTES,
    signal: stop.signal,
  })
  const lines: Buffer[] = []
  let count = 0
  let sizeBytes = 0
  for await (const { partition, records } of fetcher.chunks()) {
    const read = jsonLines(records)
    lines.push(read.bytes)
    count += read.recordCount
    sizeBytes += read.bytes.length
    if (records.nextOffset >= (unread.get(partition) ?? 0n)) unread.delete(partition)
    if (unread.size === 0 || count >= SAMPLE_RECORDS || sizeBytes >= SAMPLE_BYTES) break
  }
  stop.abort()
  const place = { file: topic, firstLine: 1 }
  return findUnknownMembers(Buffer.concat(lines), new Set(), place)?.columns ?? []
}

async function checkTopics(
  settings: KafkaSettings,
  streams: readonly string[],
  connect: () => Promise<Cluster>,
): Promise<readonly SourceCheck[]> {
  const checks: SourceCheck[] = []
  const failed = (name: string, error: unknown): void => {
    if (!isSluiceError(error)) throw error
    checks.push({ name, status: 'fail', seen: error.message, remedy: error.remedy })
  }
  let cluster: Cluster
  try {
    cluster = await connect()
  } catch (error) {
    failed('brokers', error)
    return checks
  }
  await using opened = cluster
  checks.push({ name: 'brokers', status: 'ok', seen: 'one answers', remedy: '' })
  for (const stream of streams) {
    try {
      const [topic] = await opened.topics([stream])
      const shape = topic && (await topicShape(settings, opened, topic))
      if (topic === undefined || !shape) throw noColumns(stream)
      const { columns } = shape.current
      const seen = `${topic.partitions.length} partitions, ${columns.length} columns`
      checks.push({ name: `topic ${stream}`, status: 'ok', seen, remedy: '' })
    } catch (error) {
      failed(`topic ${stream}`, error)
    }
  }
  return checks
}
