/**
 * Where the reading of a folder stands, and how to tell later whether what was read is the same.
 * Stored as the cursor's identity, so that reading goes on there without reading anything again.
 */

import { createHash } from 'node:crypto'
import { type JsonObject, SluiceError } from '../../src/model/index.ts'

/** A place in a folder of files. Everything before it has been yielded. */
export interface FolderPlace {
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
  /** Files read whole before this one, and a hash over their names and sizes. */
  readonly filesBefore: number
  readonly filesBeforeHash: string
}

/** The place before the first file. */
export const FOLDER_START: FolderPlace = {
  file: null,
  fileOffsetBytes: 0,
  lineCount: 0,
  unended: false,
  tailBytes: 0,
  tailHash: '',
  filesBefore: 0,
  filesBeforeHash: '',
}

/** Bytes before a place that are compared on resume. */
export const TAIL_BYTES_MAX = 4096

/** The place at the start of the next file, when the file of `place` has been read whole. */
export function nextFile(place: FolderPlace, file: string): FolderPlace {
  if (place.file === null) return { ...FOLDER_START, file }
  return {
    ...FOLDER_START,
    file,
    filesBefore: place.filesBefore + 1,
    filesBeforeHash: addToHash(place.filesBeforeHash, place.file, readBytes(place)),
  }
}

/** Size of the file of a place that has been read whole. */
export function readBytes({ packedBytes, fileOffsetBytes }: FolderPlace): number {
  return packedBytes ?? fileOffsetBytes
}

/** Hash over the names and sizes of files, in order. */
export function hashFiles(
  files: readonly { readonly name: string; readonly sizeBytes: number }[],
): string {
  return files.reduce((hash, file) => addToHash(hash, file.name, file.sizeBytes), '')
}

/** Hash of the last bytes before a place. */
export function hashTail(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url').slice(0, 22)
}

/** Place → JSON for the cursor. */
export function placeToJson(place: FolderPlace): JsonObject {
  return { ...place }
}

/** JSON of a cursor → place. Throws SLU-SRC-1403 when another kind of source wrote it. */
export function placeFromJson(json: JsonObject): FolderPlace {
  const { file, fileOffsetBytes, lineCount, unended } = json
  const { tailBytes, tailHash, filesBefore, filesBeforeHash, row, packedBytes } = json
  if (
    (typeof file === 'string' || file === null) &&
    typeof fileOffsetBytes === 'number' &&
    typeof lineCount === 'number' &&
    typeof unended === 'boolean' &&
    typeof tailBytes === 'number' &&
    typeof tailHash === 'string' &&
    typeof filesBefore === 'number' &&
    typeof filesBeforeHash === 'string'
  ) {
    return {
      file,
      fileOffsetBytes,
      lineCount,
      unended,
      tailBytes,
      tailHash,
      filesBefore,
      filesBeforeHash,
      ...(typeof row === 'number' && { row }),
      ...(typeof packedBytes === 'number' && { packedBytes }),
    }
  }
  throw new SluiceError('SLU-SRC-1403', {
    message: 'The cursor of the table was not written by a files source.',
    remedy: 'Use a new pipeline name, or give the pipeline its former source.',
  })
}

function addToHash(before: string, name: string, sizeBytes: number): string {
  return createHash('sha256')
    .update(`${before}\n${name}\n${sizeBytes}\n`)
    .digest('base64url')
    .slice(0, 22)
}
