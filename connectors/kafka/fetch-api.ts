/**
 * Fetch, version 13 (topics by id), with the record batches handed out as the bytes they are.
 * Source: kafka.apache.org/protocol, Fetch API (key 1).
 */

import { createAPI, type Reader, Writer } from '@platformatic/kafka'
import { SluiceError } from '../../src/model/index.ts'
import type { AbortedTransaction } from './aborted.ts'
import {
  type AnswerReader,
  readCompactArray,
  readCompactBytes,
  readInt16,
  readInt32,
  readInt64,
  readTaggedFields,
  readUuid,
} from './answer-reader.ts'

/** Number of the API in the protocol. */
export const FETCH_KEY = 1
/** The version that is spoken: the first that knows topics by their id. */
export const FETCH_VERSION = 13

/** What is asked of one partition. */
export interface PartitionRequest {
  readonly partition: number
  /** As metadata told; the broker refuses when it knows of another. */
  readonly currentLeaderEpoch: number
  readonly offset: bigint
  /** Epoch of the record before `offset`; −1 when unknown. The broker checks that it agrees. */
  readonly lastFetchedEpoch: number
  readonly bytesMax: number
}

/** What is asked of one broker. */
export interface FetchRequest {
  readonly maxWaitMs: number
  readonly bytesMax: number
  readonly isCommittedOnly: boolean
  readonly topics: readonly {
    /** As a UUID in its canonical form. */
    readonly topicId: string
    readonly partitions: readonly PartitionRequest[]
  }[]
}

/** What came of one partition. */
export interface PartitionAnswer {
  /** 32 hexadecimal digits. */
  readonly topicId: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: bigint
  readonly lastStableOffset: bigint
  readonly logStartOffset: bigint
  readonly aborted: readonly AbortedTransaction[]
  /** Set when the log no longer has what `lastFetchedEpoch` said: from here on it differs. */
  readonly divergesAt: bigint | null
  /** A view of the answer's own memory. */
  readonly records: Buffer
}

/** A whole answer. */
export interface FetchAnswer {
  /** Of the request as a whole. */
  readonly errorCode: number
  readonly partitions: readonly PartitionAnswer[]
}

const NO_SESSION = 0
const FULL_REQUEST = -1
const CONSUMER = -1
const BYTES_MIN = 1
const DIVERGING_EPOCH = 0

/** Asks a broker. */
export const fetchApi = createAPI<[FetchRequest], FetchAnswer>(
  FETCH_KEY,
  FETCH_VERSION,
  writeRequest,
  (_correlationId, _key, _version, reader: Reader) => parseFetchAnswer(reader.buffer.buffer),
)

/** Throws SLU-SRC-1517 when the bytes are no answer. */
export function parseFetchAnswer(bytes: Buffer): FetchAnswer {
  try {
    return parse({ bytes, position: 0 })
  } catch (cause) {
    const message = `an answer of ${bytes.length} bytes to a Fetch is not well formed`
    throw new SluiceError('SLU-SRC-1517', { message, cause })
  }
}

function writeRequest(request: FetchRequest): Writer {
  return Writer.create()
    .appendInt32(CONSUMER)
    .appendInt32(request.maxWaitMs)
    .appendInt32(BYTES_MIN)
    .appendInt32(request.bytesMax)
    .appendInt8(request.isCommittedOnly ? 1 : 0)
    .appendInt32(NO_SESSION)
    .appendInt32(FULL_REQUEST)
    .appendArray([...request.topics], (writer, topic) => {
      writer.appendUUID(topic.topicId).appendArray([...topic.partitions], writePartition)
    })
    .appendArray([], () => {})
    .appendString('')
    .appendTaggedFields()
}

function writePartition(writer: Writer, partition: PartitionRequest): void {
  writer
    .appendInt32(partition.partition)
    .appendInt32(partition.currentLeaderEpoch)
    .appendInt64(partition.offset)
    .appendInt32(partition.lastFetchedEpoch)
    .appendInt64(-1n)
    .appendInt32(partition.bytesMax)
}

function parse(reader: AnswerReader): FetchAnswer {
  readInt32(reader)
  const errorCode = readInt16(reader)
  readInt32(reader)
  const topics = readCompactArray(reader, () => {
    const topicId = readUuid(reader)
    const partitions = readCompactArray(reader, () => parsePartition(reader, topicId))
    readTaggedFields(reader)
    return partitions
  })
  readTaggedFields(reader)
  return { errorCode, partitions: topics.flat() }
}

function parsePartition(reader: AnswerReader, topicId: string): PartitionAnswer {
  const partition = readInt32(reader)
  const errorCode = readInt16(reader)
  const highWatermark = readInt64(reader)
  const lastStableOffset = readInt64(reader)
  const logStartOffset = readInt64(reader)
  const aborted = readCompactArray(reader, () => {
    const producerId = readInt64(reader)
    const firstOffset = readInt64(reader)
    readTaggedFields(reader)
    return { producerId, firstOffset }
  })
  readInt32(reader)
  const records = readCompactBytes(reader)
  let divergesAt: bigint | null = null
  readTaggedFields(reader, (tag) => {
    if (tag !== DIVERGING_EPOCH) return
    readInt32(reader)
    divergesAt = readInt64(reader)
  })
  return {
    topicId,
    partition,
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    aborted,
    divergesAt,
    records,
  }
}
