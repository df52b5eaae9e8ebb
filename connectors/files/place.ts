/**
 * Where the reading of a folder stands, and how to tell later whether what was read is the same.
 * Stored as the cursor's identity, so that reading goes on there without reading anything again.
 */

import { createHash } from 'node:crypto'
import { type JsonObject, type JsonValue, SluiceError } from '../../src/model/index.ts'
import {
  type FilesRead,
  filesReadFromJson,
  filesReadToJson,
  NOTHING_READ,
  withFile,
  withNextFile,
} from './files-read.ts'

/** A place in a file. Everything of the file before it has been yielded. */
export interface FilePlace {
  /** Name of the file being read; null before the first. */
  readonly file: string | null
  readonly fileOffsetBytes: number
  /** Lines of the file before the offset, for messages. */
  readonly lineCount: number
  /** Rows of a file of rows that are read, while more of them follow; absent otherwise. */
  readonly row?: number
  /** Size of a packed file that was read to its end; absent while it is read, and for others. */
  readonly packedBytes?: number
  /** True when the last line was taken although no LF ended it (end of a finite read). */
  readonly unended: boolean
  /** Bytes before the offset that `tailHash` covers. */
  readonly tailBytes: number
  readonly tailHash: string
}

/** A place in a folder of files. Everything before it has been yielded. */
export interface FolderPlace extends FilePlace {
  /** The files that were read whole, or passed over as late ones. */
  readonly read: FilesRead
  /** While a late file is read: the place at which reading goes on then; absent otherwise. */
  readonly waiting?: FilePlace
  /**
   * In a cursor of a version that kept no account of files: how many were read. `read` is empty
   * then, and is made up for at the start.
   */
  readonly filesBefore?: number
}

/** The place in the order of the names: all files before it were there when it was reached. */
export function placeInOrder(place: FolderPlace): FilePlace {
  return place.waiting ?? place
}

const FILE_START = {
  file: null,
  fileOffsetBytes: 0,
  lineCount: 0,
  unended: false,
  tailBytes: 0,
  tailHash: '',
} satisfies FilePlace

/** The place before the first file. */
export const FOLDER_START: FolderPlace = { ...FILE_START, read: NOTHING_READ }

/** Bytes before a place that are compared on resume. */
export const TAIL_BYTES_MAX = 4096

/** The place at the start of the next file, when the file of `place` has been read whole. */
export function nextFile(place: FolderPlace, file: string): FolderPlace {
  if (place.file === null) return { ...FOLDER_START, file }
  const read = withNextFile(place.read, place.file, readBytes(place))
  return { ...FILE_START, file, read }
}

/** The place at the start of a late file. */
export function lateFile({ read, ...waiting }: FolderPlace, file: string): FolderPlace {
  return { ...FILE_START, file, read, waiting }
}

/** The place where reading goes on after the late file of `place`, which has been read whole. */
export function afterLateFile(place: FolderPlace, waiting: FilePlace): FolderPlace {
  return { ...waiting, read: withFile(place.read, place.file ?? '', readBytes(place)) }
}

/** Size of the file of a place that has been read whole. */
export function readBytes({ packedBytes, fileOffsetBytes }: FolderPlace): number {
  return packedBytes ?? fileOffsetBytes
}

/** Hash of the last bytes before a place. */
export function hashTail(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url').slice(0, 22)
}

/** Place → JSON for the cursor. */
export function placeToJson({ read, waiting, filesBefore: _, ...place }: FolderPlace): JsonObject {
  return {
    ...place,
    filesRead: filesReadToJson(read),
    ...(waiting !== undefined && { waiting: { ...waiting } }),
  }
}

/** JSON of a cursor → place. Throws SLU-SRC-1403 when another kind of source wrote it. */
export function placeFromJson(json: JsonObject): FolderPlace {
  const place = filePlaceFromJson(json)
  const waiting = json.waiting === undefined ? undefined : filePlaceFromJson(json.waiting)
  const read = filesReadFromJson(json.filesRead)
  const { filesBefore } = json
  if (place !== null && waiting !== null) {
    if (read !== null) return { ...place, read, ...(waiting !== undefined && { waiting }) }
    if (typeof filesBefore === 'number') return { ...place, read: NOTHING_READ, filesBefore }
  }
  throw new SluiceError('SLU-SRC-1403', {
    message: 'The cursor of the table was not written by a files source.',
    remedy: 'Use a new pipeline name, or give the pipeline its former source.',
  })
}

function filePlaceFromJson(json: JsonValue): FilePlace | null {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null
  const { file, fileOffsetBytes, lineCount, unended, tailBytes, tailHash, row, packedBytes } =
    json as JsonObject
  if (
    (typeof file === 'string' || file === null) &&
    typeof fileOffsetBytes === 'number' &&
    typeof lineCount === 'number' &&
    typeof unended === 'boolean' &&
    typeof tailBytes === 'number' &&
    typeof tailHash === 'string'
  ) {
    return {
      file,
      fileOffsetBytes,
      lineCount,
      unended,
      tailBytes,
      tailHash,
      ...(typeof row === 'number' && { row }),
      ...(typeof packedBytes === 'number' && { packedBytes }),
    }
  }
  return null
}
