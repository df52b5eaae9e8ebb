import { describe, expect, it } from 'vitest'
import { decodeTombstones, encodeTombstones } from '../../../../src/ingest/tombstones.ts'

describe('tombstones', () => {
  it('come back as they were written', () => {
    const hashes = new Uint32Array([1, 2, 3, 4, 0xffff_ffff, 6, 7, 8])
    const orderings = new BigInt64Array([-1n, 2n ** 62n])
    expect(decodeTombstones(encodeTombstones(hashes, orderings))).toEqual({ hashes, orderings })
  })

  it('are refused when cut short', () => {
    expect(() => decodeTombstones(new Uint8Array(23))).toThrowError(/cut short/)
  })
})
