/**
 * Bench `index`: the key index in memory and on disk, batches of 200,000 keys.
 * `insert` grows from nothing, `lookup-new` finds nothing, `lookup` half of its keys, `put`
 * replaces, `upsert` is a look-up and a put of the same keys, half of them known.
 */

import { performance } from 'node:perf_hooks'
import { createRowLocations, type KeyIndex, NO_FILE } from '../../src/contracts/index.ts'
import { createIndexStorage, openKeyIndex } from '../../src/state/index.ts'
import { silentTelemetry } from '../support/silent-telemetry.ts'
import { round } from './case-result.ts'

/** What to run. */
export interface IndexRequest {
  /** Keys of the full index. */
  readonly keys: number
  /** Memory of the index on disk. */
  readonly diskMemoryBytes: number
  /** Empty folder for the index on disk. */
  readonly folder: string
  readonly print: (line: string) => void
}

/** One line of the result. */
export interface IndexResult {
  readonly case: string
  readonly keys: number
  readonly rowsPerSecond: number
  readonly medianBatchMs: number
  readonly slowestBatchMs: number
  /** Of the full index; on disk what it keeps in memory. */
  readonly memoryBytesPerKey: number
  readonly wrong: readonly string[]
}

const BATCH_KEYS = 200_000
/** Batches that measure each of lookup, put and upsert. */
const BATCHES = 10

/** Runs the cases one after the other. */
export async function benchKeyIndex(request: IndexRequest): Promise<readonly IndexResult[]> {
  const results: IndexResult[] = []
  for (const where of ['memory', 'disk'] as const) {
    const storage = createIndexStorage({
      memoryBytes: where === 'memory' ? Number.POSITIVE_INFINITY : request.diskMemoryBytes,
      folder: where === 'memory' ? null : request.folder,
      telemetry: silentTelemetry,
    })
    await using index = openKeyIndex({ storage, name: 'bench' })
    for (const work of WORKS) {
      request.print(`${where}: ${work}`)
      results.push(await runCase(index, where, work, request.keys))
    }
  }
  return results
}

const WORKS = ['insert', 'lookup-new', 'lookup', 'put', 'upsert'] as const
type Work = (typeof WORKS)[number]

async function runCase(
  index: KeyIndex,
  where: string,
  work: Work,
  keys: number,
): Promise<IndexResult> {
  const hashes = new Uint32Array(BATCH_KEYS * 4)
  const locations = createRowLocations(BATCH_KEYS)
  const batches = work === 'insert' ? Math.ceil(keys / BATCH_KEYS) : BATCHES
  const timesMs: number[] = []
  let wrongRows = 0
  for (let batch = 0; batch < batches; batch++) {
    const keyOf = (row: number): number => {
      const number = batch * BATCH_KEYS + row
      if (work === 'insert') return number
      const known = mix(number, work.length) % keys
      return isKnown(work, row) ? known : known + 2 * keys
    }
    fillHashes(hashes, keyOf)
    const startMs = performance.now()
    const looksUp = work === 'lookup' || work === 'lookup-new'
    if (looksUp || work === 'upsert') await index.lookup(hashes, BATCH_KEYS, locations)
    let elapsedMs = performance.now() - startMs
    if (looksUp) wrongRows += countWrong(work, locations.files)
    else {
      locations.files.fill(batch)
      locations.rows.forEach((_, row) => {
        locations.rows[row] = row
      })
      const putMs = performance.now()
      await index.put(hashes, BATCH_KEYS, locations)
      elapsedMs += performance.now() - putMs
    }
    timesMs.push(elapsedMs)
  }
  const sumMs = timesMs.reduce((sum, ms) => sum + ms, 0)
  timesMs.sort((left, right) => left - right)
  return {
    case: `${where} ${work}`,
    keys,
    rowsPerSecond: Math.round((batches * BATCH_KEYS) / (sumMs / 1000)),
    medianBatchMs: round(timesMs[timesMs.length >> 1] ?? 0, 1),
    slowestBatchMs: round(timesMs.at(-1) ?? 0, 1),
    memoryBytesPerKey: round(index.sizeBytes / index.keyCount, 1),
    wrong: wrongRows === 0 ? [] : [`${wrongRows} look-ups`],
  }
}

function isKnown(work: Work, row: number): boolean {
  return work === 'put' || (work !== 'lookup-new' && row % 2 === 1)
}

function countWrong(work: Work, files: Uint32Array): number {
  return files.reduce(
    (sum, file, row) => sum + Number((file !== NO_FILE) !== isKnown(work, row)),
    0,
  )
}

function fillHashes(hashes: Uint32Array, keyOf: (row: number) => number): void {
  for (let row = 0; row < BATCH_KEYS; row++) {
    const key = keyOf(row)
    for (let word = 0; word < 4; word++) hashes[row * 4 + word] = mix(key, word)
  }
}

function mix(value: number, salt: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b) ^ Math.imul(salt + 1, 0x9e3779b1)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** The results for a person, one line each. */
export function indexLines(results: readonly IndexResult[]): readonly string[] {
  return results.map(
    ({ case: name, rowsPerSecond, medianBatchMs, slowestBatchMs, memoryBytesPerKey, wrong }) =>
      `${name.padEnd(18)} ${rowsPerSecond} keys/s, a batch ${medianBatchMs} ms (slowest ` +
      `${slowestBatchMs}), ${memoryBytesPerKey} bytes a key ${wrong.join()}`,
  )
}
