import { expect, test } from 'vitest'
import { rowsWithout } from '../../../../src/read/changes-relation.ts'

test('keeps the rows of one vector that another lacks', () => {
  const rows = (left: readonly number[], right: readonly number[]): number[] => [
    ...rowsWithout(Uint32Array.from(left), Uint32Array.from(right)),
  ]
  expect(rows([0, 3, 4, 4_294_967_295], [1, 3, 9])).toEqual([0, 4, 4_294_967_295])
  expect(rows([1, 2], [])).toEqual([1, 2])
  expect(rows([1, 2], [0, 1, 2, 3])).toEqual([])
})
