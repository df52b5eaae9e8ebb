/** Lands blocks: appends the bytes of each stream and schema to a spool file that the engine reads in one go. */

import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlockPart } from '../contracts/index.ts'
import type { LandedSegment } from '../decode/index.ts'
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

/** Opens the spool of a batch; files are named `<batch>-<n>.landed` in `folder`. */
export function createBatchSpool(folder: string, batch: bigint): BatchSpool {
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
      segment.lineBytesMax = Math.max(segment.lineBytesMax, part.bytes.byteLength)
      await writing(() => segment.handle.appendFile(part.bytes), segment.path)
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
