import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createChangeLinker } from '../../../../src/state/index.ts'

function hashesOf(keys: readonly number[]): Uint32Array {
  return Uint32Array.from(keys.flatMap((key) => [key & 1, key >> 1, 7, key]))
}

describe('change links', () => {
  it('links each change to the one before it of the same key', () => {
    const links = createChangeLinker().link(hashesOf([1, 2, 1, 3, 1, 2]), 6)
    expect([...links.previous]).toEqual([-1, -1, 0, -1, 2, 1])
    expect([...links.isLast]).toEqual([0, 0, 0, 1, 1, 1])
    expect(links.keyCount).toBe(3)
  })

  it('says nothing of an empty batch', () => {
    const links = createChangeLinker().link(new Uint32Array(0), 0)
    expect(links).toEqual({ previous: new Int32Array(0), isLast: new Uint8Array(0), keyCount: 0 })
  })

  it('tells hashes apart that differ in one word only', () => {
    const hashes = Uint32Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0)
    const links = createChangeLinker().link(hashes, 5)
    expect([...links.previous]).toEqual([-1, -1, -1, -1, -1])
    expect(links.keyCount).toBe(5)
  })

  it('forgets one batch before the next, whatever their sizes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(40), { maxLength: 200 }), { maxLength: 6 }),
        (batches) => {
          const linker = createChangeLinker(16)
          for (const keys of batches) {
            const links = linker.link(hashesOf(keys), keys.length)
            const previous = keys.map((key, i) =>
              keys.lastIndexOf(key, i - 1 < 0 ? -Infinity : i - 1),
            )
            expect([...links.previous]).toEqual(previous)
            expect([...links.isLast]).toEqual(keys.map((key, i) => +(keys.lastIndexOf(key) === i)))
            expect(links.keyCount).toBe(new Set(keys).size)
          }
        },
      ),
    )
  })
})
