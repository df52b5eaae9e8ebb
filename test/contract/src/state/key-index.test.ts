/** Contract suite of `KeyIndex`, run by every implementation. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createRowLocations,
  FILE_ORDINAL_MAX,
  type KeyIndex,
  NO_FILE,
  type RowLocations,
  TOMBSTONE_FILE,
} from '../../../../src/contracts/index.ts'
import { createIndexStorage, openKeyIndex } from '../../../../src/state/index.ts'
import { silentTelemetry } from '../../../support/silent-telemetry.ts'

interface Location {
  readonly file: number
  readonly row: number
  readonly ordering: bigint
}

interface Implementation {
  readonly name: string
  readonly memoryBytes: number
  readonly capacityHint?: number
}

const IMPLEMENTATIONS: readonly Implementation[] = [
  { name: 'in memory', memoryBytes: Number.POSITIVE_INFINITY },
  {
    name: 'in memory, with room made ahead',
    memoryBytes: Number.POSITIVE_INFINITY,
    capacityHint: 5000,
  },
  // Just above what an index without keys takes: partitions go to disk in turn as they fill.
  { name: 'partly on disk', memoryBytes: 300_000 },
  { name: 'on disk after every batch', memoryBytes: 0 },
]

const folder = mkdtempSync(join(tmpdir(), 'sluice-key-index-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function open({ memoryBytes, capacityHint }: Implementation): KeyIndex {
  const isInMemory = memoryBytes === Number.POSITIVE_INFINITY
  const storage = createIndexStorage({
    memoryBytes,
    folder: isInMemory ? null : folder,
    telemetry: silentTelemetry,
  })
  return openKeyIndex({ storage, name: 'orders', ...(capacityHint && { capacityHint }) })
}

/** A 128-bit hash that depends on all of `key`'s bits. */
function hashesOf(keys: readonly number[]): Uint32Array {
  const hashes = new Uint32Array(keys.length * 4)
  keys.forEach((key, i) => {
    for (let word = 0; word < 4; word++) {
      hashes[i * 4 + word] = Math.imul(key + 1, 0x9e3779b1 + word * 2) ^ (key << word)
    }
  })
  return hashes
}

function locationsOf(locations: readonly Location[]): RowLocations {
  const columns = createRowLocations(locations.length)
  locations.forEach((location, i) => {
    columns.files[i] = location.file
    columns.rows[i] = location.row
    columns.orderings[i] = location.ordering
  })
  return columns
}

async function put(index: KeyIndex, entries: readonly (readonly [number, Location])[]) {
  const hashes = hashesOf(entries.map(([key]) => key))
  await index.put(hashes, entries.length, locationsOf(entries.map(([, location]) => location)))
}

async function get(index: KeyIndex, keys: readonly number[]): Promise<Location[]> {
  const into = locationsOf(keys.map(() => ({ file: 77, row: 77, ordering: 77n })))
  await index.lookup(hashesOf(keys), keys.length, into)
  return keys.map((_, i) => ({
    file: into.files[i]!,
    row: into.rows[i]!,
    ordering: into.orderings[i]!,
  }))
}

const at = (file: number, row: number, ordering = 0n): Location => ({ file, row, ordering })
const absent = at(NO_FILE, 0)

for (const implementation of IMPLEMENTATIONS) {
  const isInMemory = implementation.memoryBytes === Number.POSITIVE_INFINITY
  describe(`key index ${implementation.name}`, () => {
    let index: KeyIndex
    beforeEach(() => {
      index = open(implementation)
    })
    afterEach(async () => {
      await index[Symbol.asyncDispose]()
    })

    it('knows no key at first', async () => {
      expect(await get(index, [1, 2])).toEqual([absent, absent])
      expect(index.keyCount).toBe(0)
    })

    it('returns the location that was put, with the extremes of every column', async () => {
      const locations = [
        at(0, 0, 0n),
        at(FILE_ORDINAL_MAX, 0xffff_ffff, 2n ** 63n - 1n),
        at(7, 0x8000_0000, -(2n ** 63n)),
        at(8, 1, -1n),
      ]
      await put(
        index,
        locations.map((location, key) => [key, location] as const),
      )
      expect(await get(index, [0, 1, 2, 3, 4])).toEqual([...locations, absent])
      expect(index.keyCount).toBe(4)
    })

    it('keeps the last location of a key, across batches and within one', async () => {
      await put(index, [[1, at(1, 1, 1n)]])
      await put(index, [
        [1, at(2, 2, 2n)],
        [2, at(3, 3, 3n)],
        [1, at(4, 4, 4n)],
      ])
      expect(await get(index, [1, 2, 1])).toEqual([at(4, 4, 4n), at(3, 3, 3n), at(4, 4, 4n)])
      expect(index.keyCount).toBe(2)
    })

    it('reads and writes only the first count keys', async () => {
      const hashes = hashesOf([1, 2])
      await index.put(hashes, 1, locationsOf([at(1, 1), at(2, 2)]))
      expect(await get(index, [1, 2])).toEqual([at(1, 1), absent])
      const into = locationsOf([at(9, 9), at(9, 9)])
      await index.lookup(hashes, 1, into)
      expect([...into.files]).toEqual([1, 9])
    })

    it('refuses a batch shorter than its count', async () => {
      const call = index.put(hashesOf([1]), 2, createRowLocations(2))
      await expect(call).rejects.toMatchObject({ code: 'SLU-BUG-9001' })
    })

    it('takes columns that are views into larger buffers', async () => {
      const words = new Uint32Array([9, ...hashesOf([5])])
      const orderings = new BigInt64Array([1n, 42n]).subarray(1)
      const columns = {
        files: new Uint32Array([1, 3]).subarray(1),
        rows: new Uint32Array([1, 4]).subarray(1),
        orderings,
      }
      await index.put(words.subarray(1), 1, columns)
      expect(await get(index, [5])).toEqual([at(3, 4, 42n)])
    })

    it('forgets a key that is put with NO_FILE, and no other', async () => {
      const keys = Array.from({ length: 2000 }, (_, key) => key)
      await put(
        index,
        keys.map((key) => [key, at(1, key)] as const),
      )
      await put(
        index,
        keys.filter((key) => key % 3 === 0).map((key) => [key, absent] as const),
      )
      await put(index, [[9999, absent]])
      const expected = keys.map((key) => (key % 3 === 0 ? absent : at(1, key)))
      expect(await get(index, keys)).toEqual(expected)
      const left = keys.filter((key) => key % 3 !== 0).length
      if (isInMemory) expect(index.keyCount).toBe(left)
      else expect(index.keyCount).toBeGreaterThanOrEqual(left)
    })

    it('remembers a delete as a tombstone until it is told to forget it', async () => {
      await put(index, [
        [1, at(TOMBSTONE_FILE, 0, -5n)],
        [2, at(TOMBSTONE_FILE, 0, 10n)],
        [3, at(TOMBSTONE_FILE, 0, 2n ** 40n)],
        [4, at(1, 1, 1n)],
      ])
      expect(index.keyCount).toBe(4)
      expect(await index.forgetTombstonesBelow(-5n)).toBe(0)
      expect(await index.forgetTombstonesBelow(10n)).toBe(1)
      expect(await get(index, [1, 2])).toEqual([absent, at(TOMBSTONE_FILE, 0, 10n)])
      expect(await index.forgetTombstonesBelow(2n ** 40n + 1n)).toBe(2)
      expect(await get(index, [2, 3, 4])).toEqual([absent, absent, at(1, 1, 1n)])
      expect(index.keyCount).toBe(1)
    })

    it('counts no tombstone that a later put replaced or removed', async () => {
      await put(index, [
        [1, at(TOMBSTONE_FILE, 0, 1n)],
        [2, at(TOMBSTONE_FILE, 0, 1n)],
      ])
      await put(index, [
        [1, at(5, 5, 2n)],
        [2, absent],
      ])
      expect(await index.forgetTombstonesBelow(100n)).toBe(0)
      expect(await get(index, [1, 2])).toEqual([at(5, 5, 2n), absent])
    })

    it('forgets everything when cleared and goes on', async () => {
      await put(index, [[1, at(1, 1)]])
      await index.clear()
      expect(await get(index, [1])).toEqual([absent])
      expect(index.keyCount).toBe(0)
      await put(index, [[1, at(2, 2)]])
      expect(await get(index, [1])).toEqual([at(2, 2)])
    })

    it('keeps every key while it grows, and tells hashes apart by one bit', async () => {
      const count = 40_000
      const hashes = new Uint32Array(count * 4)
      for (let key = 0; key < count; key++) {
        // One word only differs, a different one in each quarter.
        hashes[key * 4 + Math.floor((key * 4) / count)] = 1 + (key % (count / 4))
      }
      const from = createRowLocations(count)
      for (let key = 0; key < count; key++) {
        from.files[key] = key % 13
        from.rows[key] = key
        from.orderings[key] = BigInt(key) << 33n
      }
      const step = isInMemory ? 1000 : 10_000
      for (let start = 0; start < count; start += step) {
        await index.put(hashes.subarray(start * 4), step, {
          files: from.files.subarray(start),
          rows: from.rows.subarray(start),
          orderings: from.orderings.subarray(start),
        })
      }
      const into = createRowLocations(count)
      await index.lookup(hashes, count, into)
      expect(into).toEqual(from)
      expect(index.keyCount).toBe(count)
    })

    it('holds hashes that agree in all low or all high bits', async () => {
      const count = 5000
      for (const shift of [0, 15]) {
        const hashes = new Uint32Array(count * 4)
        for (let i = 0; i < hashes.length; i++) hashes[i] = (i >> 2) << shift
        const from = createRowLocations(count)
        for (let key = 0; key < count; key++) from.rows[key] = key
        await index.clear()
        await index.put(hashes, count, from)
        const into = createRowLocations(count)
        await index.lookup(hashes, count, into)
        expect(into.rows).toEqual(from.rows)
        expect(index.keyCount).toBe(count)
      }
    })

    if (isInMemory) {
      it('keeps at most 48 bytes per key, averaged over sizes', async () => {
        const step = 4096
        const columns = createRowLocations(step)
        const ratios: number[] = []
        for (let size = step; size <= 50 * step; size += step) {
          const keys = Array.from({ length: step }, (_, i) => size + i)
          await index.put(hashesOf(keys), step, columns)
          if (index.keyCount > 10 * step) ratios.push(index.sizeBytes / index.keyCount)
        }
        const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length
        expect(mean).toBeGreaterThan(32)
        expect(mean).toBeLessThanOrEqual(48)
      })
    } else {
      it('uses disk and no more memory than granted', async () => {
        const count = 40_000
        const keys = Array.from({ length: count }, (_, key) => key)
        await index.put(hashesOf(keys), count, createRowLocations(count))
        expect(readdirSync(folder).length).toBeGreaterThan(0)
        const emptyBytes = 256 * 32 * 24
        expect(index.sizeBytes).toBeLessThanOrEqual(
          Math.max(emptyBytes, implementation.memoryBytes),
        )
        await index.clear()
        expect(readdirSync(folder)).toEqual([])
      })
    }

    it('is closed twice without harm and refuses work afterwards', async () => {
      await index[Symbol.asyncDispose]()
      await index[Symbol.asyncDispose]()
      await expect(get(index, [1])).rejects.toMatchObject({ code: 'SLU-BUG-9001' })
      expect(readdirSync(folder)).toEqual([])
    })
  })
}
