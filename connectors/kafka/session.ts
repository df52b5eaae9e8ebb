/** A running read of topics, from the cursors of their tables on. */

import type {
  SourceBlock,
  SourceContext,
  SourceProgress,
  SourceSession,
  SourceStart,
} from '../../src/contracts/index.ts'
import {
  type Cursor,
  knownColumns,
  type Shape,
  SluiceError,
  type SourcePosition,
  type SplitId,
} from '../../src/model/index.ts'
import type { Cluster } from './cluster.ts'
import type { TopicInfo } from './cluster-view.ts'
import type { FetchedChunk, Fetcher, FetchStart } from './fetcher.ts'
import { addsColumns, type KafkaSettings } from './spec.ts'
import { partOf, type TopicLines } from './topic-lines.ts'

/** What a session is made of. */
export interface SessionOptions {
  readonly settings: KafkaSettings
  readonly context: SourceContext
  readonly request: SourceStart
  connect(): Promise<Cluster>
  /** The columns of a topic that no table has yet. */
  shapeOf(cluster: Cluster, topic: TopicInfo): Promise<Shape>
}

/** A partition and where its reading begins. */
interface Begin extends FetchStart {
  readonly split: SplitId
}

/** Partitions of topics are looked for so often. */
const REFRESH_MS = 30_000

/** The name of a partition as a split. */
export function splitOf(topic: string, partition: number): SplitId {
  return `${topic}-${partition}`
}

/** Connects, decides where each partition begins, and starts to read. */
export async function openSession(options: SessionOptions): Promise<SourceSession> {
  const cluster = await options.connect()
  try {
    const topics = await cluster.topics([...options.request.streams.keys()])
    const lines = new Map<string, TopicLines>()
    for (const topic of topics) lines.set(topic.name, await linesOf(options, cluster, topic))
    const begins = await beginsOf(options, cluster, topics)
    const { settings, request } = options
    const closing = new AbortController()
    const signal = AbortSignal.any([request.signal, closing.signal])
    const fetcher = cluster.fetcher({
      partitions: begins,
      isolation: settings.isolation,
      bufferBytesMax: request.bufferBytesMax,
      signal,
    })
    const grown = watchPartitions(options, cluster, topics, closing)
    return {
      blocks: () => blocksOf({ options, begins, lines, fetcher }),
      // Positions come from the tables alone.
      acknowledge: () => {},
      progress: () => progressOf(settings, fetcher),
      copiesNothing: true,
      get isOutdated() {
        return grown.isOutdated
      },
      [Symbol.asyncDispose]: async () => {
        closing.abort()
        await grown.ended
        await fetcher[Symbol.asyncDispose]()
        await cluster[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}

async function linesOf(
  { settings, request, shapeOf }: SessionOptions,
  cluster: Cluster,
  topic: TopicInfo,
): Promise<TopicLines> {
  const shape = await shapeOf(cluster, topic)
  shape.add(knownColumns(request.columns?.get(topic.name) ?? []))
  return {
    settings,
    shape,
    refusesUnknown: addsColumns(settings),
    keepsUnreadable: request.keepsUnreadable?.has(topic.name) === true,
  }
}

/** Every partition at its cursor, or where the settings say that a topic begins. */
async function beginsOf(
  options: SessionOptions,
  cluster: Cluster,
  topics: readonly TopicInfo[],
): Promise<readonly Begin[]> {
  const begins: Begin[] = []
  for (const topic of topics) {
    const { name, topicId, partitions } = topic
    const cursors = new Map(
      options.request.streams.get(name)?.map((cursor) => [cursor.split, cursor]),
    )
    for (const cursor of cursors.values()) checkPartition(cursor, topic)
    const fresh = partitions.filter(({ partition }) => !cursors.has(splitOf(name, partition)))
    const offsets = await firstOffsets(options, cluster, topic, {
      fresh: fresh.map(({ partition }) => partition),
      isBegun: cursors.size > 0,
    })
    for (const { partition } of partitions) {
      const split = splitOf(name, partition)
      const cursor = cursors.get(split)
      begins.push({
        split,
        topic: name,
        partition,
        topicId: typeof cursor?.identity.topicId === 'string' ? cursor.identity.topicId : topicId,
        offset: cursor?.nextPosition ?? offsets.get(partition) ?? 0n,
        leaderEpoch: Number(cursor?.identity.leaderEpoch ?? -1),
      })
    }
  }
  return begins
}

function checkPartition({ split, splitNumber }: Cursor, { name, partitions }: TopicInfo): void {
  if (splitNumber < partitions.length && split === splitOf(name, splitNumber)) return
  throw new SluiceError('SLU-SRC-1505', {
    message: `the topic ${name} has ${partitions.length} partitions, and ${split} was read`,
    context: { topic: name, partition: splitNumber },
  })
}

/**
 * Where partitions without a cursor begin. Places that move (the end, a time) are noted before
 * anything is read: a start after a crash begins where the first one did. A partition that came
 * after that begins with its first record.
 */
async function firstOffsets(
  { settings, request: { memory } }: SessionOptions,
  cluster: Cluster,
  { name: topic }: TopicInfo,
  { fresh, isBegun }: { readonly fresh: readonly number[]; readonly isBegun: boolean },
): Promise<ReadonlyMap<number, SourcePosition>> {
  const { isolation, start } = settings
  const places = fresh.map((partition) => ({ topic, partition }))
  if (places.length === 0) return new Map()
  const earliest = await cluster.offsets(places, 'earliest', isolation)
  const found = new Map(fresh.map((partition, index) => [partition, earliest[index] ?? 0n]))
  if (start === 'earliest') return found
  const notes = (await memory.read()) ?? {}
  const noted = (notes.starts ?? {}) as Readonly<Record<string, string>>
  const own = fresh.map((partition) => noted[splitOf(topic, partition)])
  if (isBegun || own.some((offset) => offset !== undefined)) {
    for (const [index, partition] of fresh.entries()) {
      const offset = own[index]
      if (offset !== undefined) found.set(partition, BigInt(offset))
    }
    return found
  }
  const latest = await cluster.offsets(places, 'latest', isolation)
  const wanted = start === 'latest' ? latest : await cluster.offsets(places, start, isolation)
  const starts: Record<string, string> = { ...noted }
  for (const [index, partition] of fresh.entries()) {
    const offset = wanted[index] ?? latest[index] ?? 0n
    found.set(partition, offset)
    starts[splitOf(topic, partition)] = offset.toString()
  }
  await memory.write({ ...notes, starts })
  return found
}

interface Reading {
  readonly options: SessionOptions
  readonly begins: readonly Begin[]
  readonly lines: ReadonlyMap<string, TopicLines>
  readonly fetcher: Fetcher
}

/** First where every partition stands, then what is read. */
async function* blocksOf(reading: Reading): AsyncGenerator<SourceBlock> {
  for (const { topic, partition, offset, topicId, leaderEpoch } of reading.begins) {
    yield {
      ...splitBlock(topic, partition),
      parts: [],
      nextPosition: offset,
      identity: { topicId, leaderEpoch },
      sourceTimeMicros: null,
    }
  }
  const topicIds = new Map(reading.begins.map(({ topic, topicId }) => [topic, topicId]))
  for await (const chunk of reading.fetcher.chunks()) yield blockOf(reading, chunk, topicIds)
}

function blockOf(
  { options, lines }: Reading,
  { topic, partition, records }: FetchedChunk,
  topicIds: ReadonlyMap<string, string>,
): SourceBlock {
  const { nextOffset, leaderEpoch, timestamps, recordCount, offsets } = records
  const split = splitOf(topic, partition)
  const unknown = options.request.unknownBefore?.get(topic)?.get(split) ?? -1n
  const newestMs = timestamps[recordCount - 1]
  const place = { topic, partition }
  const isUnknown = recordCount > 0 && (offsets[0] as bigint) < unknown
  const part = partOf(lines.get(topic) as TopicLines, place, records, isUnknown)
  return {
    ...splitBlock(topic, partition),
    parts: part === null ? [] : [part],
    nextPosition: nextOffset,
    identity: { topicId: topicIds.get(topic) as string, leaderEpoch },
    sourceTimeMicros: newestMs === undefined || newestMs < 0n ? null : newestMs * 1000n,
  }
}

function splitBlock(topic: string, partition: number) {
  const split = splitOf(topic, partition)
  return { split, splitNumber: partition, endsTransaction: true, copy: null } as const
}

function progressOf({ isolation }: KafkaSettings, fetcher: Fetcher): SourceProgress {
  const ends = new Map<SplitId, SourcePosition>()
  for (const { topic, partition, ends: known } of fetcher.progress()) {
    if (known === null) continue
    const { lastStableOffset, highWatermark } = known
    const end = isolation === 'read_committed' ? lastStableOffset : highWatermark
    ends.set(splitOf(topic, partition), end)
  }
  return { ends, copies: [] }
}

/** Looks for partitions that came; reading then begins anew, with them. */
function watchPartitions(
  { context, request }: SessionOptions,
  cluster: Cluster,
  topics: readonly TopicInfo[],
  closing: AbortController,
): { readonly isOutdated: boolean; readonly ended: Promise<void> } {
  const watch = { isOutdated: false, ended: Promise.resolve() }
  const signal = AbortSignal.any([request.signal, closing.signal])
  const look = async (): Promise<void> => {
    while (!signal.aborted) {
      await context.clock.sleep(REFRESH_MS, signal)
      if (signal.aborted) return
      // What is wrong with the cluster, the reader will tell.
      const now = await cluster.topics(topics.map(({ name }) => name)).catch(() => topics)
      const hasMore = now.some(
        ({ partitions }, index) => partitions.length > (topics[index]?.partitions.length ?? 0),
      )
      if (!hasMore) continue
      watch.isOutdated = true
      closing.abort()
    }
  }
  watch.ended = look()
  return watch
}
