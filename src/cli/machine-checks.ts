/** What `doctor` looks at of this machine: memory, disks, open files. */

import { readFile, stat, statfs } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { dirname } from 'node:path'
import type { Config } from '../config/index.ts'
import type { PipelineSettings } from '../contracts/index.ts'
import { type Finding, fine, warning } from './checks.ts'
import { sizeText } from './format.ts'

/** Room on the disk of a folder, bytes; null where the system does not tell. */
export interface DiskRoom {
  readonly folder: string
  readonly freeBytes: number
  readonly totalBytes: number
}

/** What is known of the machine. */
export interface MachineFacts {
  /** What this process may use: of its control group, else of the machine. */
  readonly memoryBytes: number
  readonly store: DiskRoom
  readonly work: DiskRoom
  /** Files that may be open at once; null where the system does not tell. */
  readonly openFilesMax: number | null
}

/** Beside what pipelines are granted: JavaScript, checkpoints, buffers of the network. */
const BASE_MEMORY_BYTES = 260 * 1024 ** 2
/** The rest is left to what allocators round up. */
const GRANTED_SHARE_MAX = 0.95
/** Below this the next versions may not find room. */
const STORE_FREE_MIN_BYTES = 1024 ** 3
const STORE_FREE_MIN_SHARE = 0.05
/** Spilled runs, spools and Parquet files of several tables are open at once. */
const OPEN_FILES_MIN = 4096

/** Pure: the facts beside what the pipelines are granted. */
export function machineFindings(
  facts: MachineFacts,
  pipelines: readonly PipelineSettings[],
): readonly Finding[] {
  const granted = pipelines.reduce(
    (sum, { engineMemoryBytes, index, inFlightBytesMax }) =>
      sum + engineMemoryBytes + index.memoryBytes + inFlightBytesMax,
    BASE_MEMORY_BYTES,
  )
  return [
    memoryFinding(facts.memoryBytes, granted),
    storeFinding(facts.store),
    workFinding(facts.work, granted),
    ...openFilesFinding(facts.openFilesMax),
  ]
}

/** Asks the system. */
export async function readMachine(config: Config): Promise<MachineFacts> {
  // Without a limit the answer is larger than any machine, or 0.
  const limit = process.constrainedMemory() ?? 0
  const total = totalmem()
  return {
    memoryBytes: limit > 0 && limit < total ? limit : total,
    store: await readRoom(config.store.folder),
    work: await readRoom(config.workFolder),
    openFilesMax: await readOpenFilesMax(),
  }
}

function memoryFinding(memoryBytes: number, granted: number): Finding {
  const seen = `pipelines may use ${sizeText(granted)} of ${sizeText(memoryBytes)}`
  if (granted <= memoryBytes * GRANTED_SHARE_MAX) return fine('machine', 'memory', seen)
  const remedy =
    'Under full load the process would be killed (and go on at its next start). Set ' +
    'processMemory, lower memory, index.memory or inFlight of the pipelines, or give it more.'
  return warning('machine', 'memory', seen, remedy)
}

function storeFinding({ folder, freeBytes, totalBytes }: DiskRoom): Finding {
  const seen = `${sizeText(freeBytes)} of ${sizeText(totalBytes)} free at ${folder}`
  const isTight = freeBytes < STORE_FREE_MIN_BYTES || freeBytes < totalBytes * STORE_FREE_MIN_SHARE
  if (!isTight) return fine('machine', 'disk of the store', seen)
  const remedy = 'A full store stops every pipeline; nothing is lost. Make room, or move the store.'
  return warning('machine', 'disk of the store', seen, remedy)
}

function workFinding({ folder, freeBytes }: DiskRoom, granted: number): Finding {
  const seen = `${sizeText(freeBytes)} free at ${folder}, for what does not fit into memory`
  if (freeBytes >= granted) return fine('machine', 'disk for spill', seen)
  const remedy = `Make at least ${sizeText(granted)} of room, or set workFolder to a larger disk.`
  return warning('machine', 'disk for spill', seen, remedy)
}

function openFilesFinding(max: number | null): readonly Finding[] {
  if (max === null) return []
  const seen = `${max} may be open`
  if (max >= OPEN_FILES_MIN) return [fine('machine', 'file descriptors', seen)]
  const remedy = `Raise it to ${OPEN_FILES_MIN} or more: ulimit -n 65536, or LimitNOFILE=65536.`
  return [warning('machine', 'file descriptors', seen, remedy)]
}

/** The folder may not be there yet: then the nearest one above it. */
async function readRoom(folder: string): Promise<DiskRoom> {
  for (let path = folder; ; path = dirname(path)) {
    const isThere = await stat(path).then(
      () => true,
      () => false,
    )
    if (!isThere && dirname(path) !== path) continue
    const { bavail, blocks, bsize } = await statfs(path)
    return { folder, freeBytes: bavail * bsize, totalBytes: blocks * bsize }
  }
}

/** Linux tells; elsewhere it is left out. */
async function readOpenFilesMax(): Promise<number | null> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const found = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  return found === undefined ? null : Number(found)
}
