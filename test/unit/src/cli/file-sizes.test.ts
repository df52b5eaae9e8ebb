import { expect, test } from 'vitest'
import { distributionOf, histogramOf } from '../../../../src/cli/file-sizes.ts'

const MIB = 1024 ** 2

test('takes percentiles from sizes that are there', () => {
  const sizes = Float64Array.from({ length: 20 }, (_, index) => (index + 1) * 10)
  expect(distributionOf(sizes)).toEqual({
    min: 10,
    p10: 20,
    p50: 100,
    avg: 105,
    p95: 190,
    max: 200,
  })
  expect(distributionOf(Float64Array.of(1, 2, 9))).toMatchObject({ p10: 1, p50: 2, p95: 9 })
  const one = { min: 7, p10: 7, p50: 7, avg: 7, p95: 7, max: 7 }
  expect(distributionOf(Float64Array.of(7))).toEqual(one)
  expect(distributionOf(new Float64Array())).toMatchObject({ min: 0, p50: 0, avg: 0, max: 0 })
})

test('counts every file in one bucket, and shows the gaps between', () => {
  const buckets = histogramOf(Float64Array.of(MIB - 1, MIB, 20 * MIB, 2000 * MIB, 3000 * MIB))
  expect(buckets.map(({ count }) => count)).toEqual([1, 1, 1, 0, 0, 2])
  expect(buckets.at(-1)).toMatchObject({ toBytes: null, sizeBytes: 5000 * MIB })
  expect(histogramOf(new Float64Array())).toEqual([])
})
