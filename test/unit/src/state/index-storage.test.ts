import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createRowLocations,
  type KeyIndex,
  NO_FILE,
  type Telemetry,
} from '../../../../src/contracts/index.ts'
import { createIndexStorage, openKeyIndex } from '../../../../src/state/index.ts'
import { silentTelemetry } from '../../../support/silent-telemetry.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-index-storage-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const EMPTY_INDEX_BYTES = openKeyIndex({
  storage: createIndexStorage({ memoryBytes: 0, folder: null, telemetry: silentTelemetry }),
  name: 'empty',
}).sizeBytes

function hashesOf(from: number, count: number): Uint32Array {
  const hashes = new Uint32Array(count * 4)
  for (let key = 0; key < count; key++) hashes[key * 4] = from + key
  return hashes
}

async function putKeys(index: KeyIndex, from: number, count: number): Promise<void> {
  const locations = createRowLocations(count)
  for (let key = 0; key < count; key++) locations.rows[key] = from + key
  await index.put(hashesOf(from, count), count, locations)
}

async function rowsOf(index: KeyIndex, from: number, count: number): Promise<Uint32Array> {
  const into = createRowLocations(count)
  await index.lookup(hashesOf(from, count), count, into)
  expect(into.files).not.toContain(NO_FILE)
  return into.rows
}

const numbers = (from: number, count: number) =>
  Uint32Array.from({ length: count }, (_, i) => from + i)
const runsOf = (name: string) => readdirSync(folder).filter((file) => file.startsWith(`${name}-`))

describe('index storage', () => {
  it('moves keys of the index that holds most, and none of one that holds little', async () => {
    const memoryBytes = 2 * EMPTY_INDEX_BYTES + 400_000
    const storage = createIndexStorage({ memoryBytes, folder, telemetry: silentTelemetry })
    await using small = openKeyIndex({ storage, name: 'small' })
    await using large = openKeyIndex({ storage, name: 'large' })
    await putKeys(small, 0, 2000)
    await putKeys(large, 0, 60_000)
    // The small one asks for memory, the large one gives it.
    await putKeys(small, 2000, 500)
    expect(runsOf('small')).toEqual([])
    expect(runsOf('large').length).toBeGreaterThan(0)
    expect(small.sizeBytes + large.sizeBytes).toBeLessThanOrEqual(memoryBytes)
    expect(await rowsOf(large, 0, 60_000)).toEqual(numbers(0, 60_000))
    expect(await rowsOf(small, 0, 2500)).toEqual(numbers(0, 2500))
  })

  it('says once for each table that its index goes on from disk', async () => {
    const lines: unknown[] = []
    const telemetry: Telemetry = {
      ...silentTelemetry,
      log: (level, message, fields) => lines.push([level, message, fields?.table]),
    }
    const storage = createIndexStorage({ memoryBytes: 0, folder, telemetry })
    await using index = openKeyIndex({ storage, name: 'orders' })
    await putKeys(index, 0, 10)
    await putKeys(index, 0, 10)
    expect(lines).toEqual([['info', 'the key index goes on from disk', 'orders']])
  })

  it('refuses keys beyond the memory when there is no disk', async () => {
    const memoryBytes = EMPTY_INDEX_BYTES + 100_000
    const storage = createIndexStorage({ memoryBytes, folder: null, telemetry: silentTelemetry })
    await using index = openKeyIndex({ storage, name: 'orders' })
    await putKeys(index, 0, 1000)
    await expect(putKeys(index, 1000, 50_000)).rejects.toMatchObject({ code: 'SLU-STA-5001' })
  })

  it('makes no room ahead for more keys than fit, so that they are not moved at once', async () => {
    const memoryBytes = EMPTY_INDEX_BYTES + 100_000
    const storage = createIndexStorage({ memoryBytes, folder, telemetry: silentTelemetry })
    await using index = openKeyIndex({ storage, name: 'orders', capacityHint: 1e9 })
    expect(index.sizeBytes).toBe(EMPTY_INDEX_BYTES)
  })

  it('leaves no file behind when an index is closed, and keeps those of others', async () => {
    const storage = createIndexStorage({ memoryBytes: 0, folder, telemetry: silentTelemetry })
    await using stays = openKeyIndex({ storage, name: 'stays' })
    const goes = openKeyIndex({ storage, name: 'goes' })
    await putKeys(stays, 0, 100)
    await putKeys(goes, 0, 100)
    await goes[Symbol.asyncDispose]()
    expect(runsOf('goes')).toEqual([])
    expect(await rowsOf(stays, 0, 100)).toEqual(numbers(0, 100))
  })

  it('reports a folder that cannot be written', async () => {
    const path = join(folder, 'taken')
    writeFileSync(path, '')
    const storage = createIndexStorage({ memoryBytes: 0, folder: path, telemetry: silentTelemetry })
    await using index = openKeyIndex({ storage, name: 'orders' })
    await expect(putKeys(index, 0, 10)).rejects.toMatchObject({ code: 'SLU-STA-5002' })
  })

  it('reports a file that lost its end instead of taking its keys for unknown', async () => {
    const storage = createIndexStorage({ memoryBytes: 0, folder, telemetry: silentTelemetry })
    await using index = openKeyIndex({ storage, name: 'orders' })
    await putKeys(index, 0, 1000)
    for (const file of runsOf('orders')) truncateSync(join(folder, file), 32)
    await expect(rowsOf(index, 0, 1000)).rejects.toMatchObject({ code: 'SLU-STA-5002' })
  })
})
