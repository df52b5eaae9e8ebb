/** Any sequence of batches leaves the key index equal to a plain map. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import {
  createRowLocations,
  FILE_ORDINAL_MAX,
  type KeyIndex,
  NO_FILE,
  TOMBSTONE_FILE,
} from '../../../../src/contracts/index.ts'
import { createIndexStorage, openKeyIndex } from '../../../../src/state/index.ts'
import { mixHash } from '../../../../src/state/partition.ts'
import { silentTelemetry } from '../../../support/silent-telemetry.ts'

interface Entry {
  readonly key: number
  readonly file: number
  readonly row: number
  readonly ordering: bigint
}

const KEY_COUNT = 400

const entry: fc.Arbitrary<Entry> = fc.record({
  key: fc.nat(KEY_COUNT - 1),
  file: fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 0, max: FILE_ORDINAL_MAX }) },
    { weight: 2, arbitrary: fc.constant(NO_FILE) },
    { weight: 1, arbitrary: fc.constant(TOMBSTONE_FILE) },
  ),
  row: fc.integer({ min: 0, max: 0xffff_ffff }),
  ordering: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
})

const step = fc.oneof(
  { weight: 6, arbitrary: fc.array(entry, { maxLength: 600 }) },
  { weight: 1, arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
)

/** Words that put their keys into three partitions. */
const FEW_PARTITIONS = firstWords(KEY_COUNT, (word) => mixHash(0, 0, 0, word) >>> 24 < 3)

function firstWords(count: number, fits: (word: number) => boolean): readonly number[] {
  const words: number[] = []
  for (let word = 0; words.length < count; word++) if (fits(word)) words.push(word)
  return words
}

/** How keys become hashes: spread, or alike in all but a few bits. */
const hashing = fc.constantFrom<(key: number, word: number) => number>(
  (key, word) => Math.imul(key + 1, 0x9e3779b1 + 2 * word),
  (key, word) => (word === 3 ? key : 0),
  (key, word) => (word === 0 ? key << 20 : 0xffff_ffff),
  // All keys in few partitions, which then have many runs one after the other.
  (key, word) => (word === 3 ? FEW_PARTITIONS[key]! : 0),
  // All keys of one mixed hash: any page may hold any of them.
  (key, word) => (word === 0 ? Math.imul(key, 0x9e3779b1) : word === 1 ? key : 0),
)

const folder = mkdtempSync(join(tmpdir(), 'sluice-key-index-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/**
 * How much memory the index may use: all it wants; what an empty index takes and a little; none, so
 * that every batch goes to disk.
 */
const memories = fc.constantFrom(Number.POSITIVE_INFINITY, 190_000, 175_000, 0)

describe('key index', () => {
  it('equals a map after any batches of puts, deletes and forgotten tombstones', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 12 }),
        hashing,
        memories,
        async (steps, hash, memoryBytes) => {
          const storage = createIndexStorage({ memoryBytes, folder, telemetry: silentTelemetry })
          await using index = openKeyIndex({ storage, name: 'orders' })
          const model = new Map<number, Entry>()
          for (const next of steps) {
            if (typeof next === 'bigint') {
              const forgotten = [...model.values()].filter(
                (known) => known.file === TOMBSTONE_FILE && known.ordering < next,
              )
              for (const known of forgotten) model.delete(known.key)
              expect(await index.forgetTombstonesBelow(next)).toBe(forgotten.length)
            } else {
              await putBatch(index, next, hash)
              for (const change of next) {
                if (change.file === NO_FILE) model.delete(change.key)
                else model.set(change.key, change)
              }
            }
            await expectEqual(index, model, hash)
            if (memoryBytes === Number.POSITIVE_INFINITY) expect(index.keyCount).toBe(model.size)
            else expect(index.keyCount).toBeGreaterThanOrEqual(model.size)
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})

type Hash = (key: number, word: number) => number

function hashesOf(keys: readonly number[], hash: Hash): Uint32Array {
  const hashes = new Uint32Array(keys.length * 4)
  keys.forEach((key, i) => {
    for (let word = 0; word < 4; word++) hashes[i * 4 + word] = hash(key, word)
  })
  return hashes
}

async function putBatch(index: KeyIndex, batch: readonly Entry[], hash: Hash): Promise<void> {
  const from = createRowLocations(batch.length)
  batch.forEach((change, i) => {
    from.files[i] = change.file
    from.rows[i] = change.row
    from.orderings[i] = change.ordering
  })
  const keys = batch.map((change) => change.key)
  await index.put(hashesOf(keys, hash), batch.length, from)
}

async function expectEqual(index: KeyIndex, model: Map<number, Entry>, hash: Hash): Promise<void> {
  const keys = Array.from({ length: KEY_COUNT }, (_, key) => key)
  const into = createRowLocations(KEY_COUNT)
  await index.lookup(hashesOf(keys, hash), KEY_COUNT, into)
  const wanted = keys.map((key) => model.get(key))
  expect([...into.files]).toEqual(wanted.map((known) => known?.file ?? NO_FILE))
  expect([...into.rows]).toEqual(wanted.map((known) => known?.row ?? 0))
  expect([...into.orderings]).toEqual(wanted.map((known) => known?.ordering ?? 0n))
}
