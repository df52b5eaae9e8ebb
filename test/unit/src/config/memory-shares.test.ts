import fc from 'fast-check'
import { expect, test } from 'vitest'
import { leastMemory, shareMemory } from '../../../../src/config/memory-shares.ts'

const MIB = 1024 ** 2

test('deals out 512 MiB with room for the process itself', () => {
  const { engineBytes, indexBytes, inFlightBytes } = shareMemory(512 * MIB, 1)
  expect([engineBytes, indexBytes, inFlightBytes]).toEqual([133 * MIB, 71 * MIB, 22 * MIB])
})

test('never deals out more than there is, nor less than a pipeline needs', () => {
  const pipelines = fc.integer({ min: 1, max: 50 })
  fc.assert(
    fc.property(pipelines, fc.nat(64 * 1024), (count, moreMib) => {
      const totalBytes = leastMemory(count) + moreMib * MIB
      const { engineBytes, indexBytes, inFlightBytes } = shareMemory(totalBytes, count)
      const dealt = (engineBytes + indexBytes + inFlightBytes) * count
      expect(dealt).toBeLessThanOrEqual(totalBytes - 260 * MIB)
      expect(engineBytes).toBeGreaterThanOrEqual(64 * MIB)
      expect(indexBytes).toBeGreaterThanOrEqual(16 * MIB)
      expect(inFlightBytes).toBeGreaterThanOrEqual(MIB)
      expect(inFlightBytes).toBeLessThanOrEqual(64 * MIB)
    }),
  )
})

test('takes what is needed where there is less', () => {
  expect(shareMemory(100 * MIB, 3)).toEqual(shareMemory(leastMemory(3), 3))
})
