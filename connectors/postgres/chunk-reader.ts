/**
 * Reads chunks with several connections and hands their rows over in the order of the chunks: then
 * one place says how far a copy is.
 */

import type { BlockPart } from '../../src/contracts/index.ts'
import type { RunningCopy } from './running-copy.ts'
import type { SnapshotReader } from './snapshot-copy.ts'

/** What chunks are read with. */
export interface ChunkRequest<Chunk> {
  /** Connections under one snapshot; each reads one chunk at a time. */
  readonly readers: readonly SnapshotReader[]
  /** Taken from when a connection is free. */
  readonly chunks: Iterable<Chunk>
  readonly start: (reader: SnapshotReader, chunk: Chunk) => RunningCopy
}

/** A part of a chunk's rows, or its end. */
export interface ChunkPart<Chunk> {
  readonly chunk: Chunk
  /** Null after the last part. */
  readonly part: BlockPart | null
}

interface Started<Chunk> {
  readonly reader: SnapshotReader
  readonly chunk: Chunk
  readonly copy: RunningCopy
}

/**
 * While the first of the running chunks is handed over, the others fill their buffers; so as many
 * chunks as there are connections are in memory, each within the bound of its `RunningCopy`.
 */
export async function* readChunks<Chunk>(
  request: ChunkRequest<Chunk>,
): AsyncGenerator<ChunkPart<Chunk>, void> {
  const chunks = request.chunks[Symbol.iterator]()
  const running: Started<Chunk>[] = []
  const startNext = (reader: SnapshotReader): void => {
    const next = chunks.next()
    if (next.done) return
    running.push({ reader, chunk: next.value, copy: request.start(reader, next.value) })
  }
  try {
    for (const reader of request.readers) startNext(reader)
    for (let head = running[0]; head !== undefined; head = running[0]) {
      const { chunk, copy, reader } = head
      for (let part = await copy.next(); part !== null; part = await copy.next()) {
        yield { chunk, part }
      }
      await copy[Symbol.asyncDispose]()
      running.shift()
      startNext(reader)
      yield { chunk, part: null }
    }
  } finally {
    await Promise.all(running.map(({ copy }) => copy[Symbol.asyncDispose]()))
  }
}
