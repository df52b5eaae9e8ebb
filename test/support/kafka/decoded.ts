/** Decoded columns as plain records: for tests that compare them. */

import {
  copyKeys,
  type DecodeRequest,
  decodeRecords,
  type RecordChunk,
  type RecordColumns,
  readHeaders,
} from '../../../connectors/kafka/wire.ts'

/** A record with everything it has. */
export interface DecodedRecord {
  readonly offset: bigint
  readonly timestamp: bigint
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

/** The partition that unit tests decode. */
export const PLACE = { topic: 'orders', partition: 3 }

/** Decodes a copy of the bytes; from offset 0, uncommitted records too, unless told otherwise. */
export function decodeAll(
  records: Buffer,
  more: Partial<DecodeRequest> = {},
): readonly RecordChunk[] {
  return [
    ...decodeRecords({
      place: PLACE,
      fromOffset: 0n,
      aborted: null,
      ...more,
      records: Buffer.from(records),
    }),
  ]
}

/** The records of chunks. */
export function recordsOf(chunks: readonly RecordColumns[]): readonly DecodedRecord[] {
  return chunks.flatMap((columns) => {
    const keys = copyKeys(columns)
    return Array.from({ length: columns.recordCount }, (_, row) => {
      const start = columns.valueStarts[row] as number
      const length = columns.valueLengths[row] as number
      const keyEnd = keys.ends[row] as number
      const key = keys.bytes.toString(
        'latin1',
        row === 0 ? 0 : (keys.ends[row - 1] as number),
        keyEnd,
      )
      return {
        offset: columns.offsets[row] as bigint,
        timestamp: columns.timestamps[row] as bigint,
        key: keys.nulls[row] === 1 ? null : key,
        value: length < 0 ? null : columns.bytes.toString('latin1', start, start + length),
        headers: readHeaders(columns, row).map(
          (header) =>
            [header.key.toString('latin1'), header.value?.toString('latin1') ?? null] as const,
        ),
      }
    })
  })
}
