import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createRowLocations, NO_FILE } from '../../../../src/contracts/index.ts'
import { createIndexStorage, openKeyIndex } from '../../../../src/state/index.ts'
import { mixHash } from '../../../../src/state/partition.ts'
import { silentTelemetry } from '../../../support/silent-telemetry.ts'

/** Hashes that all fall into the first of the 256 partitions. */
function hashesOfOnePartition(count: number): Uint32Array {
  const hashes = new Uint32Array(count * 4)
  let found = 0
  for (let word = 0; found < count; word++) {
    if (mixHash(word, 0, 0, 0) < 2 ** 24) hashes[found++ * 4] = word
  }
  return hashes
}

describe('a run', () => {
  it('of more pages than are looked at together finds all its keys and no other', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-sorted-run-'))
    try {
      const storage = createIndexStorage({ memoryBytes: 0, folder, telemetry: silentTelemetry })
      await using index = openKeyIndex({ storage, name: 'orders' })
      const known = 140_000
      const all = known + 10_000
      const hashes = hashesOfOnePartition(all)
      const from = createRowLocations(known)
      for (let key = 0; key < known; key++) from.rows[key] = key
      await index.put(hashes, known, from)
      const into = createRowLocations(all)
      await index.lookup(hashes, all, into)
      expect(into.rows.subarray(0, known)).toEqual(from.rows)
      expect(into.files.subarray(0, known)).toEqual(from.files)
      expect(into.files.subarray(known)).toEqual(new Uint32Array(10_000).fill(NO_FILE))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
