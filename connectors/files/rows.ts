/** Blocks of the rows of a file that the engine reads where it lies. Pure. */

import type { BlockPart } from '../../src/contracts/index.ts'
import { SluiceError, type SourcePosition } from '../../src/model/index.ts'
import type { RowsShape } from './file-format.ts'
import { type FolderPlace, hashTail } from './place.ts'

/** Rows of a part, at most: batches close between parts. */
const PART_ROWS_MAX = 65_536

/** Consecutive rows of a file and the place behind them. */
export interface RowRange {
  readonly place: FolderPlace
  readonly firstRow: number
  readonly rowCount: number
  readonly sizeBytes: number
}

/**
 * What is left of a file from a place on. `end` are the last bytes of the file: the place holds
 * their fingerprint from its first row on, since nothing is ever appended to such a file. Throws
 * SLU-SRC-1403 when the file has another size than the one of which rows were read.
 */
export function* rowRanges(
  place: FolderPlace,
  { rows: { rowCount } }: RowsShape,
  { sizeBytes, end, partBytesMax }: FileEnd,
): Generator<RowRange> {
  const { file, fileOffsetBytes } = place
  if (fileOffsetBytes > 0 && fileOffsetBytes !== sizeBytes) {
    throw new SluiceError('SLU-SRC-1403', {
      message: `The file ${file} had ${fileOffsetBytes} bytes when it was read; now ${sizeBytes}.`,
      context: { file, readBytes: fileOffsetBytes, sizeBytes },
    })
  }
  const { row: _, ...rest } = place
  const fingerprint = { tailBytes: end.length, tailHash: hashTail(end) }
  const behind = { ...rest, fileOffsetBytes: sizeBytes, unended: false, ...fingerprint }
  const bytesPerRow = sizeBytes / Math.max(rowCount, 1)
  const step = Math.min(PART_ROWS_MAX, Math.max(1, Math.floor(partBytesMax / bytesPerRow)))
  let row = fileOffsetBytes === 0 ? 0 : (place.row ?? rowCount)
  if (rowCount === 0) yield { place: behind, firstRow: 0, rowCount: 0, sizeBytes: 0 }
  while (row < rowCount) {
    const count = Math.min(step, rowCount - row)
    const firstRow = row
    row += count
    const at = { ...behind, lineCount: row, ...(row < rowCount && { row }) }
    yield { place: at, firstRow, rowCount: count, sizeBytes: Math.ceil(count * bytesPerRow) }
  }
}

/** The end of a file, and how large parts may be. */
export interface FileEnd {
  readonly sizeBytes: number
  readonly end: Buffer
  readonly partBytesMax: number
}

/** The part of a range. */
export function rowsPart(
  { schema, format, rows: { path, columns } }: RowsShape,
  { firstRow, rowCount, sizeBytes }: RowRange,
  firstPosition: SourcePosition,
): BlockPart {
  return {
    schema,
    format,
    file: { path, firstRow, sizeBytes, columns },
    bytes: new Uint8Array(0),
    release: () => {},
    recordCount: rowCount,
    firstPosition,
    partialCount: 0,
  }
}
