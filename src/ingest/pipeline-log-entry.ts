/**
 * One entry of a pipeline's log as bytes:
 * `{"checksum":C,"instance":"…","floors":{"<split>":"<position>"},"sourceMemory":{…}|null,
 * "streams":{"<stream>":{"left":null|{"code":…,"message":…,"remedy":…}}}}`
 * where C is the CRC-32 of all bytes behind the first comma. One wrong digit of a floor would make
 * the source skip changes, so an entry is taken whole or not at all.
 */

import { crc32 } from 'node:zlib'
import type { SourceWarning } from '../contracts/index.ts'
import type { JsonObject, SourcePosition, SplitId } from '../model/index.ts'

/** What a pipeline notes beside its tables. */
export interface PipelineNotes {
  readonly floors: ReadonlyMap<SplitId, SourcePosition>
  readonly sourceMemory: JsonObject | null
  /** Every stream that was read. The floor says nothing of those that were left. */
  readonly streams: ReadonlyMap<string, StreamNote>
}

/** A stream of a pipeline. */
export interface StreamNote {
  /** Why its table is fed no more; null while it is. */
  readonly left: SourceWarning | null
}

/** An entry as it was read. */
export interface PipelineLogEntry {
  /** Unique id of the run that wrote it. */
  readonly instance: string
  readonly notes: PipelineNotes
}

/** The bytes of an entry. */
export function printEntry({ instance, notes }: PipelineLogEntry): Buffer {
  const floors = [...notes.floors].map(([split, position]) => [split, position.toString()])
  const { sourceMemory } = notes
  const rest = JSON.stringify({
    instance,
    floors: Object.fromEntries(floors),
    sourceMemory,
    streams: Object.fromEntries(notes.streams),
  })
  return Buffer.from(`{"checksum":${crc32(rest.slice(1))},${rest.slice(1)}`)
}

/** The entry in the bytes, or what is wrong with them. */
export function parseEntry(bytes: Buffer): PipelineLogEntry | string {
  if (bytes.length === 0) return 'it is empty'
  const start = /^\{"checksum":(\d+),/.exec(bytes.toString('latin1', 0, START_LENGTH_MAX))
  // An entry without a checksum is one of an earlier version.
  if (start !== null && crc32(bytes.subarray(start[0].length)) !== Number(start[1])) {
    return 'its checksum is another: it was cut or changed'
  }
  let json: unknown
  try {
    json = JSON.parse(bytes.toString())
  } catch {
    return 'it is not JSON'
  }
  if (!isObject(json)) return 'it is no JSON object'
  const { instance, floors, sourceMemory, streams = {} } = json
  if (typeof instance !== 'string') return 'it has no instance'
  if (!isObject(floors) || !Object.values(floors).every(isPosition)) return 'it has no floors'
  if (sourceMemory !== null && !isObject(sourceMemory)) return 'it has no notes of the source'
  if (!isObject(streams) || !Object.values(streams).every(isStreamNote)) return 'it has no streams'
  const positions = Object.entries(floors).map(
    ([split, position]) => [split, BigInt(position as string)] as const,
  )
  const noted = Object.entries(streams) as unknown as readonly [string, StreamNote][]
  return {
    instance,
    notes: { floors: new Map(positions), sourceMemory, streams: new Map(noted) },
  }
}

/** Longest start of an entry that holds the checksum. */
const START_LENGTH_MAX = 24

const isPosition = (value: unknown): boolean => typeof value === 'string' && /^\d+$/.test(value)

function isStreamNote(value: unknown): boolean {
  if (!isObject(value) || value.left === undefined) return false
  const { left } = value
  if (left === null) return true
  return isObject(left) && [left.code, left.message, left.remedy].every(isText)
}

const isText = (value: unknown): boolean => typeof value === 'string'

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
