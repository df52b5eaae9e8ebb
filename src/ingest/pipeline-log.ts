/**
 * The pipeline's own small log: the floor (position up to which all its tables are complete) and
 * the source's notes.
 * Layout: `_sluice/<pipeline>/<20 digits>.json`, created if absent, newest wins.
 */

import type { ObjectStore } from '../contracts/index.ts'
import { type JsonObject, SluiceError, type SourcePosition, type SplitId } from '../model/index.ts'
import { PIPELINE_LOG_ENTRIES_MAX } from './limits.ts'

/** Newest content of the log. */
export interface PipelineNotes {
  readonly floors: ReadonlyMap<SplitId, SourcePosition>
  readonly sourceMemory: JsonObject | null
}

/** The log of one pipeline, opened by one instance. */
export interface PipelineLog {
  readonly notes: PipelineNotes
  /** Durable when it returns. Throws SLU-ING-4001 when another instance wrote in between. */
  write(notes: PipelineNotes): Promise<void>
}

/** Folder of a pipeline's log, relative to the store. */
export function pipelineLogFolder(pipeline: string): string {
  return `_sluice/${pipeline}`
}

const entryPath = (pipeline: string, version: bigint): string =>
  `${pipelineLogFolder(pipeline)}/${version.toString().padStart(20, '0')}.json`

/** Reads the newest entry. `instance` is a unique id of this run, to recognise its own writes. */
export async function openPipelineLog(
  store: ObjectStore,
  pipeline: string,
  instance: string,
): Promise<PipelineLog> {
  const found = await newestVersion(store, pipeline, '')
  let version = found ?? -1n
  let notes = await readNotes(store, pipeline, version)
  return {
    get notes() {
      return notes
    },
    write: async (next) => {
      const target = version + 1n
      const path = entryPath(pipeline, target)
      const bytes = Buffer.from(JSON.stringify(notesToJson(next, instance)))
      await createOwn(store, path, bytes, pipeline, instance)
      // A stalled instance could re-create a version that was cleaned away: newer entries tell.
      const newest = await newestVersion(store, pipeline, path)
      if (newest !== null && newest > target) throw fenced(pipeline)
      version = target
      notes = next
      const old = target - BigInt(PIPELINE_LOG_ENTRIES_MAX)
      if (old >= 0n) await store.delete(entryPath(pipeline, old))
    },
  }
}

/** Creates the entry; an unknown outcome is resolved by reading it back. */
async function createOwn(
  store: ObjectStore,
  path: string,
  bytes: Buffer,
  pipeline: string,
  instance: string,
): Promise<void> {
  let failure: unknown = null
  try {
    if ((await store.putIfAbsent(path, bytes)) === 'created') return
  } catch (error) {
    failure = error
  }
  const present = await store.get(path)
  if (present === null) throw failure
  const json = JSON.parse(present.toString()) as { instance?: unknown }
  if (json.instance !== instance || !present.equals(bytes)) throw fenced(pipeline)
}

function fenced(pipeline: string): SluiceError {
  return new SluiceError('SLU-ING-4001', {
    message: `another instance of pipeline ${pipeline} wrote to its log`,
    context: { pipeline },
  })
}

async function newestVersion(
  store: ObjectStore,
  pipeline: string,
  startAfter: string,
): Promise<bigint | null> {
  let newest: bigint | null = null
  for await (const entry of store.list(
    `${pipelineLogFolder(pipeline)}/`,
    startAfter || undefined,
  )) {
    const name = /\/(\d{20})\.json$/.exec(entry.path)?.[1]
    if (name !== undefined) newest = BigInt(name)
  }
  return newest
}

async function readNotes(
  store: ObjectStore,
  pipeline: string,
  version: bigint,
): Promise<PipelineNotes> {
  if (version < 0n) return { floors: new Map(), sourceMemory: null }
  const bytes = await store.get(entryPath(pipeline, version))
  try {
    const json = JSON.parse((bytes as Buffer).toString()) as {
      floors: Record<string, string>
      sourceMemory: JsonObject | null
    }
    const floors = Object.entries(json.floors).map(
      ([split, position]) => [split, BigInt(position)] as const,
    )
    return { floors: new Map(floors), sourceMemory: json.sourceMemory }
  } catch (cause) {
    throw new SluiceError('SLU-ING-4008', {
      message: `${entryPath(pipeline, version)} is not an entry of a pipeline log`,
      cause,
    })
  }
}

function notesToJson(notes: PipelineNotes, instance: string): JsonObject {
  return {
    instance,
    floors: Object.fromEntries(
      [...notes.floors].map(([split, position]) => [split, position.toString()]),
    ),
    sourceMemory: notes.sourceMemory,
  }
}
