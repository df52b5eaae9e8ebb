/**
 * The stateful stage: where the live row of each key is.
 * Comes in: 128-bit key hashes and row locations in typed arrays. Goes out: old locations of those
 * keys, ordinals of files.
 * Must never: allocate per key, do I/O, or hold what cannot be rebuilt from the table.
 */

export { createFileOrdinals, type FileOrdinals } from './file-ordinals.ts'
export { createMemoryKeyIndex, type MemoryKeyIndexOptions } from './memory-key-index.ts'
