/** Sizes of files as a distribution: percentiles and a histogram. Pure. */

/** What the sizes of a set of files look like; all zero for no files. */
export interface SizeDistribution {
  readonly min: number
  readonly p10: number
  readonly p50: number
  readonly avg: number
  readonly p95: number
  readonly max: number
}

/** Files of `fromBytes` up to, not including, `toBytes`; null is no bound. */
export interface SizeBucket {
  readonly fromBytes: number
  readonly toBytes: number | null
  readonly count: number
  readonly sizeBytes: number
}

const KIB = 1024
const MIB = 1024 ** 2

/** Files below this cost a reader more to open than to read. */
export const SMALL_FILE_BYTES = 16 * MIB

const BOUNDS = [0, 64 * KIB, MIB, SMALL_FILE_BYTES, 64 * MIB, 256 * MIB, 1024 * MIB]

/** Percentiles by nearest rank: each is the size of a file that is there. `sizes` are ascending. */
export function distributionOf(sizes: Float64Array): SizeDistribution {
  const at = (percent: number): number =>
    sizes[Math.max(0, Math.ceil((percent / 100) * sizes.length) - 1)] ?? 0
  const sum = sizes.reduce((total, size) => total + size, 0)
  const avg = sizes.length === 0 ? 0 : Math.round(sum / sizes.length)
  return { min: at(0), p10: at(10), p50: at(50), avg, p95: at(95), max: at(100) }
}

/** The buckets between the smallest and the largest that hold a file, empty ones too. */
export function histogramOf(sizes: Float64Array): readonly SizeBucket[] {
  const buckets = BOUNDS.map((fromBytes, index) => {
    const toBytes = BOUNDS[index + 1] ?? null
    const inside = sizes.filter((size) => size >= fromBytes && size < (toBytes ?? Infinity))
    const sizeBytes = inside.reduce((total, size) => total + size, 0)
    return { fromBytes, toBytes, count: inside.length, sizeBytes }
  })
  const first = buckets.findIndex(({ count }) => count > 0)
  const last = buckets.findLastIndex(({ count }) => count > 0)
  return first === -1 ? [] : buckets.slice(first, last + 1)
}
