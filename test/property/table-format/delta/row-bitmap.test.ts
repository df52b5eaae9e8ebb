import fc from 'fast-check'
import { RoaringBitmap32, roaringLibraryInitialize, SerializationFormat } from 'roaring-wasm'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  bitmapToRows,
  decodeBitmap64,
  layOutBitmap64,
  rowsToBitmap,
  uniteBitmaps,
} from '../../../../table-format/delta/row-bitmap.ts'
import { layoutBytes } from '../../../support/layout-bytes.ts'

/** Single rows, dense runs and strided runs, near and across container bounds. */
const rowSets = fc
  .array(
    fc.record({
      start: fc.oneof(
        fc.integer({ min: 0, max: 200_000 }),
        fc.integer({ min: 65_500, max: 65_600 }),
        fc.integer({ min: 0, max: 0xffff_ffff - 20_000 }),
      ),
      count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 9000 })),
      step: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 6 },
  )
  .map((parts) => {
    const rows = new Set<number>()
    for (const { start, count, step } of parts) {
      for (let index = 0; index < Math.min(count, 6000); index++) {
        rows.add(Math.min(start + index * step, 0xffff_ffff))
      }
    }
    return Uint32Array.from([...rows].sort((a, b) => a - b))
  })

describe('row bitmaps', () => {
  beforeAll(async () => {
    await roaringLibraryInitialize()
  })

  it('keep any set of rows', () => {
    fc.assert(
      fc.property(rowSets, (rows) => {
        const bytes = layoutBytes(layOutBitmap64(new Map([[0, rowsToBitmap(rows)]])))
        expect(Buffer.from(bitmapToRows(decodeBitmap64(bytes).get(0)!).buffer)).toEqual(
          Buffer.from(rows.buffer),
        )
      }),
      { numRuns: 60 },
    )
  })

  it('are the bytes that the reference library writes, and that it reads', () => {
    fc.assert(
      fc.property(rowSets, (rows) => {
        const ours = layoutBytes(layOutBitmap64(new Map([[0, rowsToBitmap(rows)]]))).subarray(12)
        const theirs = new RoaringBitmap32(rows)
        theirs.runOptimize()
        const bytes = Buffer.from(theirs.serialize(SerializationFormat.portable) as Uint8Array)
        theirs.dispose()
        expect(ours.equals(bytes)).toBe(true)
      }),
      { numRuns: 100, examples: [[Uint32Array.of(0, 1, 2)], [Uint32Array.of(7, 8, 70_000)]] },
    )
  })

  it('unite like sets, in any order', () => {
    fc.assert(
      fc.property(rowSets, rowSets, (left, right) => {
        const wanted = Uint32Array.from([...new Set([...left, ...right])].sort((a, b) => a - b))
        const [a, b] = [rowsToBitmap(left), rowsToBitmap(right)]
        const bytes = Buffer.from(wanted.buffer)
        expect(Buffer.from(bitmapToRows(uniteBitmaps(a, b)).buffer).equals(bytes)).toBe(true)
        expect(uniteBitmaps(b, a)).toEqual(uniteBitmaps(a, b))
        expect(uniteBitmaps(a, b).cardinality).toBe(wanted.length)
      }),
      { numRuns: 40 },
    )
  })
})
