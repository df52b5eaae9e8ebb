import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PersistentMap } from '../../../../table-format/delta/persistent-map.ts'

const keys = fc.oneof(
  fc.string({ maxLength: 4 }),
  fc.integer({ min: 0, max: 400 }).map((number) => `part-${number}.parquet`),
)
const edits = fc.array(
  fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('set' as const), key: keys, value: fc.integer() }),
      fc.record({ kind: fc.constant('delete' as const), key: keys }),
    ),
    { maxLength: 60 },
  ),
  { maxLength: 8 },
)
const contents = <V>(map: PersistentMap<V>): Record<string, V> =>
  Object.fromEntries([...map.entries()].sort(([a], [b]) => (a < b ? -1 : 1)))

describe('persistent map', () => {
  it('is what a plain map is after any edits, and every older version stays', () => {
    fc.assert(
      fc.property(edits, (steps) => {
        let map = PersistentMap.empty<number>()
        const model = new Map<string, number>()
        const versions: { readonly map: PersistentMap<number>; readonly plain: object }[] = []
        for (const step of steps) {
          map = map.edit((draft) => {
            for (const change of step) {
              if (change.kind === 'set') draft.set(change.key, change.value)
              else draft.delete(change.key)
              expect(draft.get(change.key)).toBe(change.kind === 'set' ? change.value : undefined)
            }
          })
          for (const change of step) {
            if (change.kind === 'set') model.set(change.key, change.value)
            else model.delete(change.key)
          }
          const plain = Object.fromEntries([...model].sort(([a], [b]) => (a < b ? -1 : 1)))
          versions.push({ map, plain })
        }
        for (const version of versions) {
          expect(contents(version.map)).toEqual(version.plain)
          expect(version.map.size).toBe(Object.keys(version.plain).length)
        }
      }),
      { numRuns: 150 },
    )
  })

  it('iterates equal contents in one order, however they came about', () => {
    fc.assert(
      fc.property(fc.uniqueArray(keys, { maxLength: 80 }), fc.integer(), (names, seed) => {
        const build = (order: readonly string[]): string[] => {
          const extra = PersistentMap.empty<number>().edit((draft) => {
            for (const name of order) draft.set(name, 1)
            draft.set('passing', 1)
          })
          return [...extra.edit((draft) => draft.delete('passing')).entries()].map(([key]) => key)
        }
        const others = names.filter((name) => name !== 'passing')
        const shuffled = [...others].sort(
          (a, b) => ((a.length * seed) % 7) - ((b.length * seed) % 7),
        )
        expect(build(shuffled)).toEqual(build(others))
      }),
      { numRuns: 60 },
    )
  })

  it('holds keys whose hashes are equal', () => {
    // Two words that are one and the same to FNV-1a.
    const [one, two] = ['costarring', 'liquid'] as const
    const both = PersistentMap.empty<number>().edit((draft) => {
      draft.set(one, 1)
      draft.set('other', 3)
      draft.set(two, 2)
      draft.set(two, 4)
    })
    expect([both.get(one), both.get(two), both.size]).toEqual([1, 4, 3])
    const less = both.edit((draft) => draft.delete(one))
    expect([less.get(one), less.get(two), less.size]).toEqual([undefined, 4, 2])
    expect(less.edit((draft) => draft.delete(two)).size).toBe(1)
  })
})
