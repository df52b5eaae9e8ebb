import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createFirstNames } from '../../../../connectors/files/first-names.ts'

describe('the first names of many', () => {
  it('are those that sorting all of them would put first', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string()), fc.integer({ min: 1, max: 8 }), (names, max) => {
        const first = createFirstNames(max)
        for (const name of names) first.add(name)
        const wanted = [...names].sort().slice(0, max)
        expect(first.names()).toEqual(wanted)
        const last = wanted.at(-1)
        if (wanted.length === max && last !== undefined) expect(first.mayTake(last)).toBe(false)
      }),
    )
  })
})
