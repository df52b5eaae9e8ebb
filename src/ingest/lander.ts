/**
 * Lands blocks: appends the bytes of each stream and schema to a spool file that the engine reads
 * in one go.
 */

import { type FileHandle, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlockPart, UnreadableRecords } from '../contracts/index.ts'
import { jsonLinesShape, type LandedSegment, type RecordRun } from '../decode/index.ts'
import { wrapError } from '../model/index.ts'
import { joinMarks, type MarkedPart } from './record-marks.ts'

/** The spool files of one batch. */
export interface BatchSpool {
  /** The part's records are of the split of that number. */
  append(part: BlockPart, splitNumber: number): Promise<void>
  /** Closes the files; segments per stream in the order their first record came. */
  seal(): Promise<ReadonlyMap<string, readonly LandedSegment[]>>
  /** Deletes the files. */
  discard(): Promise<void>
}

interface OpenSegment {
  /** Null when the rows stay in the file of the source. */
  readonly handle: FileHandle | null
  readonly part: BlockPart
  readonly path: string
  readonly shaped: Pick<LandedSegment, 'shapePath'>
  /** Null where the schema has no columns that are metadata. */
  readonly metadata: { readonly path: string; readonly handle: FileHandle } | null
  recordCount: number
  partialCount: number
  sizeBytes: number
  lineBytesMax: number
  hasShortNumbers: boolean
  /** With the first record of the part that they belong to. */
  readonly unreadable: { readonly firstRow: number; readonly records: UnreadableRecords }[]
  readonly runs: RecordRun[]
  readonly marks: MarkedPart[]
}

/** Opens the spool of a batch; files are named `<batch>-<n>.landed` in `folder`. */
export function createBatchSpool(folder: string, batch: bigint): BatchSpool {
  const segments: OpenSegment[] = []
  return {
    append: async (part, splitNumber) => {
      const last = segments.findLast((segment) => segment.part.schema.stream === part.schema.stream)
      const segment =
        last !== undefined && continues(last, part)
          ? last
          : await openSegment(join(folder, `${batch}-${segments.length}.landed`), part, segments)
      addFindings(segment, part)
      if (part.marks !== undefined) segment.marks.push({ ...part.marks, splitNumber })
      segment.recordCount += part.recordCount
      segment.partialCount += part.partialCount
      segment.sizeBytes += byteLengthOf(part)
      segment.lineBytesMax = Math.max(segment.lineBytesMax, lineBytesMaxOf(part))
      segment.hasShortNumbers &&= part.hasShortNumbers === true
      const { handle } = segment
      if (handle !== null) await writing(() => writeAll(handle, part.bytes), segment.path)
      await appendMetadata(segment, part)
      release(part)
    },
    seal: async () => {
      const byStream = new Map<string, LandedSegment[]>()
      for (const [number, segment] of segments.entries()) {
        await segment.handle?.close()
        await segment.metadata?.handle.close()
        const { stream } = segment.part.schema
        const ofStream = byStream.get(stream) ?? []
        byStream.set(stream, ofStream)
        const { part, path, shaped, recordCount, partialCount } = segment
        const { sizeBytes, lineBytesMax, hasShortNumbers } = segment
        const counts = { recordCount, partialCount, sizeBytes, lineBytesMax, hasShortNumbers }
        const told = segment.metadata === null ? {} : { metadataPath: segment.metadata.path }
        const marks = joinMarks(segment.marks, `marks_${number}`)
        const beside = { ...shaped, ...told, ...findingsOf(segment), ...(marks && { marks }) }
        ofStream.push({ ...layoutOf(part), path, ...counts, ...beside })
      }
      return byStream
    },
    discard: async () => {
      for (const { handle, path, shaped, metadata } of segments) {
        await metadata?.handle.close()
        if (metadata !== null) await rm(metadata.path, { force: true })
        if (handle === null) continue
        await handle.close()
        await rm(path, { force: true })
        if (shaped.shapePath !== undefined) await rm(shaped.shapePath, { force: true })
      }
    },
  }
}

/** Lands one part on its own, for readers that look at the source. Overwrites `path`. */
export async function landPart(part: BlockPart, path: string): Promise<LandedSegment> {
  if (part.file === undefined) await writing(() => writeFile(path, part.bytes), path)
  const shaped = await landShape(part, path)
  const { recordCount, partialCount, hasShortNumbers = false } = part
  const lineBytesMax = lineBytesMaxOf(part)
  const counts = { recordCount, partialCount, lineBytesMax, hasShortNumbers }
  const { unreadable, place, metadata } = part
  const metadataPath = metadataPathOf(path)
  if (metadata !== undefined) await writing(() => writeFile(metadataPath, metadata), metadataPath)
  return {
    ...layoutOf(part),
    path,
    ...shaped,
    ...counts,
    ...(metadata && { metadataPath }),
    ...(unreadable && { unreadable }),
    ...(place && { runs: [{ firstRow: 0, place }] }),
  }
}

/** Writes the shape of a part whose members must all have a column. */
async function landShape(part: BlockPart, path: string): Promise<Pick<LandedSegment, 'shapePath'>> {
  if (part.refusesUnknown !== true) return {}
  const shapePath = `${path}.shape`
  await writing(() => writeFile(shapePath, jsonLinesShape(part.schema)), shapePath)
  return { shapePath }
}

const metadataPathOf = (path: string): string => `${path}.metadata`

async function appendMetadata({ metadata }: OpenSegment, part: BlockPart): Promise<void> {
  const { metadata: lines } = part
  if (metadata === null || lines === undefined) return
  await writing(() => writeAll(metadata.handle, lines), metadata.path)
}

/** What a segment says of its bytes as its first part does. */
function layoutOf({ schema, format, csv, debezium, file, firstPosition }: BlockPart) {
  const layout = { ...(csv && { csv }), ...(debezium && { debezium }), ...(file && { file }) }
  return { schema, format, ...layout, firstPosition }
}

/** True when the lines of `part` may follow those of `segment` in one file. */
function continues(segment: OpenSegment, part: BlockPart): boolean {
  const { schema, format, csv, debezium, firstPosition } = segment.part
  if (schema.schemaId !== part.schema.schemaId || format !== part.format) return false
  if (csv !== part.csv || debezium !== part.debezium) return false
  if ((segment.metadata === null) !== (part.metadata === undefined)) return false
  if (!continuesRows(segment, part)) return false
  const isMarked = part.marks !== undefined
  if (isMarked !== (segment.part.marks !== undefined)) return false
  if (isMarked) return true
  // Lines of Postgres carry their positions; others are numbered from the first one on.
  return (
    format === 'copy-text' || firstPosition + BigInt(segment.recordCount) === part.firstPosition
  )
}

/** True when both are lines, or rows that follow each other in one file. */
function continuesRows({ part, recordCount }: OpenSegment, next: BlockPart): boolean {
  if (part.file === undefined || next.file === undefined) return part.file === next.file
  const { path, firstRow } = part.file
  return path === next.file.path && firstRow + recordCount === next.file.firstRow
}

/** Bytes of the records of a part, in memory or in their file. */
export function byteLengthOf({ bytes, file }: BlockPart): number {
  return file?.sizeBytes ?? bytes.byteLength
}

/** No line is longer than its part. */
function lineBytesMaxOf(part: BlockPart): number {
  return part.lineBytesMax ?? part.bytes.byteLength
}

/** Notes what the source says of single records of the part, before the part is counted. */
function addFindings(segment: OpenSegment, { unreadable, place }: BlockPart): void {
  const firstRow = segment.recordCount
  if (unreadable !== undefined) segment.unreadable.push({ firstRow, records: unreadable })
  if (place !== undefined) segment.runs.push({ firstRow, place })
}

function findingsOf({ unreadable, runs }: OpenSegment): Pick<LandedSegment, 'unreadable' | 'runs'> {
  const placed = runs.length === 0 ? {} : { runs }
  if (unreadable.length === 0) return placed
  const count = unreadable.reduce((sum, { records }) => sum + records.rows.length, 0)
  const hasValues = unreadable.some(({ records }) => records.values !== undefined)
  const values: Uint8Array[] = []
  const all = { rows: new Uint32Array(count), codes: new Uint8Array(count) }
  let at = 0
  for (const { firstRow, records } of unreadable) {
    for (const [index, row] of records.rows.entries()) {
      values.push(records.values?.[index] ?? new Uint8Array(0))
      all.rows[at] = firstRow + row
      all.codes[at++] = records.codes[index] as number
    }
  }
  return { ...placed, unreadable: { ...all, ...(hasValues && { values }) } }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let from = 0; from < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, from)
    from += bytesWritten
  }
}

/**
 * Gives the memory of landed bytes back to its source, or frees it at once: waiting for the
 * collector would hold many blocks.
 */
function release(part: BlockPart): void {
  const { buffer } = part.bytes
  if (part.release !== undefined) part.release()
  else if (buffer instanceof ArrayBuffer && buffer.byteLength === part.bytes.byteLength) {
    buffer.transfer(0)
  }
}

async function openSegment(
  path: string,
  part: BlockPart,
  all: OpenSegment[],
): Promise<OpenSegment> {
  const isInPlace = part.file !== undefined
  const handle = isInPlace ? null : await writing(() => open(path, 'w'), path)
  const counts = { recordCount: 0, partialCount: 0, sizeBytes: 0, lineBytesMax: 0 }
  const shaped = await landShape(part, path)
  const metadata = part.metadata === undefined ? null : await openMetadata(metadataPathOf(path))
  const beside = { metadata, unreadable: [], runs: [], marks: [] }
  const segment = { handle, part, path, shaped, ...counts, hasShortNumbers: true, ...beside }
  all.push(segment)
  return segment
}

async function openMetadata(path: string): Promise<NonNullable<OpenSegment['metadata']>> {
  return { path, handle: await writing(() => open(path, 'w'), path) }
}

async function writing<Result>(work: () => Promise<Result>, path: string): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw wrapError(error, 'SLU-ENG-7003', `cannot write the spool file ${path}`)
  }
}
