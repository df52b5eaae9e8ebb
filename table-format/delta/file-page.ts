/**
 * A few dozen live files in as little memory as they need: columns, compressed together.
 *
 * Layout before compression, little-endian, n files in order of hash, then path:
 *   n × f64 size · n × f64 modification time · n × i64 base row id · n × i64 default row commit
 *   version (the lowest i64 for none) · 4n × u32 end of each text · n × u8 flags · the texts.
 * Texts column by column: paths, statistics, partition values as JSON, all else as JSON; the last
 * two are empty when there is nothing to say. Flags: 1 data change, 2 has statistics.
 */

import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { AddAction, PartitionValues } from './actions.ts'
import { LiveFile } from './live-file.ts'

/** A file with the hash of its path. */
export interface HashedFile {
  readonly hash: number
  readonly file: LiveFile
}

/** What is seldom there, and therefore JSON. */
type Rest = Pick<AddAction, 'deletionVector' | 'tags' | 'clusteringProvider'>

const NO_NUMBER = -(2n ** 63n)
const DATA_CHANGE = 1
const HAS_STATISTICS = 2
/** Bytes of a file's numbers: two f64, two i64, four u32, one u8. */
const FIXED_BYTES = 49

const NO_PARTITION: PartitionValues = Object.freeze({})

/** The quickest level that finds what the statistics of neighbours have in common. */
const LEVEL = 1
/** Room for a whole page: otherwise it is put together from pieces of 16 KiB. */
const CHUNK_BYTES = 64 * 1024

/** Files in one piece. Immutable. */
export class FilePage {
  readonly #hashes: Uint32Array
  readonly #packed: Buffer

  private constructor(hashes: Uint32Array, packed: Buffer) {
    this.#hashes = hashes
    this.#packed = packed
  }

  /** A page of at least one file. */
  static of(files: readonly HashedFile[]): FilePage {
    const params = { [constants.ZSTD_c_compressionLevel]: LEVEL }
    const compressed = zstdCompressSync(encode(files), { params, chunkSize: CHUNK_BYTES })
    // Not from the pool: a page would keep alive what shares its slab.
    const packed = Buffer.allocUnsafeSlow(compressed.length)
    compressed.copy(packed)
    return new FilePage(
      Uint32Array.from(files, ({ hash }) => hash),
      packed,
    )
  }

  get count(): number {
    return this.#hashes.length
  }

  get firstHash(): number {
    return this.#hashes[0]!
  }

  /** The file of that path; unpacks only when a hash is the same. */
  find(hash: number, path: string): LiveFile | undefined {
    let index = this.#hashes.indexOf(hash)
    if (index < 0) return undefined
    const columns = this.#unpacked()
    for (; this.#hashes[index] === hash; index++) {
      if (columns.path(index) === path) return columns.file(index)
    }
    return undefined
  }

  /** All files, in their order. */
  files(): readonly HashedFile[] {
    const columns = this.#unpacked()
    return Array.from(this.#hashes, (hash, index) => ({ hash, file: columns.file(index) }))
  }

  #unpacked(): Columns {
    return new Columns(this.count, zstdDecompressSync(this.#packed, { chunkSize: CHUNK_BYTES }))
  }
}

function encode(files: readonly HashedFile[]): Buffer {
  const count = files.length
  const actions = files.map(({ file }) => file.action)
  const texts = [
    ...actions.map(({ path }) => path),
    ...actions.map(({ statsJson }) => statsJson ?? ''),
    ...actions.map(({ partitionValues }) => partitionText(partitionValues)),
    ...actions.map(restText),
  ]
  const all = texts.join('')
  const textBytes = Buffer.byteLength(all)
  const isAscii = textBytes === all.length
  const bytes = Buffer.allocUnsafe(count * FIXED_BYTES + textBytes)
  actions.forEach((action, index) => {
    const flags =
      (action.dataChange ? DATA_CHANGE : 0) | (action.statsJson === null ? 0 : HAS_STATISTICS)
    bytes.writeDoubleLE(action.sizeBytes, index * 8)
    bytes.writeDoubleLE(action.modificationTimeMs, (count + index) * 8)
    bytes.writeBigInt64LE(action.baseRowId ?? NO_NUMBER, (2 * count + index) * 8)
    bytes.writeBigInt64LE(action.defaultRowCommitVersion ?? NO_NUMBER, (3 * count + index) * 8)
    bytes.writeUInt8(flags, 48 * count + index)
  })
  let end = 0
  texts.forEach((text, index) => {
    end += isAscii ? text.length : Buffer.byteLength(text)
    bytes.writeUInt32LE(end, 32 * count + index * 4)
  })
  bytes.write(all, FIXED_BYTES * count)
  return bytes
}

function partitionText(values: PartitionValues): string {
  for (const _ in values) return JSON.stringify(values)
  return ''
}

function restText({ deletionVector, tags, clusteringProvider }: AddAction): string {
  if (deletionVector === null && tags === null && clusteringProvider === null) return ''
  const rest: Rest = { deletionVector, tags, clusteringProvider }
  return JSON.stringify(rest)
}

/** Reads the layout. */
class Columns {
  readonly #count: number
  readonly #bytes: Buffer

  constructor(count: number, bytes: Buffer) {
    this.#count = count
    this.#bytes = bytes
  }

  path(index: number): string {
    return this.#text(0, index)
  }

  file(index: number): LiveFile {
    const count = this.#count
    const bytes = this.#bytes
    const flags = bytes.readUInt8(48 * count + index)
    const partition = this.#text(2, index)
    const restText = this.#text(3, index)
    const rest = restText === '' ? null : (JSON.parse(restText) as Rest)
    return new LiveFile({
      kind: 'add',
      path: this.path(index),
      partitionValues: partition === '' ? NO_PARTITION : (JSON.parse(partition) as PartitionValues),
      sizeBytes: bytes.readDoubleLE(index * 8),
      modificationTimeMs: bytes.readDoubleLE((count + index) * 8),
      dataChange: (flags & DATA_CHANGE) > 0,
      statsJson: (flags & HAS_STATISTICS) > 0 ? this.#text(1, index) : null,
      tags: rest?.tags ?? null,
      deletionVector: rest?.deletionVector ?? null,
      baseRowId: this.#number(2, index),
      defaultRowCommitVersion: this.#number(3, index),
      clusteringProvider: rest?.clusteringProvider ?? null,
    })
  }

  #number(column: number, index: number): bigint | null {
    const number = this.#bytes.readBigInt64LE((column * this.#count + index) * 8)
    return number === NO_NUMBER ? null : number
  }

  #text(column: number, index: number): string {
    const at = column * this.#count + index
    const ends = 32 * this.#count
    const start = at === 0 ? 0 : this.#bytes.readUInt32LE(ends + (at - 1) * 4)
    const end = this.#bytes.readUInt32LE(ends + at * 4)
    const texts = FIXED_BYTES * this.#count
    return this.#bytes.toString('utf8', texts + start, texts + end)
  }
}
