/**
 * Lands blocks: appends the bytes of each stream and schema to a spool file that the engine reads
 * in one go.
 */

import { type FileHandle, open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlockPart } from '../contracts/index.ts'
import { type LandedSegment, numberedBytesMax, numberLines } from '../decode/index.ts'
import { wrapError } from '../model/index.ts'

/** The spool files of one batch. */
export interface BatchSpool {
  append(part: BlockPart): Promise<void>
  /** Closes the files; segments per stream in the order their first record came. */
  seal(): Promise<ReadonlyMap<string, readonly LandedSegment[]>>
  /** Deletes the files. */
  discard(): Promise<void>
}

interface OpenSegment {
  readonly handle: FileHandle
  readonly part: BlockPart
  readonly path: string
  recordCount: number
  partialCount: number
  lineBytesMax: number
}

/**
 * Memory in which lines are put together: grown to the largest part, reused by the batches of one
 * pipeline.
 */
export interface LandingScratch {
  bytes: Buffer
}

/** Opens the spool of a batch; files are named `<batch>-<n>.landed` in `folder`. */
export function createBatchSpool(
  folder: string,
  batch: bigint,
  scratch: LandingScratch,
): BatchSpool {
  const segments: OpenSegment[] = []
  return {
    append: async (part) => {
      const last = segments.findLast((segment) => segment.part.schema.stream === part.schema.stream)
      const segment =
        last?.part.schema.schemaId === part.schema.schemaId && last.part.format === part.format
          ? last
          : await openSegment(join(folder, `${batch}-${segments.length}.landed`), part, segments)
      segment.recordCount += part.recordCount
      segment.partialCount += part.partialCount
      const { bytes, lineBytesMax } = landedBytes(part, scratch)
      segment.lineBytesMax = Math.max(segment.lineBytesMax, lineBytesMax)
      await writing(() => writeAll(segment.handle, bytes), segment.path)
      release(part)
    },
    seal: async () => {
      const byStream = new Map<string, LandedSegment[]>()
      for (const segment of segments) {
        await segment.handle.close()
        const { schema, format, firstPosition } = segment.part
        const ofStream = byStream.get(schema.stream) ?? []
        byStream.set(schema.stream, ofStream)
        const { path, recordCount, partialCount, lineBytesMax } = segment
        ofStream.push({
          path,
          format,
          schema,
          firstPosition,
          recordCount,
          partialCount,
          lineBytesMax,
        })
      }
      return byStream
    },
    discard: async () => {
      for (const segment of segments) {
        await segment.handle.close()
        await rm(segment.path, { force: true })
      }
    },
  }
}

/** Lands one part on its own, for readers that compare with the source. Overwrites `path`. */
export async function landPart(part: BlockPart, path: string): Promise<LandedSegment> {
  const { bytes, lineBytesMax } = landedBytes(part, { bytes: Buffer.alloc(0) })
  await writing(() => writeFile(path, bytes), path)
  const { schema, format, firstPosition, recordCount, partialCount } = part
  return { path, format, schema, firstPosition, recordCount, partialCount, lineBytesMax }
}

/** What is written for a part: its own bytes, JSON lines with their positions. */
function landedBytes(
  part: BlockPart,
  scratch: LandingScratch,
): { readonly bytes: Uint8Array; readonly lineBytesMax: number } {
  // No line is longer than its part.
  if (part.format !== 'json-lines') {
    return { bytes: part.bytes, lineBytesMax: part.bytes.byteLength }
  }
  const needed = numberedBytesMax(part.bytes.byteLength, part.recordCount)
  if (scratch.bytes.length < needed) scratch.bytes = Buffer.allocUnsafeSlow(needed)
  const { buffer, byteOffset, byteLength } = part.bytes
  const lines = Buffer.from(buffer, byteOffset, byteLength)
  const { byteCount, lineBytesMax } = numberLines(lines, part.firstPosition, scratch.bytes)
  return { bytes: scratch.bytes.subarray(0, byteCount), lineBytesMax }
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
  const handle = await writing(() => open(path, 'w'), path)
  const segment = { handle, part, path, recordCount: 0, partialCount: 0, lineBytesMax: 0 }
  all.push(segment)
  return segment
}

async function writing<Result>(work: () => Promise<Result>, path: string): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw wrapError(error, 'SLU-ENG-7003', `cannot write the spool file ${path}`)
  }
}
