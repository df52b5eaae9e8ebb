import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { DeletionVectorDescriptor } from '../../../../src/model/index.ts'
import {
  decodeFrame,
  decodeInline,
  layOutVector,
  packVectors,
  VECTOR_FILE_BYTES_MAX,
} from '../../../../table-format/delta/deletion-vector.ts'
import {
  bitmapToRows,
  decodeBitmap64,
  EMPTY_ROWS,
  layOutBitmap64,
  rowsToBitmap,
} from '../../../../table-format/delta/row-bitmap.ts'
import { GOLDEN_FOLDER, hasGolden } from '../../../support/golden.ts'
import { layoutBytes } from '../../../support/layout-bytes.ts'
import { isMissing } from '../../../support/require.ts'

const skipped = isMissing('deletion vector frames', '../shared/golden', hasGolden())
const contentOf = (...rows: number[]): Buffer =>
  layoutBytes(layOutVector(rowsToBitmap(Uint32Array.from(rows))))
const framed = (content: Buffer): Buffer => {
  const write = (bytes: Buffer, at: number): void => void content.copy(bytes, at)
  return packVectors([{ sizeBytes: content.length, write }]).files[0]!.subarray(1)
}
const frameOf = (...rows: number[]): Buffer => framed(contentOf(...rows))
const describedAs = (sizeBytes: number, cardinality: number): DeletionVectorDescriptor => ({
  storageType: 'u',
  pathOrInline: 'vBn[lx{q8@P<9BNH/isA',
  offset: 1,
  sizeBytes,
  cardinality,
})

/** A file of one vector, written by Spark. */
const SPARK_FILE = Buffer.from(
  [
    '0100000024d1d33964010000000000000000000000',
    '3a300000010000000000010010000000000009002a671846',
  ].join(''),
  'hex',
)

describe('deletion vector', () => {
  it('reads a file that Spark wrote and writes the same bytes', () => {
    const { files, packed } = packVectors([layOutVector(rowsToBitmap(Uint32Array.of(0, 9)))])
    expect(files[0]?.toString('hex')).toBe(SPARK_FILE.toString('hex'))
    expect(packed).toEqual([{ file: 0, offset: 1, sizeBytes: 36 }])
    const bitmap = decodeFrame(SPARK_FILE.subarray(1), describedAs(36, 2))
    expect([...bitmapToRows(bitmap)]).toEqual([0, 9])
  })

  it('reads an inline vector', () => {
    const descriptor: DeletionVectorDescriptor = {
      storageType: 'i',
      pathOrInline: '^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L',
      offset: null,
      sizeBytes: 44,
      cardinality: 6,
    }
    expect([...bitmapToRows(decodeInline(descriptor))]).toEqual([3, 4, 7, 11, 18, 29])
    expect(() => decodeInline({ ...descriptor, sizeBytes: 45 })).toThrow(
      expect.objectContaining({ code: 'SLU-TAB-3002' }),
    )
  })

  it('refuses a frame with any single byte changed', () => {
    const frame = frameOf(1, 2, 3, 70_000)
    const descriptor = describedAs(frame.length - 8, 4)
    expect([...bitmapToRows(decodeFrame(frame, descriptor))]).toEqual([1, 2, 3, 70_000])
    for (let at = 0; at < frame.length; at++) {
      const damaged = Buffer.from(frame)
      damaged[at]! ^= 0x40
      expect(() => decodeFrame(damaged, descriptor), `byte ${at}`).toThrow(
        expect.objectContaining({ code: 'SLU-TAB-3002' }),
      )
    }
  })

  it('refuses another size, another count, another magic number', () => {
    const frame = frameOf(1, 2)
    const corrupt = expect.objectContaining({ code: 'SLU-TAB-3002' })
    const size = frame.length - 8
    expect(() => decodeFrame(frame, describedAs(size + 1, 2))).toThrow(corrupt)
    expect(() => decodeFrame(frame, describedAs(size, 3))).toThrow(corrupt)
    expect(() => decodeFrame(frame.subarray(0, -1), describedAs(size, 2))).toThrow(corrupt)
    const content = Buffer.from(frame.subarray(4, -4))
    content[0]! -= 1
    expect(() => decodeFrame(framed(content), describedAs(size, 2))).toThrow(corrupt)
  })

  it('refuses a row that no data file can have', () => {
    const content = contentOf(5)
    content.writeUInt32LE(1, 12)
    expect(() => decodeFrame(framed(content), describedAs(content.length, 1))).toThrow(
      expect.objectContaining({ code: 'SLU-TAB-3002' }),
    )
  })

  it('never writes an empty vector', () => {
    expect(() => layOutVector(EMPTY_ROWS)).toThrow(/empty deletion vector/)
  })

  it('packs several vectors into a file, and begins a new one at the bound', () => {
    const contents = [3, 900, 40].map((count) =>
      layOutVector(rowsToBitmap(Uint32Array.from({ length: count }, (_, row) => row * 2))),
    )
    const bound = contents[0]!.sizeBytes + contents[1]!.sizeBytes
    for (const [bytesMax, fileCount] of [
      [VECTOR_FILE_BYTES_MAX, 1],
      [bound, 3],
      [1, 3],
    ] as const) {
      const { files, packed } = packVectors(contents, bytesMax)
      expect(files).toHaveLength(fileCount)
      for (const bytes of files) expect(bytes[0]).toBe(1)
      packed.forEach(({ file, offset, sizeBytes }, index) => {
        const frame = files[file]!.subarray(offset, offset + sizeBytes + 8)
        const cardinality = [3, 900, 40][index]!
        const bitmap = decodeFrame(frame, describedAs(sizeBytes, cardinality))
        expect(bitmap.cardinality).toBe(cardinality)
      })
    }
    expect(VECTOR_FILE_BYTES_MAX).toBe(2 * 1024 * 1024)
  })
})

describe.skipIf(skipped)('deletion vector frames of other writers', () => {
  const folder = join(GOLDEN_FOLDER, 'vectors')
  const names = skipped ? [] : readdirSync(folder).filter((name) => !name.startsWith('64map'))

  it('are four', () => expect(names).toHaveLength(4))

  it.each(names)('reads %s and writes it back byte for byte', (name) => {
    const frame = readFileSync(join(folder, name))
    const content = frame.subarray(4, -4)
    const bitmap = layoutBytes(layOutBitmap64(decodeBitmap64(content.subarray(4))))
    const written = framed(Buffer.concat([content.subarray(0, 4), bitmap]))
    expect(written.toString('hex')).toBe(frame.toString('hex'))
  })

  it('reads alternating rows', () => {
    const name = 'small-alternating-values-position-index.bin'
    const frame = readFileSync(join(GOLDEN_FOLDER, 'vectors', name))
    const bitmap = decodeFrame(frame, describedAs(frame.length - 8, 5))
    expect([...bitmapToRows(bitmap)]).toEqual([1, 3, 5, 7, 9])
  })
})
