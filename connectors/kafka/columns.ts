/** Records of one partition as typed arrays over one buffer. */

/**
 * Consecutive records, index 0 the first. Starts are places in `bytes`.
 * Invariants: 1. `offsets` ascends. 2. keys, values and headers lie inside `bytes`, in the order of
 * the records, and between two values are at least `RECORD_BYTES_MIN` bytes. 3. `bytes` belongs to
 * whoever holds the columns and may be written over.
 */
export interface RecordColumns {
  readonly bytes: Buffer
  /** Where the first record begins in `bytes`. */
  readonly firstByte: number
  readonly recordCount: number
  readonly offsets: BigInt64Array
  /** Epoch milliseconds as the producer or, with log-append time, the broker gave them. */
  readonly timestamps: BigInt64Array
  readonly keyStarts: Int32Array
  /** −1 for a null key. */
  readonly keyLengths: Int32Array
  readonly valueStarts: Int32Array
  /** −1 for a null value. */
  readonly valueLengths: Int32Array
  readonly headerStarts: Int32Array
  readonly headerLengths: Int32Array
  readonly headerCounts: Int32Array
}

/** Columns that are being filled. */
export interface GrowingColumns {
  readonly rows: number
  readonly offsets: BigInt64Array
  readonly timestamps: BigInt64Array
  /** The same bytes as 32-bit halves, low first: writing them makes no bigint. */
  readonly offsetHalves: Int32Array
  readonly timestampHalves: Int32Array
  readonly keyStarts: Int32Array
  readonly keyLengths: Int32Array
  readonly valueStarts: Int32Array
  readonly valueLengths: Int32Array
  readonly headerStarts: Int32Array
  readonly headerLengths: Int32Array
  readonly headerCounts: Int32Array
}

/** Arrays for so many records. */
export function allocateColumns(rows: number): GrowingColumns {
  const offsets = new BigInt64Array(rows)
  const timestamps = new BigInt64Array(rows)
  return {
    rows,
    offsets,
    timestamps,
    offsetHalves: new Int32Array(offsets.buffer),
    timestampHalves: new Int32Array(timestamps.buffer),
    keyStarts: new Int32Array(rows),
    keyLengths: new Int32Array(rows),
    valueStarts: new Int32Array(rows),
    valueLengths: new Int32Array(rows),
    headerStarts: new Int32Array(rows),
    headerLengths: new Int32Array(rows),
    headerCounts: new Int32Array(rows),
  }
}

/** The records from index `first` on, over the bytes that were decoded. */
export function finishColumns(
  columns: GrowingColumns,
  bytes: Buffer,
  first: number,
): RecordColumns {
  const isFirst = first === 0
  const before = first - 1
  const firstByte = isFirst
    ? 0
    : (columns.headerStarts[before] as number) + (columns.headerLengths[before] as number)
  const cut = (array: Int32Array): Int32Array => (isFirst ? array : array.subarray(first))
  return {
    bytes,
    firstByte,
    recordCount: columns.rows - first,
    offsets: columns.offsets.subarray(first),
    timestamps: columns.timestamps.subarray(first),
    keyStarts: cut(columns.keyStarts),
    keyLengths: cut(columns.keyLengths),
    valueStarts: cut(columns.valueStarts),
    valueLengths: cut(columns.valueLengths),
    headerStarts: cut(columns.headerStarts),
    headerLengths: cut(columns.headerLengths),
    headerCounts: cut(columns.headerCounts),
  }
}
