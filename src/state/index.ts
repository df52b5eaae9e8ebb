/**
 * The stateful stage: where the live row of each key is.
 * Comes in: 128-bit key hashes and row locations in typed arrays. Goes out: old locations of those
 * keys, ordinals of files.
 * Must never: allocate per key, use more memory than granted, or hold what cannot be rebuilt from
 * the table.
 */

export { createFileOrdinals, type FileOrdinals } from './file-ordinals.ts'
export {
  createIndexStorage,
  type IndexMember,
  type IndexStorage,
  type IndexStorageOptions,
} from './index-storage.ts'
export { type KeyIndexOptions, openKeyIndex } from './key-index.ts'
