/** Seam: where the live row of a key is. Implemented in src/state. */

/** Stands in `files` for "no such key". */
export const NO_FILE = 0xffff_ffff
/** Stands in `files` for a remembered delete; `orderings` tells of which change. */
export const TOMBSTONE_FILE = 0xffff_fffe
/** Largest ordinal of a file; what lies above has a meaning of its own. */
export const FILE_ORDINAL_MAX = 0xffff_fffc

/** Parallel columns of row locations; entry i belongs to key i. */
export interface RowLocations {
  /** File ordinal, `NO_FILE` or `TOMBSTONE_FILE`. */
  readonly files: Uint32Array
  /** Row position in the file. */
  readonly rows: Uint32Array
  /** Ordering of the change that wrote the row. */
  readonly orderings: BigInt64Array
}

/**
 * 128-bit key hash → (file ordinal, row, ordering).
 * Shape: `hashes` holds four u32 per key, the hash's 16 little-endian bytes. No allocation per key.
 * Promises: (1) `put` of a key replaces its location; (2) batches are applied in call order; (3)
 * growth in memory delays no single call by more than 50 ms; (4) at most 48 bytes per key at rest,
 * and no more memory than was granted: what exceeds it goes to disk, a part in every call.
 * Throws SLU-STA-5001 when more memory is needed than granted and there is no disk, 5002 when the
 * disk fails; the index is then of no further use.
 */
export interface KeyIndex extends AsyncDisposable {
  /**
   * Live keys and tombstones. With parts on disk an upper bound: a key that was put again may count
   * twice until its part is written again.
   */
  readonly keyCount: number
  /** Memory; parts on disk are not counted. */
  readonly sizeBytes: number
  /** Fills `into[0..count)` with the locations of `hashes[0..4*count)`. */
  lookup(hashes: Uint32Array, count: number, into: RowLocations): Promise<void>
  /**
   * Stores `from[0..count)`; a `TOMBSTONE_FILE` remembers a delete, a `NO_FILE` forgets the key.
   */
  put(hashes: Uint32Array, count: number, from: RowLocations): Promise<void>
  /** Forgets tombstones whose ordering is below the bound; returns how many. */
  forgetTombstonesBelow(orderingExclusive: bigint): Promise<number>
  /** Forgets everything. */
  clear(): Promise<void>
}

/** Makes columns for `capacity` locations. */
export function createRowLocations(capacity: number): RowLocations {
  return {
    files: new Uint32Array(capacity),
    rows: new Uint32Array(capacity),
    orderings: new BigInt64Array(capacity),
  }
}
