/** Writes record batches byte by byte, with holes, markers and faults that no producer makes. */

import { gzipSync, zstdCompressSync } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import { compressionsAlgorithms } from '@platformatic/kafka'

/** One record; what is left out is empty or zero. */
export interface WrittenRecord {
  readonly offsetDelta: number
  readonly timestampDelta?: bigint
  readonly key?: Buffer | null
  readonly value?: Buffer | null
  readonly headers?: readonly (readonly [Buffer, Buffer | null])[]
}

/** One batch; what is left out is what a plain producer without transactions writes. */
export interface WrittenBatch {
  readonly baseOffset?: bigint
  readonly records: readonly WrittenRecord[]
  /** The delta of the last record when absent. */
  readonly lastOffsetDelta?: number
  readonly codec?: Codec
  readonly baseTimestamp?: bigint
  readonly maxTimestamp?: bigint
  readonly producerId?: bigint
  readonly leaderEpoch?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  readonly hasLogAppendTime?: boolean
  readonly magic?: number
  /** Instead of the true one. */
  readonly recordCount?: number
  /** Instead of the packed records. */
  readonly body?: Buffer
}

/** The number is that of the attributes. */
export const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
/** What batches are compressed with. */
export type Codec = (typeof CODECS)[number]

/** The batch as it lies in a log, with a right checksum. */
export function writeBatch(batch: WrittenBatch): Buffer {
  const { records } = batch
  const codec = batch.codec ?? 'none'
  const body = batch.body ?? pack(codec, Buffer.concat(records.map(writeRecord)))
  const header = Buffer.alloc(61)
  const attributes =
    CODECS.indexOf(codec) |
    (batch.hasLogAppendTime ? 8 : 0) |
    (batch.isTransactional ? 16 : 0) |
    (batch.isControl ? 32 : 0)
  header.writeBigInt64BE(batch.baseOffset ?? 0n, 0)
  header.writeInt32BE(49 + body.length, 8)
  header.writeInt32BE(batch.leaderEpoch ?? 0, 12)
  header.writeInt8(batch.magic ?? 2, 16)
  header.writeInt16BE(attributes, 21)
  header.writeInt32BE(batch.lastOffsetDelta ?? records.at(-1)?.offsetDelta ?? 0, 23)
  header.writeBigInt64BE(batch.baseTimestamp ?? 0n, 27)
  header.writeBigInt64BE(batch.maxTimestamp ?? 0n, 35)
  header.writeBigInt64BE(batch.producerId ?? -1n, 43)
  header.writeInt16BE(-1, 51)
  header.writeInt32BE(-1, 53)
  header.writeInt32BE(batch.recordCount ?? records.length, 57)
  return withChecksum(Buffer.concat([header, body]))
}

/** The marker that ends a transaction. */
export function writeMarker(
  kind: 'commit' | 'abort',
  baseOffset: bigint,
  producerId: bigint,
): Buffer {
  const key = Buffer.from([0, 0, 0, kind === 'abort' ? 0 : 1])
  const records = [{ offsetDelta: 0, key, value: Buffer.alloc(6) }]
  return writeBatch({ baseOffset, producerId, isTransactional: true, isControl: true, records })
}

/** Puts the right checksum into the batch at the start of the bytes. */
export function withChecksum(batch: Buffer): Buffer {
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17)
  return batch
}

/** One record. */
export function writeRecord(record: WrittenRecord): Buffer {
  const headers = record.headers ?? []
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(record.timestampDelta ?? 0n),
    varint(BigInt(record.offsetDelta)),
    sized(record.key ?? null),
    sized(record.value ?? null),
    varint(BigInt(headers.length)),
    ...headers.flatMap(([key, value]) => [sized(key), sized(value)]),
  ])
  return Buffer.concat([varint(BigInt(body.length)), body])
}

/** A zigzag varint of up to 64 bits. */
export function varint(value: bigint): Buffer {
  let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  const bytes: number[] = []
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}

/** Packs records as producers do. */
export function pack(codec: Codec, bytes: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return bytes
    case 'gzip':
      return gzipSync(bytes)
    case 'zstd':
      return zstdCompressSync(bytes)
    case 'snappy':
    case 'lz4':
      return compressionsAlgorithms[codec].compressSync(Buffer.from(bytes)) as Buffer
  }
}

/** Snappy in the frames that Java clients write: blocks of up to 32 KiB. */
export function packXerial(bytes: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from('82534e4150505900' + '00000001' + '00000001', 'hex')]
  for (let start = 0; start < bytes.length; start += 32_768) {
    const block = pack('snappy', bytes.subarray(start, start + 32_768))
    const size = Buffer.alloc(4)
    size.writeUInt32BE(block.length)
    parts.push(size, block)
  }
  return Buffer.concat(parts)
}

function sized(bytes: Buffer | null): Buffer {
  return bytes === null ? varint(-1n) : Buffer.concat([varint(BigInt(bytes.length)), bytes])
}
