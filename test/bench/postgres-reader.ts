/**
 * The bare reader of a backlog in a Postgres slot: the connector's session, its blocks thrown away.
 */

import { tmpdir } from 'node:os'
import { createPostgresSource, postgresSettingsSchema } from '../../connectors/postgres/index.ts'
import type { SourceContext } from '../../src/contracts/index.ts'
import type { Cursor, JsonObject } from '../../src/model/index.ts'

/** What is read and until where. */
export interface BacklogRequest {
  readonly url: string
  readonly context: SourceContext
  readonly slot: string
  readonly publication: string
  readonly streams: readonly string[]
  /** Where the streams resume: the position of the slot. */
  readonly fromPosition: bigint
  /** The backlog is read when the source is complete up to here. */
  readonly untilPosition: bigint
  /** Identity as stored in cursors: slot, systemIdentifier, timeline. */
  readonly identity: JsonObject
  readonly bufferBytesMax: number
}

/** What was read. */
export interface BacklogResult {
  readonly records: number
  readonly bytes: number
  readonly elapsedMs: number
}

/** Reads the backlog once and acknowledges nothing, so that it can be read again. */
export async function readBacklog(request: BacklogRequest): Promise<BacklogResult> {
  const { url, context, slot, publication, streams, fromPosition, identity } = request
  const settings = postgresSettingsSchema.parse({ url, slot, publication })
  await using source = await createPostgresSource(settings, context)
  const cursor: Cursor = {
    split: 'slot',
    splitNumber: 0,
    nextPosition: fromPosition,
    phase: 'stream',
    identity,
    batchNumber: 1n,
    sourceTimeMicros: null,
  }
  const startedMs = context.clock.monotonicMs()
  const stop = new AbortController()
  await using session = await source.start({
    streams: new Map(streams.map((stream) => [stream, [cursor]])),
    memory: { read: () => Promise.resolve(null), write: () => Promise.resolve() },
    bufferBytesMax: request.bufferBytesMax,
    spoolFolder: tmpdir(),
    signal: stop.signal,
  })
  let records = 0
  let bytes = 0
  for await (const block of session.blocks()) {
    for (const part of block.parts) {
      records += part.recordCount
      bytes += part.bytes.length
    }
    if (block.endsTransaction && block.nextPosition >= request.untilPosition) break
  }
  return { records, bytes, elapsedMs: context.clock.monotonicMs() - startedMs }
}
