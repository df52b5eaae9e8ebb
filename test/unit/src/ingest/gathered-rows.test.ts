import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createGatheredRows } from '../../../../src/ingest/gathered-rows.ts'

const ROWS = 3000

/** Unique rows, dealt to lists that are ascending each. */
const dealt = fc.uniqueArray(fc.nat(ROWS - 1), { maxLength: ROWS }).chain((rows) =>
  fc.array(fc.nat(4), { minLength: rows.length, maxLength: rows.length }).map((lists) => {
    const parts: number[][] = [[], [], [], [], []]
    for (const [at, row] of rows.entries()) parts[lists[at] as number]?.push(row)
    return parts.map((part) => Uint32Array.from(part).sort())
  }),
)

test('gives back what was added, ascending, whether few or many', () => {
  fc.assert(
    fc.property(dealt, (lists) => {
      const gathered = createGatheredRows()
      for (const list of lists) gathered.add(list)
      const all = lists.flatMap((list) => [...list]).sort((left, right) => left - right)
      expect(gathered.count).toBe(all.length)
      expect([...gathered.toRows()]).toEqual(all)
    }),
  )
})

test('keeps rows beyond two thousand million', () => {
  const gathered = createGatheredRows()
  gathered.add(Uint32Array.of(5, 0xffff_fff0))
  gathered.add(Uint32Array.of(0x8000_0000))
  expect([...gathered.toRows()]).toEqual([5, 0x8000_0000, 0xffff_fff0])
})

test('takes many rows of a large file and few of a small one', () => {
  const gathered = createGatheredRows()
  const even = Uint32Array.from({ length: 50_000 }, (_, row) => row * 2)
  const odd = Uint32Array.from({ length: 50_000 }, (_, row) => row * 2 + 1)
  gathered.add(Uint32Array.of(100_000))
  gathered.add(even)
  gathered.add(odd)
  expect(gathered.toRows()).toEqual(Uint32Array.from({ length: 100_001 }, (_, row) => row))
})
