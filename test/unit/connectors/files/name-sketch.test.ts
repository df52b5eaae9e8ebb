import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addName,
  copySketch,
  DIFFERENCE_MAX,
  differenceOf,
  emptySketch,
  type NameSketch,
  nameKey,
  sketchFromText,
  sketchToText,
} from '../../../../connectors/files/name-sketch.ts'

function sketchOf(names: Iterable<string>): NameSketch {
  const sketch = emptySketch()
  for (const name of names) addName(sketch, name)
  return sketch
}
const keysOf = (names: readonly string[]) => new Set(names.map(nameKey))
const dated = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `2026-11-22/part-${from + index}.ndjson.gz`)

describe('a sketch of names', () => {
  it('tells what one set has and another has not, through its text', () => {
    const name = fc.string({ minLength: 1, maxLength: 40, unit: 'binary' })
    const sets = fc.uniqueArray(name, { maxLength: 60 })
    fc.assert(
      fc.property(
        sets,
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 0, max: 20 }),
        (all, a, b) => {
          const onlyFirst = all.slice(0, a)
          const onlySecond = all.slice(a, a + b)
          const both = all.slice(a + b)
          const first = sketchFromText(sketchToText(sketchOf([...both, ...onlyFirst])))
          const second = sketchOf([...onlySecond, ...both.toReversed()])
          expect(differenceOf(first!, second)).toEqual({
            added: keysOf(onlyFirst),
            missing: keysOf(onlySecond),
          })
        },
      ),
    )
  })

  it('tells as many names as it promises, of sets of any size', () => {
    const known = sketchOf(dated(0, 20_000))
    for (let round = 0; round < 50; round++) {
      const late = dated(100_000 + round * 1000, DIFFERENCE_MAX)
      const more = copySketch(known)
      for (const name of late) addName(more, name)
      const difference = differenceOf(more, known)
      expect(difference).toEqual({ added: keysOf(late), missing: new Set() })
    }
  })

  it('says so when the sets differ in too much', () => {
    expect(differenceOf(sketchOf(dated(0, 1000)), sketchOf(dated(5000, 1000)))).toBeNull()
  })

  it('has a text that is short for few names and bounded for many', () => {
    expect(sketchToText(sketchOf(dated(0, 1))).length).toBeLessThan(150)
    expect(sketchToText(sketchOf(dated(0, 20_000))).length).toBeLessThan(2400)
    for (const text of ['', 'AAAA', sketchToText(sketchOf(['a'])).slice(2)]) {
      expect(sketchFromText(text)).toBeNull()
    }
  })
})
