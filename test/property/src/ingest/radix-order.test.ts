import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { orderByColumns } from '../../../../src/ingest/radix-order.ts'

const values = fc.oneof(
  fc.nat({ max: 3 }),
  fc.nat({ max: 5000 }),
  fc.nat({ max: 0xffff_ffff }),
  fc.constantFrom(2047, 2048, 2 ** 22 - 1, 2 ** 22, 0xffff_ffff),
)

describe('the order of columns', () => {
  it('is that of their values, the first column first, and equal rows keep theirs', () => {
    const rows = fc.array(fc.tuple(values, values), { maxLength: 300 })
    fc.assert(
      fc.property(rows, (pairs) => {
        const first = Uint32Array.from(pairs, ([value]) => value)
        const second = Uint32Array.from(pairs, ([, value]) => value)
        const wanted = [...pairs.keys()].sort((a, b) => {
          const [left, right] = [pairs[a]!, pairs[b]!]
          return left[0] - right[0] || left[1] - right[1] || a - b
        })
        expect([...orderByColumns([first, second])]).toEqual(wanted)
        expect(first).toEqual(Uint32Array.from(pairs, ([value]) => value))
      }),
      { numRuns: 300, examples: [[[]], [[[0, 0]]]] },
    )
  })
})
