import { describe, expect, it } from 'vitest'
import { FOLDER_START, placeFromJson, placeToJson } from '../../../../connectors/files/place.ts'
import { rowRanges } from '../../../../connectors/files/rows.ts'

const schema = { stream: 's', schemaId: 1, columns: [], key: [] }
const shapeOf = (rowCount: number) =>
  ({ format: 'parquet', schema, rows: { path: '/a', columns: [], rowCount } }) as const
const START = { ...FOLDER_START, file: 'a.parquet' }
const END = { sizeBytes: 1000, end: Buffer.from('PAR1'), partBytesMax: 300 }
const rangesFrom = (place: typeof START, rowCount = 10) => [
  ...rowRanges(place, shapeOf(rowCount), END),
]

describe('rows of a file', () => {
  it('come in parts of about so many bytes, every row once', () => {
    const ranges = rangesFrom(START)
    expect(ranges.map(({ firstRow, rowCount }) => [firstRow, rowCount])).toEqual([
      [0, 3],
      [3, 3],
      [6, 3],
      [9, 1],
    ])
    expect(ranges.map(({ place }) => place.row)).toEqual([3, 6, 9, undefined])
    expect(ranges.every(({ place }) => place.fileOffsetBytes === 1000)).toBe(true)
  })

  it('go on behind any part, and end behind the last', () => {
    const ranges = rangesFrom(START)
    for (const [index, { place }] of ranges.entries()) {
      const stored = placeFromJson(JSON.parse(JSON.stringify(placeToJson(place))))
      expect(rangesFrom(stored as typeof START)).toEqual(ranges.slice(index + 1))
    }
  })

  it('are passed where there are none', () => {
    const [range, ...more] = rangesFrom(START, 0)
    expect(range).toMatchObject({ rowCount: 0, place: { fileOffsetBytes: 1000 } })
    expect(more).toEqual([])
  })

  it('are not those of a file of another size', () => {
    const place = { ...START, fileOffsetBytes: 999, row: 3 }
    expect(() => rangesFrom(place)).toThrow('had 999 bytes when it was read; now 1000')
  })
})
