/**
 * The wire side of Kafka as a source: partitions read as columns.
 * Comes in: brokers, partitions and where to begin. Goes out: typed arrays over the bytes of Fetch
 * answers, JSON values as lines in place. Must never: make an object per record, deliver a record
 * of an aborted transaction to a reader of committed ones, or read past a batch whatever its bytes
 * say.
 */

export type { AbortedTransaction } from './aborted.ts'
export { type Cluster, type ClusterSettings, openCluster } from './cluster.ts'
export type { Isolation, OffsetPlace, PartitionInfo, TopicInfo } from './cluster-view.ts'
export type { RecordColumns } from './columns.ts'
export {
  CHUNK_BYTES,
  type DecodeRequest,
  decodeRecords,
  type RecordChunk,
} from './decode-records.ts'
export { DECOMPRESSION_LIMITS, type DecompressionLimits } from './decompress.ts'
export type {
  FetchedChunk,
  Fetcher,
  FetcherOptions,
  FetchProgress,
  FetchStart,
  PartitionEnds,
} from './fetcher.ts'
export { type JsonLines, jsonLines } from './json-lines.ts'
export { copyKeys, type KeyColumn, type RecordHeader, readHeaders } from './keys.ts'
export type { TopicPartition } from './place.ts'
