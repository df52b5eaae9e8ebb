/** Deletion vectors of one table: read with a bounded cache, written in packed files. */

import type { Clock, ObjectStore } from '../../src/contracts/index.ts'
import type { DeletionVectorDescriptor } from '../../src/model/index.ts'
import { vectorId } from './actions.ts'
import {
  corrupt,
  decodeFrame,
  decodeInline,
  FRAME_OVERHEAD_BYTES,
  layOutVector,
  packVectors,
} from './deletion-vector.ts'
import { decodePath, vectorName, vectorPath } from './log-path.ts'
import { bitmapSizeBytes, EMPTY_ROWS, type RowBitmap } from './row-bitmap.ts'
import type { TablePaths } from './table-paths.ts'

/** What a vector store is made of. */
export interface VectorStoreOptions {
  readonly store: ObjectStore
  readonly clock: Clock
  readonly paths: TablePaths
  /** Upper bound of decoded vectors kept: those of recently touched files are merged again soon. */
  readonly cacheBytesMax: number
}

/** All rows of the largest file that a vector can describe, as bits, and the heads around them. */
const VECTOR_BYTES_MAX = 544 * 1024 * 1024

/** Enough to hide a store's latency, few enough for its connections. */
const READS_AT_ONCE = 16

/**
 * Reads and writes vectors. A descriptor never changes its meaning, so the cache cannot be stale.
 */
export class VectorStore {
  readonly #options: VectorStoreOptions
  /** In order of last use, oldest first. */
  readonly #cache = new Map<string, RowBitmap>()
  #cachedBytes = 0

  constructor(options: VectorStoreOptions) {
    this.#options = options
  }

  /** Rows that a vector hides; none for null. Throws SLU-TAB-3002, SLU-STO-2005. */
  async read(descriptor: DeletionVectorDescriptor | null): Promise<RowBitmap> {
    if (descriptor === null) return EMPTY_ROWS
    if (descriptor.storageType === 'i') return decodeInline(descriptor)
    const id = vectorId(descriptor)!
    const cached = this.#cache.get(id)
    if (cached !== undefined) {
      this.#cache.delete(id)
      this.#cache.set(id, cached)
      return cached
    }
    const bitmap = decodeFrame(await this.#readFrame(descriptor), descriptor)
    this.remember(descriptor, bitmap)
    return bitmap
  }

  /** Reads many, a bounded number at once, in order. */
  async readAll(
    descriptors: readonly (DeletionVectorDescriptor | null)[],
  ): Promise<readonly RowBitmap[]> {
    const bitmaps: RowBitmap[] = []
    for (let start = 0; start < descriptors.length; start += READS_AT_ONCE) {
      const group = descriptors.slice(start, start + READS_AT_ONCE)
      bitmaps.push(...(await Promise.all(group.map((descriptor) => this.read(descriptor)))))
    }
    return bitmaps
  }

  /** Writes bitmaps to new files and returns their descriptors in order. None may be empty. */
  async write(bitmaps: readonly RowBitmap[]): Promise<readonly DeletionVectorDescriptor[]> {
    const { store, clock, paths } = this.#options
    const { files, packed } = packVectors(bitmaps.map(layOutVector))
    const names = files.map(() => vectorName(clock.uuid()))
    await Promise.all(
      files.map((bytes, index) => store.put(paths.object(vectorPath(names[index]!)!), bytes)),
    )
    return packed.map(({ file, offset, sizeBytes }, index) => ({
      storageType: 'u',
      pathOrInline: names[file]!,
      offset,
      sizeBytes,
      cardinality: bitmaps[index]!.cardinality,
    }))
  }

  /** Keeps a decoded vector, within the bound. */
  remember(descriptor: DeletionVectorDescriptor, bitmap: RowBitmap): void {
    const id = vectorId(descriptor)!
    if (this.#cache.has(id)) return
    this.#cache.set(id, bitmap)
    this.#cachedBytes += bitmapSizeBytes(bitmap)
    for (const [oldest, dropped] of this.#cache) {
      if (this.#cachedBytes <= this.#options.cacheBytesMax) break
      this.#cache.delete(oldest)
      this.#cachedBytes -= bitmapSizeBytes(dropped)
    }
  }

  async #readFrame(descriptor: DeletionVectorDescriptor): Promise<Buffer> {
    const { store, paths } = this.#options
    const { storageType, pathOrInline, sizeBytes } = descriptor
    if (sizeBytes > VECTOR_BYTES_MAX) throw corrupt(descriptor, `it cannot have ${sizeBytes} bytes`)
    const path = storageType === 'u' ? vectorPath(pathOrInline) : decodePath(pathOrInline)
    if (path === null) throw corrupt(descriptor, 'its name is not Z85 of a UUID')
    // A descriptor without offset names the first vector of its file, after the version byte.
    const offset = descriptor.offset ?? 1
    const length = descriptor.sizeBytes + FRAME_OVERHEAD_BYTES
    return store.getRange(paths.object(path), offset, length)
  }
}
