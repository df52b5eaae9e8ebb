/** The copy of one table: how far it is, and its chunks as blocks. */

import type { BlockPart, SourceBlock, SourceProgress } from '../../src/contracts/index.ts'
import type { SourcePosition, StreamSchema } from '../../src/model/index.ts'
import { type CopyRelation, readCopyRelations, type TableFacts } from './catalog.ts'
import { readChunks } from './chunk-reader.ts'
import {
  type CopyChunk,
  type CopyPlace,
  type InterruptedCopy,
  interruptedCopy,
  placeToJson,
  planChunks,
} from './copy-plan.ts'
import type { Opening, SessionOptions } from './opening.ts'
import type { RunningCopy } from './running-copy.ts'
import type { SnapshotReader } from './snapshot-copy.ts'
import { SPLIT, SPLIT_NUMBER } from './stream-reader.ts'

/** How far the copy of a table is. */
export interface StreamCopy {
  readonly stream: string
  attempt: string
  /** The first block of it was yielded. */
  isBegun: boolean
  /** The end of the last chunk that was yielded whole. */
  place: CopyPlace | null
  /** Null when the copy begins from empty. */
  interrupted: InterruptedCopy | null
  relations: readonly CopyRelation[]
  rowsCopied: number
  rowsExpected: number | null
  complete: boolean
}

/** What the copies of a session share. */
export interface CopyWork {
  readonly options: SessionOptions
  readonly opening: Opening
  /** The blocks of the stream come meanwhile. */
  readonly isBeside: boolean
  tableOf(stream: string): TableFacts
  schemaOf(table: TableFacts): StreamSchema
}

/** A copy of which nothing is known yet. */
export function newCopy({ options, tableOf }: CopyWork, stream: string): StreamCopy {
  return {
    stream,
    isBegun: false,
    place: null,
    attempt: options.context.clock.uuid(),
    interrupted: null,
    relations: [],
    rowsCopied: 0,
    rowsExpected: tableOf(stream).rowsEstimated,
    complete: false,
  }
}

/** False where tables begin with the stream, without their rows of before. */
export function copiesRows({ options }: Pick<CopyWork, 'options'>): boolean {
  return options.settings.snapshot.mode !== 'never'
}

/** The columns of the table that is copied. */
export function schemaOf(work: CopyWork, stream: string): StreamSchema {
  return work.schemaOf(work.tableOf(stream))
}

/**
 * Decides whether a copy goes on where it was, or begins from empty; so it does where the table
 * must consist of the same files (`ResumeFacts.files`) and does not.
 */
export function takeUp(work: CopyWork, copy: StreamCopy, files: string | null): void {
  const { identity, publishedStreams, snapshot, confirmedPosition, streams } = work.opening
  const { stream } = copy
  const mayGoOn = copiesRows(work) && publishedStreams.has(stream)
  copy.interrupted = interruptedCopy(mayGoOn ? (streams.get(stream) ?? null) : null, {
    identity,
    confirmedPosition: snapshot === null ? confirmedPosition : null,
    tableOid: work.tableOf(stream).oid,
    schema: schemaOf(work, stream),
    files,
  })
  copy.attempt = copy.interrupted?.attempt ?? copy.attempt
  copy.rowsCopied = copy.interrupted?.rowsCopied ?? 0
  copy.place = copy.interrupted?.place ?? null
  if (copy.interrupted === null) return
  const { rowsCopied, place } = copy.interrupted
  const fields = { stream, rowsCopied, block: place.block }
  work.options.context.telemetry.log('info', 'the copy goes on', fields)
}

/** Asks which files are to be copied, under the snapshot of the copy. */
export async function readRelations(
  { tableOf }: CopyWork,
  copy: StreamCopy,
  reader: SnapshotReader,
): Promise<void> {
  const table = tableOf(copy.stream)
  copy.relations = await readCopyRelations(reader.connection, table)
  copy.rowsExpected = rowsExpected(copy.relations) ?? table.rowsEstimated
}

/** As the status shows it. */
export function progressOf(copies: Iterable<StreamCopy>): SourceProgress['copies'] {
  return [...copies].map(({ stream, rowsCopied, rowsExpected, complete }) => ({
    ...{ stream, rowsCopied, rowsExpected, complete },
  }))
}

interface ChunkOfStream {
  readonly copy: StreamCopy
  readonly chunk: CopyChunk
}

/** The chunks of the copies that are left, in order. */
export function* chunksOf(
  work: CopyWork,
  copies: Iterable<StreamCopy>,
): Generator<ChunkOfStream, void> {
  const { chunkRows } = work.options.settings.snapshot
  const { versionNumber } = work.opening.server
  for (const copy of copies) {
    const table = work.tableOf(copy.stream)
    const isResumable = table.key.length > 0
    const facts = { table, relations: copy.relations, versionNumber, chunkRows, isResumable }
    for (const chunk of planChunks(facts, copy.place)) yield { copy, chunk }
  }
}

/**
 * The blocks of the chunks. The last part of a chunk is held back until it is known to be the last:
 * it tells the place.
 */
export async function* copyChunks(
  work: CopyWork,
  copies: Iterable<StreamCopy>,
  readers: readonly SnapshotReader[],
  bytesMax: number,
): AsyncGenerator<SourceBlock, void> {
  const reader = readers[0] as SnapshotReader
  const start = (by: SnapshotReader, { copy, chunk }: ChunkOfStream): RunningCopy => {
    const { stream } = copy
    return by.startRows(
      { table: work.tableOf(stream), schema: schemaOf(work, stream) },
      bytesMax,
      chunk,
    )
  }
  let held: BlockPart | null = null
  for await (const read of readChunks({ readers, chunks: chunksOf(work, copies), start })) {
    const { copy, chunk } = read.chunk
    if (read.part !== null) {
      if (held !== null) yield copyBlock(work, copy, [held], reader)
      held = read.part
      continue
    }
    const rows: readonly BlockPart[] = held === null ? [] : [held]
    held = null
    copy.place = chunk.place
    copy.complete = chunk.isLast
    if (rows.length > 0 || copy.complete) yield copyBlock(work, copy, rows, reader)
  }
}

/** A block of a copy; what it says of its progress is what is known now. */
export function copyBlock(
  work: CopyWork,
  copy: StreamCopy,
  parts: readonly BlockPart[],
  at: { readonly position: SourcePosition; readonly timeMicros: bigint | null },
): SourceBlock {
  for (const part of parts) copy.rowsCopied += part.recordCount
  const { stream, attempt, place, complete, rowsCopied, relations } = copy
  const resumed = copy.interrupted !== null
  const first = !resumed && !copy.isBegun
  copy.isBegun = true
  const facts = { table: work.tableOf(stream), schema: schemaOf(work, stream), relations }
  const json = place && placeToJson(place, rowsCopied, facts)
  const progress = { stream, attempt, first, complete, rowsCopied, resumed, place: json }
  return {
    split: SPLIT,
    splitNumber: SPLIT_NUMBER,
    parts,
    nextPosition: at.position,
    endsTransaction: true,
    copy: work.isBeside ? { ...progress, beside: true } : progress,
    identity: work.opening.identity,
    sourceTimeMicros: at.timeMicros,
  }
}

function rowsExpected(relations: readonly CopyRelation[]): number | null {
  let sum = 0
  for (const { blockCount, rowsPerBlock } of relations) {
    if (blockCount > 0 && rowsPerBlock === null) return null
    sum += blockCount * (rowsPerBlock ?? 0)
  }
  return relations.length === 0 ? null : Math.round(sum)
}
