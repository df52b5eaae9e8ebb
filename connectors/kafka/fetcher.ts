/**
 * Reads partitions: one Fetch at a time to each broker that leads some, ahead of the reader up to a
 * number of bytes, through leaders that move and brokers that restart.
 */

import type { Broker, ConnectionPool } from '@platformatic/kafka'
import type { Clock } from '../../src/contracts/index.ts'
import { SluiceError } from '../../src/model/index.ts'
import { brokerOf, type ClusterView, type Isolation, type OffsetPlace } from './cluster-view.ts'
import { decodeRecords, type RecordChunk } from './decode-records.ts'
import { kafkaError, PROTOCOL, protocolError } from './errors.ts'
import { type FetchRequest, fetchApi, type PartitionAnswer } from './fetch-api.ts'
import { recordError, type TopicPartition } from './place.ts'
import { endOfBatches } from './record-batch.ts'

/** Where reading a partition begins. */
export interface FetchStart extends TopicPartition {
  /** The topic's id when the offset was noted: another topic of the name is not read. */
  readonly topicId: string
  readonly offset: bigint
  /** Leader epoch of the record before, as a chunk told it; −1 when none is known. */
  readonly leaderEpoch: number
}

/** What to read, and how far ahead. */
export interface FetcherOptions {
  readonly partitions: readonly FetchStart[]
  readonly isolation: Isolation
  /**
   * Bytes fetched and not taken, as they came over the network: one batch of each broker may be
   * more, and unpacking needs `CHUNK_BYTES` or one batch beside it.
   */
  readonly bufferBytesMax: number
  readonly signal: AbortSignal
}

/** Records of one partition, and how far the broker's log reached when they were fetched. */
export interface FetchedChunk extends TopicPartition, PartitionEnds {
  readonly records: RecordChunk
}

/** Offsets of a log, all as of the same answer. */
export interface PartitionEnds {
  /** After the last record that may be read. */
  readonly highWatermark: bigint
  /** Before it, every transaction has ended. */
  readonly lastStableOffset: bigint
  /** The first record that retention left. */
  readonly logStartOffset: bigint
}

/** A partition that is being read. */
export interface FetchProgress extends TopicPartition {
  /** Everything before was handed out. */
  readonly nextOffset: bigint
  /** As of the newest answer; null before the first. */
  readonly ends: PartitionEnds | null
}

/** A running read. */
export interface Fetcher extends AsyncDisposable {
  /**
   * Chunks, once; those of a partition in the order of their offsets. Ends when the signal aborts.
   * Throws, when what was fetched before has been taken: SLU-SRC-1502 to 1509 and 1511 to 1517.
   */
  chunks(): AsyncIterable<FetchedChunk>
  /** Hands out nothing more of the partition, and fetches nothing, until `resume`. */
  pause(place: TopicPartition): void
  resume(place: TopicPartition): void
  progress(): readonly FetchProgress[]
}

/** What the fetcher needs of its cluster. */
export interface FetcherCluster {
  readonly clock: Clock
  view(names: readonly string[]): Promise<ClusterView>
  offsets(
    partitions: readonly TopicPartition[],
    place: OffsetPlace,
    isolation: Isolation,
  ): Promise<readonly (bigint | null)[]>
  /** Connections that the fetcher closes. */
  openPool(): ConnectionPool
}

/** A request for less is not worth its way. */
const REQUEST_BYTES_MIN = 64 * 1024
/** An answer is one buffer: larger ones only cost memory. */
const REQUEST_BYTES_MAX = 16 * 1024 * 1024
/** Of one partition in one answer, and waiting for the reader. */
const PARTITION_BYTES_MAX = 2 * 1024 * 1024
/** How long a broker holds a request that it has nothing for. */
const IDLE_WAIT_MS = 500
/** The same while partitions of that broker wait for the reader to make room. */
const BUSY_WAIT_MS = 20
/** Waits of 0.1 s, doubled up to 5 s: about a minute, longer than a broker takes to restart. */
const ATTEMPTS_MAX = 16
/** A topic that is not there may be a broker that knows too little yet: about 3 s. */
const UNKNOWN_ATTEMPTS_MAX = 6
/** An offset within a log, and out of its range: the log moved meanwhile, or has no such epoch. */
const EPOCH_ATTEMPTS_MAX = 3
const BACKOFF_MS = 100
const BACKOFF_MS_MAX = 5_000
/** Answers with bytes and no whole batch in a row, of one partition: brokers send one whole. */
const STALLS_MAX = 100

/** Starts when `chunks` is first asked. */
export function createFetcher(options: FetcherOptions, cluster: FetcherCluster): Fetcher {
  return new PartitionFetcher(options, cluster)
}

/** One partition that is read. */
interface PartitionState extends FetchStart {
  /** Where the next Fetch begins. */
  fetchOffset: bigint
  fetchEpoch: number
  nextOffset: bigint
  leaderId: number
  currentLeaderEpoch: number
  ends: PartitionEnds | null
  isPaused: boolean
  queuedBytes: number
  attempts: number
  stalls: number
  /** Larger the later it was last served: the others go first. */
  servedAt: number
}

/** An answer of a partition that waits for the reader. */
interface QueuedAnswer {
  readonly state: PartitionState
  readonly fromOffset: bigint
  readonly ends: PartitionEnds
  readonly answer: PartitionAnswer
}

/** Owns the connections and the requests on them. */
class PartitionFetcher implements Fetcher {
  readonly #options: FetcherOptions
  readonly #cluster: FetcherCluster
  readonly #pool: ConnectionPool
  readonly #states: readonly PartitionState[]
  readonly #byPlace = new Map<string, PartitionState>()
  readonly #ended = new AbortController()
  readonly #requests = new Map<number, Promise<void>>()
  readonly #queue: QueuedAnswer[] = []
  #brokers: ReadonlyMap<number, Broker> = new Map()
  #refresh: Promise<void> | null = null
  #failure: SluiceError | null = null
  #changed = Promise.withResolvers<void>()
  #served = 0

  constructor(options: FetcherOptions, cluster: FetcherCluster) {
    this.#options = options
    this.#cluster = cluster
    this.#pool = cluster.openPool()
    this.#states = options.partitions.map((start) => ({
      ...start,
      fetchOffset: start.offset,
      fetchEpoch: start.leaderEpoch,
      nextOffset: start.offset,
      leaderId: NO_LEADER,
      currentLeaderEpoch: UNKNOWN_EPOCH,
      ends: null,
      isPaused: false,
      queuedBytes: 0,
      attempts: 0,
      stalls: 0,
      servedAt: 0,
    }))
    for (const state of this.#states) this.#byPlace.set(keyOf(state.topicId, state), state)
  }

  async *chunks(): AsyncGenerator<FetchedChunk> {
    const stop = (): void => this.#stop()
    this.#options.signal.addEventListener('abort', stop)
    if (this.#options.signal.aborted) stop()
    try {
      while (!this.#ended.signal.aborted) {
        this.#startRequests()
        const index = this.#queue.findIndex(({ state }) => !state.isPaused)
        if (index >= 0) yield* this.#take(this.#queue.splice(index, 1)[0] as QueuedAnswer)
        else if (this.#failure !== null) throw this.#failure
        else await this.#nextChange()
      }
    } finally {
      this.#options.signal.removeEventListener('abort', stop)
      await this[Symbol.asyncDispose]()
    }
  }

  pause(place: TopicPartition): void {
    this.#find(place).isPaused = true
  }

  resume(place: TopicPartition): void {
    this.#find(place).isPaused = false
    this.#wake()
  }

  progress(): readonly FetchProgress[] {
    return this.#states.map(({ topic, partition, nextOffset, ends }) => ({
      topic,
      partition,
      nextOffset,
      ends,
    }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop()
    await Promise.all(this.#requests.values())
  }

  #stop(): void {
    if (this.#ended.signal.aborted) return
    this.#ended.abort()
    // Ends what brokers hold back for us; their answers are errors that nobody looks at.
    this.#pool.close(() => {})
    this.#wake()
  }

  #find({ topic, partition }: TopicPartition): PartitionState {
    const found = this.#states.find(
      (state) => state.topic === topic && state.partition === partition,
    )
    if (found !== undefined) return found
    throw new SluiceError('SLU-BUG-9001', { message: `${topic}/${partition} is not read here` })
  }

  #wake(): void {
    this.#changed.resolve()
  }

  async #nextChange(): Promise<void> {
    await this.#changed.promise
    this.#changed = Promise.withResolvers()
  }

  *#take(queued: QueuedAnswer): Generator<FetchedChunk> {
    const { state, answer, fromOffset, ends } = queued
    const isCommittedOnly = this.#options.isolation === 'read_committed'
    const { topic, partition } = state
    const chunks = decodeRecords({
      place: state,
      records: answer.records,
      fromOffset,
      aborted: isCommittedOnly ? answer.aborted : null,
    })
    for (const records of chunks) {
      state.nextOffset = records.nextOffset
      yield { topic, partition, records, ...ends }
    }
    state.queuedBytes -= answer.records.length
    this.#startRequests()
  }

  /** One request to each broker that has none, leads partitions with room, and has room itself. */
  #startRequests(): void {
    if (this.#failure !== null || this.#ended.signal.aborted) return
    const byLeader = Map.groupBy(this.#states, ({ leaderId }) => leaderId)
    const share = Math.floor(this.#options.bufferBytesMax / byLeader.size)
    for (const [leaderId, states] of byLeader) {
      if (this.#requests.has(leaderId)) continue
      const request = this.#planRequest(states, share)
      if (request === null) continue
      const task = this.#fetch(leaderId, states, request).finally(() => {
        this.#requests.delete(leaderId)
        this.#startRequests()
        this.#wake()
      })
      this.#requests.set(leaderId, task)
    }
  }

  #planRequest(states: readonly PartitionState[], share: number): FetchRequest | null {
    const queuedBytes = states.reduce((sum, state) => sum + state.queuedBytes, 0)
    const bytesMax = Math.min(share - queuedBytes, REQUEST_BYTES_MAX)
    const isRoom = queuedBytes === 0 || bytesMax >= Math.min(REQUEST_BYTES_MIN, share / 2)
    const wanted = states.filter(
      ({ isPaused, queuedBytes: queued }) => !isPaused && queued < PARTITION_BYTES_MAX,
    )
    if (!isRoom || wanted.length === 0) return null
    wanted.sort((a, b) => a.servedAt - b.servedAt)
    const topics = [...Map.groupBy(wanted, ({ topicId }) => topicId)]
    return {
      maxWaitMs: wanted.length === states.length ? IDLE_WAIT_MS : BUSY_WAIT_MS,
      bytesMax: Math.max(1, bytesMax),
      isCommittedOnly: this.#options.isolation === 'read_committed',
      topics: topics.map(([topicId, those]) => ({
        topicId,
        partitions: those.map((state) => ({
          partition: state.partition,
          currentLeaderEpoch: state.currentLeaderEpoch,
          offset: state.fetchOffset,
          lastFetchedEpoch: state.fetchEpoch,
          bytesMax: Math.min(PARTITION_BYTES_MAX, Math.max(1, bytesMax)),
        })),
      })),
    }
  }

  /** Never rejects: what cannot be retried becomes the failure of the whole read. */
  async #fetch(
    leaderId: number,
    states: readonly PartitionState[],
    request: FetchRequest,
  ): Promise<void> {
    let problem: SluiceError | null = null
    try {
      if (leaderId === NO_LEADER) await this.#refreshOnce()
      else problem = await this.#ask(leaderId, request)
    } catch (error) {
      problem = kafkaError(error, `fetching from broker ${leaderId}`)
      for (const state of states) state.attempts++
    }
    if (problem === null || this.#ended.signal.aborted) return
    const attempts = Math.max(...states.map((state) => state.attempts))
    const isUnknown = problem.code === 'SLU-SRC-1503'
    const mayPass = problem.kind === 'transient' || isUnknown
    if (!mayPass || attempts >= (isUnknown ? UNKNOWN_ATTEMPTS_MAX : ATTEMPTS_MAX)) {
      this.#failure = problem
      return
    }
    const waitMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** Math.max(0, attempts - 1))
    await this.#cluster.clock.sleep(waitMs, this.#ended.signal)
    for (const state of states) state.leaderId = NO_LEADER
  }

  /** Gives a problem of some partition that may pass; those of others do not wait for it. */
  async #ask(leaderId: number, request: FetchRequest): Promise<SluiceError | null> {
    const broker = brokerOf({ brokers: this.#brokers, topics: [] }, leaderId)
    const connection = await this.#pool.get(broker)
    const answer = await fetchApi.async(connection, request)
    if (answer.errorCode !== PROTOCOL.none) {
      throw protocolError(answer.errorCode, `fetching from broker ${leaderId}`)
    }
    let problem: SluiceError | null = null
    for (const part of answer.partitions) {
      const state = this.#byPlace.get(keyOf(part.topicId, part))
      if (state === undefined) continue
      const found = await this.#accept(state, part)
      if (found === null) {
        state.attempts = 0
        continue
      }
      state.attempts++
      problem ??= found
    }
    return problem
  }

  async #accept(state: PartitionState, answer: PartitionAnswer): Promise<SluiceError | null> {
    const { errorCode, divergesAt } = answer
    if (errorCode === PROTOCOL.offsetOutOfRange) return this.#outOfRange(state)
    const place = { ...state, offset: state.fetchOffset }
    if (errorCode !== PROTOCOL.none) {
      const { topic, partition } = state
      return protocolError(errorCode, `reading ${topic}/${partition}`, { topic, partition })
    }
    if (divergesAt !== null) {
      const message =
        `the log has other records from offset ${divergesAt} on than those that were read ` +
        `(leader epoch ${state.fetchEpoch})`
      throw recordError('SLU-SRC-1508', place, message)
    }
    const { highWatermark, lastStableOffset, logStartOffset } = answer
    state.ends = { highWatermark, lastStableOffset, logStartOffset }
    const end = endOfBatches(answer.records, state)
    if (end === null) {
      if (answer.records.length === 0) return null
      state.stalls++
      state.servedAt = 0
      if (state.stalls < STALLS_MAX) return null
      throw recordError('SLU-SRC-1512', place, 'the broker never sends a whole batch')
    }
    this.#queue.push({
      state,
      fromOffset: state.fetchOffset,
      ends: state.ends,
      answer,
    })
    state.queuedBytes += answer.records.length
    state.stalls = 0
    state.servedAt = ++this.#served
    state.fetchOffset = BigInt(end.nextOffset)
    state.fetchEpoch = end.leaderEpoch
    this.#wake()
    return null
  }

  /** Which end of the log the offset is beyond; none when the log has moved meanwhile. */
  async #outOfRange(state: PartitionState): Promise<SluiceError | null> {
    const { fetchOffset: offset } = state
    const at = { ...state, offset }
    const [first] = await this.#cluster.offsets([state], 'earliest', 'read_uncommitted')
    const [end] = await this.#cluster.offsets([state], 'latest', 'read_uncommitted')
    if (typeof first === 'bigint' && offset < first) {
      const message = `retention has removed the records before offset ${first}`
      throw recordError('SLU-SRC-1506', at, message)
    }
    if (typeof end === 'bigint' && offset > end) {
      throw recordError('SLU-SRC-1507', at, `the log ends at offset ${end}`)
    }
    if (state.fetchEpoch !== UNKNOWN_EPOCH && state.attempts >= EPOCH_ATTEMPTS_MAX) {
      const message = `nobody led in leader epoch ${state.fetchEpoch}, when it was read`
      throw recordError('SLU-SRC-1508', at, message)
    }
    return protocolError(PROTOCOL.offsetOutOfRange, `reading ${state.topic}/${state.partition}`)
  }

  /** Tasks of several brokers that find their leaders gone share one question. */
  async #refreshOnce(): Promise<void> {
    this.#refresh ??= this.#refreshLeaders().finally(() => {
      this.#refresh = null
    })
    await this.#refresh
  }

  async #refreshLeaders(): Promise<void> {
    const names = [...new Set(this.#states.map(({ topic }) => topic))]
    const view = await this.#cluster.view(names)
    this.#brokers = view.brokers
    for (const state of this.#states) {
      if (state.leaderId !== NO_LEADER) continue
      const { leaderId, leaderEpoch } = leaderIn(view, state)
      state.leaderId = leaderId
      state.currentLeaderEpoch = leaderEpoch
    }
  }
}

const NO_LEADER = -1
const UNKNOWN_EPOCH = -1

/** Throws SLU-SRC-1503 (no such topic), 1504 (another one), 1505 (fewer partitions), 1509. */
function leaderIn(
  view: ClusterView,
  state: FetchStart,
): { readonly leaderId: number; readonly leaderEpoch: number } {
  const { topic: name, partition } = state
  const topic = view.topics.find((known) => known.name === name)
  if (topic === undefined) {
    const message = `the topic ${name} does not exist, or its name may not be seen`
    throw new SluiceError('SLU-SRC-1503', { message, context: { topic: name } })
  }
  if (topic.topicId !== state.topicId) {
    const message = `it was deleted and created anew (id ${topic.topicId}, not ${state.topicId})`
    throw recordError('SLU-SRC-1504', state, message)
  }
  const found = topic.partitions[partition]
  if (found === undefined) {
    const message = `the topic has only ${topic.partitions.length} partitions`
    throw recordError('SLU-SRC-1505', state, message)
  }
  brokerOf(view, found.leaderId)
  return found
}

function keyOf(topicId: string, { partition }: { readonly partition: number }): string {
  return `${topicId.replaceAll('-', '')}/${partition}`
}
