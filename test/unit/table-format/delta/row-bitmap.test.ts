import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  BitmapFault,
  bitmapToRows,
  decodeBitmap64,
  isBelow,
  layOutBitmap64,
  rowsToBitmap,
  uniteBitmaps,
} from '../../../../table-format/delta/row-bitmap.ts'
import { GOLDEN_FOLDER, hasGolden } from '../../../support/golden.ts'
import { layoutBytes } from '../../../support/layout-bytes.ts'
import { isMissing } from '../../../support/require.ts'

const skipped = isMissing('roaring vectors', '../shared/golden', hasGolden())
const range = (start: number, end: number, step = 1): Uint32Array =>
  Uint32Array.from({ length: Math.ceil((end - start) / step) }, (_, index) => start + index * step)
const roundTrip = (rows: Uint32Array): Uint32Array => {
  const bytes = layoutBytes(layOutBitmap64(new Map([[0, rowsToBitmap(rows)]])))
  return bitmapToRows(decodeBitmap64(bytes).get(0)!)
}

describe('row bitmap', () => {
  it.each([
    ['none', range(0, 0)],
    ['one', Uint32Array.of(7)],
    ['the highest', Uint32Array.of(0xffff_ffff)],
    ['a full array container', range(0, 8192, 2)],
    ['one more than an array holds', range(0, 8194, 2)],
    ['a full container', range(0, 0x10000)],
    ['runs over container bounds', range(65_000, 200_000)],
    ['every third of many containers', range(5, 400_000, 3)],
  ])('keeps %s', (_name, rows) => {
    expect(roundTrip(rows)).toEqual(rows)
  })

  it('writes a run where it is smaller', () => {
    const bytes = layoutBytes(layOutBitmap64(new Map([[0, rowsToBitmap(range(0, 1000))]])))
    expect(bytes.toString('hex')).toBe(
      '0100000000000000000000003b300000010000e703010000 00e703'.replace(' ', ''),
    )
  })

  it('unites containers of every kind', () => {
    const parts = [range(0, 70_000, 2), range(1, 9, 2), range(60_000, 131_072), range(9, 10)]
    const united = parts.map(rowsToBitmap).reduce(uniteBitmaps)
    const wanted = [...new Set(parts.flatMap((part) => [...part]))].sort((a, b) => a - b)
    expect([...bitmapToRows(united)]).toEqual(wanted)
    expect(united.cardinality).toBe(wanted.length)
  })

  it('knows its highest row', () => {
    for (const rows of [range(3, 40_000, 3), Uint32Array.of(70_000), range(65_536, 65_546)]) {
      const bitmap = rowsToBitmap(rows)
      expect(isBelow(bitmap, rows.at(-1)! + 1)).toBe(true)
      expect(isBelow(bitmap, rows.at(-1)!)).toBe(false)
    }
  })

  it('refuses rows that are not ascending', () => {
    expect(() => rowsToBitmap(Uint32Array.of(2, 1))).toThrow(/ascending/)
    expect(() => rowsToBitmap(Uint32Array.of(1, 1))).toThrow(/ascending/)
  })

  it('refuses every cut-off or lengthened form', () => {
    for (const rows of [range(0, 9, 2), range(0, 10_000, 2), range(0, 500), range(0, 300_000)]) {
      const bytes = layoutBytes(layOutBitmap64(new Map([[0, rowsToBitmap(rows)]])))
      for (let length = 0; length < bytes.length; length += Math.ceil(bytes.length / 50)) {
        expect(() => decodeBitmap64(bytes.subarray(0, length))).toThrow(BitmapFault)
      }
      expect(() => decodeBitmap64(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(BitmapFault)
    }
  })
})

describe.skipIf(skipped)('row bitmap vectors of other writers', () => {
  const folder = join(GOLDEN_FOLDER, 'vectors')
  const read = (name: string): Buffer => readFileSync(join(folder, `${name}.bin`))

  it('are these four', () => {
    const names = readdirSync(folder).filter((name) => name.startsWith('64map'))
    expect(names.sort()).toEqual([
      '64map32bitvals.bin',
      '64mapempty.bin',
      '64maphighvals.bin',
      '64mapspreadvals.bin',
    ])
  })

  it('reads 32-bit values', () => {
    expect([...bitmapToRows(decodeBitmap64(read('64map32bitvals')).get(0)!)]).toEqual([
      ...range(0, 10),
    ])
  })

  it('reads the empty bitmap and writes it back byte for byte', () => {
    const bytes = read('64mapempty')
    expect(layoutBytes(layOutBitmap64(decodeBitmap64(bytes)))).toEqual(bytes)
  })

  it('reads values spread over ten high halves', () => {
    const buckets = decodeBitmap64(read('64mapspreadvals'))
    expect([...buckets.keys()]).toEqual([...range(0, 10)])
    for (const bitmap of buckets.values()) {
      expect([...bitmapToRows(bitmap)]).toEqual([...range(0, 10)])
    }
    expect(decodeBitmap64(layoutBytes(layOutBitmap64(buckets)))).toEqual(buckets)
  })

  // Their writer knows no runs, so these come back shorter, and the same rows.
  it.each(['64map32bitvals', '64mapspreadvals'])('writes %s anew in runs', (name) => {
    const bytes = read(name)
    const written = layoutBytes(layOutBitmap64(decodeBitmap64(bytes)))
    expect(written.length).toBeLessThan(bytes.length)
    expect(decodeBitmap64(written)).toEqual(decodeBitmap64(bytes))
  })

  it('refuses high halves that the formats do not allow', () => {
    expect(() => decodeBitmap64(read('64maphighvals'))).toThrow(BitmapFault)
  })
})
