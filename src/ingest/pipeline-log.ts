/**
 * The pipeline's own small log: the floor (position up to which all its tables are complete) and
 * the source's notes.
 * Layout: `_sluice/<pipeline>/<20 digits>.json`, created if absent, newest wins. An entry that
 * cannot be read is never passed over: a floor or a note that is missing could look like a slot
 * that moved. Whoever removes it decides so; the entry before it then counts.
 */

import type { ObjectStore } from '../contracts/index.ts'
import { SluiceError } from '../model/index.ts'
import { PIPELINE_LOG_ENTRIES_MAX } from './limits.ts'
import {
  type PipelineLogEntry,
  type PipelineNotes,
  parseEntry,
  printEntry,
} from './pipeline-log-entry.ts'

/** The log of one pipeline, opened by one instance. */
export interface PipelineLog {
  readonly notes: PipelineNotes
  /**
   * Changes some of the notes, one call after the other; durable when it returns. Throws
   * SLU-ING-4001 when another instance wrote in between, and SLU-ING-4008 when what stands in its
   * place cannot be read.
   */
  write(change: Partial<PipelineNotes>): Promise<void>
}

/** Folder of a pipeline's log, relative to the store. */
export function pipelineLogFolder(pipeline: string): string {
  return `_sluice/${pipeline}`
}

const entryPath = (pipeline: string, version: bigint): string =>
  `${pipelineLogFolder(pipeline)}/${version.toString().padStart(20, '0')}.json`

/**
 * Reads the newest entry. `instance` is a unique id of this run, to recognise its own writes.
 * Throws SLU-ING-4008 when it cannot be read.
 */
export async function openPipelineLog(
  store: ObjectStore,
  pipeline: string,
  instance: string,
): Promise<PipelineLog> {
  const found = await newestVersion(store, pipeline, '')
  let version = found ?? -1n
  let notes = await readNotes(store, pipeline, version)
  const write = async (change: Partial<PipelineNotes>): Promise<void> => {
    const next = { ...notes, ...change }
    const target = version + 1n
    const path = entryPath(pipeline, target)
    if (!(await createOwn(store, path, { instance, notes: next }))) throw fenced(pipeline)
    // A stalled instance could re-create a version that was cleaned away: newer entries tell.
    const newest = await newestVersion(store, pipeline, path)
    if (newest !== null && newest > target) throw fenced(pipeline)
    version = target
    notes = next
    const old = target - BigInt(PIPELINE_LOG_ENTRIES_MAX)
    if (old >= 0n) await store.delete(entryPath(pipeline, old))
  }
  let tail: Promise<void> = Promise.resolve()
  return {
    get notes() {
      return notes
    },
    write: (change) => {
      const written = tail.then(() => write(change))
      tail = written.catch(() => undefined)
      return written
    },
  }
}

/**
 * Creates the entry; an unknown outcome is resolved by reading it back. False when another instance
 * holds its place.
 */
async function createOwn(
  store: ObjectStore,
  path: string,
  entry: PipelineLogEntry,
): Promise<boolean> {
  const bytes = printEntry(entry)
  let failure: unknown = null
  try {
    if ((await store.putIfAbsent(path, bytes)) === 'created') return true
  } catch (error) {
    failure = error
  }
  const present = await store.get(path)
  if (present === null) throw failure ?? unreadable(store, path, NO_FILE)
  if (present.equals(bytes)) return true
  checkedEntry(store, path, present)
  return false
}

const NO_FILE = 'no file stands there'

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
  if (version < 0n) return { floors: new Map(), sourceMemory: null, streams: new Map() }
  const path = entryPath(pipeline, version)
  const bytes = await store.get(path)
  if (bytes === null) throw unreadable(store, path, NO_FILE)
  return checkedEntry(store, path, bytes).notes
}

function checkedEntry(store: ObjectStore, path: string, bytes: Buffer): PipelineLogEntry {
  const entry = parseEntry(bytes)
  if (typeof entry === 'string') throw unreadable(store, path, entry)
  return entry
}

function unreadable(store: ObjectStore, path: string, fault: string): SluiceError {
  const url = store.readUrl(path)
  return new SluiceError('SLU-ING-4008', {
    message: `${url} is not an entry of a pipeline log: ${fault}`,
    context: { url },
  })
}
