import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AddAction } from '../../../../table-format/delta/actions.ts'
import {
  emptyFileList,
  type FileList,
  FileListBuilder,
} from '../../../../table-format/delta/file-list.ts'
import { FilePage } from '../../../../table-format/delta/file-page.ts'
import { LiveFile } from '../../../../table-format/delta/live-file.ts'

const optional = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.option(values, { nil: null })
const texts = fc.string({ unit: 'grapheme', maxLength: 12 })
const longs = fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n })

const vectors = fc.record({
  storageType: fc.constantFrom('u' as const, 'i' as const, 'p' as const),
  pathOrInline: texts,
  offset: optional(fc.nat()),
  sizeBytes: fc.nat(),
  cardinality: fc.nat(),
})

const adds: fc.Arbitrary<AddAction> = fc.record({
  kind: fc.constant('add' as const),
  path: texts,
  partitionValues: fc.dictionary(texts, optional(texts), { maxKeys: 3, noNullPrototype: true }),
  sizeBytes: fc.maxSafeNat(),
  modificationTimeMs: fc.maxSafeInteger(),
  dataChange: fc.boolean(),
  statsJson: optional(texts),
  tags: optional(fc.dictionary(texts, optional(texts), { maxKeys: 2, noNullPrototype: true })),
  deletionVector: optional(vectors),
  baseRowId: optional(longs),
  defaultRowCommitVersion: optional(longs),
  clusteringProvider: optional(texts),
})

/** A file whose size tells one from another of the same path. */
function fileOf(path: string, sizeBytes: number): LiveFile {
  return new LiveFile({
    kind: 'add',
    path,
    partitionValues: {},
    sizeBytes,
    modificationTimeMs: 0,
    dataChange: true,
    statsJson: `{"numRecords":${sizeBytes}}`,
    tags: null,
    deletionVector: null,
    baseRowId: null,
    defaultRowCommitVersion: null,
    clusteringProvider: null,
  })
}

const pathOf = (number: number): string => `part-${number}.parquet`
const contents = (list: FileList): Map<string, number> =>
  new Map([...list.values()].map((file) => [file.path, file.sizeBytes]))

/** Paths that are in one and not, or not so, in the other. */
function differences(list: FileList, plain: ReadonlyMap<string, number>): readonly string[] {
  const found = contents(list)
  const paths = new Set([...found.keys(), ...plain.keys()])
  return [...paths].filter((path) => found.get(path) !== plain.get(path))
}

/** A list of so many files, most of them packed. */
function packedList(count: number): FileList {
  const builder = new FileListBuilder()
  for (let number = 0; number < count; number++) builder.add(fileOf(pathOf(number), number))
  return builder.finish().files
}

const FILES = 20_000
const steps = fc.array(
  fc.record({
    /** Numbers from here on, so many: beyond `FILES` they are new. */
    from: fc.nat(FILES + 5000),
    count: fc.integer({ min: 1, max: 9000 }),
    kind: fc.constantFrom('set' as const, 'delete' as const),
  }),
  { minLength: 1, maxLength: 5 },
)

describe('file pages', () => {
  it('give back every file as it was', () => {
    fc.assert(
      fc.property(fc.array(adds, { minLength: 1, maxLength: 90 }), (actions) => {
        const files = actions.map((action, index) => ({ hash: index, file: new LiveFile(action) }))
        expect(FilePage.of(files).files()).toEqual(files)
        for (const { hash, file } of files) {
          expect(FilePage.of(files).find(hash, file.path)).toEqual(file)
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('file list', () => {
  it('is what a plain map is after any edits, and every older version stays', () => {
    const start = packedList(FILES)
    const startPlain = contents(start)
    expect(startPlain.size).toBe(FILES)
    fc.assert(
      fc.property(steps, (edits) => {
        let list = start
        const model = new Map(startPlain)
        const versions: { readonly list: FileList; readonly plain: Map<string, number> }[] = []
        for (const [number, { from, count, kind }] of edits.entries()) {
          list = list.edit((draft) => {
            for (let at = from; at < from + count; at++) {
              if (kind === 'set') draft.set(pathOf(at), fileOf(pathOf(at), number))
              else draft.delete(pathOf(at))
            }
            const after = draft.get(pathOf(from))?.sizeBytes
            expect(after).toBe(kind === 'set' ? number : undefined)
          })
          for (let at = from; at < from + count; at++) {
            if (kind === 'set') model.set(pathOf(at), number)
            else model.delete(pathOf(at))
          }
          versions.push({ list, plain: new Map(model) })
        }
        for (const version of versions) {
          expect(version.list.size).toBe(version.plain.size)
          expect(differences(version.list, version.plain)).toEqual([])
          for (const number of [0, 7, FILES - 1, FILES + 3, edits[0]!.from]) {
            const found = version.list.get(pathOf(number))?.sizeBytes
            expect(found).toBe(version.plain.get(pathOf(number)))
          }
        }
        expect(differences(start, startPlain)).toEqual([])
      }),
      { numRuns: 5 },
    )
  })

  it('iterates equal files in one order, packed or not', () => {
    const names = Array.from({ length: FILES }, (_, number) => number)
    const stepwise = names.reduce(
      (list, number) =>
        number % 500 > 0
          ? list
          : list.edit((draft) => {
              for (let at = number; at < number + 500; at++) {
                draft.set(pathOf(at), fileOf(pathOf(at), at))
              }
            }),
      emptyFileList(),
    )
    expect(stepwise.size).toBe(FILES)
    const paths = (list: FileList): string[] => [...list.values()].map((file) => file.path)
    expect(paths(stepwise)).toEqual(paths(packedList(FILES)))
  })

  it('keeps the later of two files with one path, and counts it once', () => {
    for (const count of [10, FILES]) {
      const builder = new FileListBuilder()
      for (let number = 0; number < count; number++) builder.add(fileOf(pathOf(number), 1))
      builder.add(fileOf(pathOf(3), 50))
      const { files, totals } = builder.finish()
      expect(files.size).toBe(count)
      expect(files.get(pathOf(3))?.sizeBytes).toBe(50)
      expect(totals).toMatchObject({ sizeBytes: count - 1 + 50, liveRows: BigInt(count - 1 + 50) })
    }
  })

  it('keeps the few files that most pages are left with', () => {
    const isKept = (number: number): boolean => number % 10 === 0
    const left = packedList(FILES).edit((draft) => {
      for (let number = 0; number < FILES; number++) {
        if (!isKept(number)) draft.delete(pathOf(number))
      }
    })
    const kept = Array.from({ length: FILES }, (_, number) => number).filter(isKept)
    const plain = new Map(kept.map((number) => [pathOf(number), number]))
    expect(differences(left, plain)).toEqual([])
  })

  it('becomes empty, and takes files again', () => {
    const emptied = packedList(FILES).edit((draft) => {
      for (let number = 0; number < FILES; number++) draft.delete(pathOf(number))
    })
    expect([emptied.size, [...emptied.values()]]).toEqual([0, []])
    const again = emptied.edit((draft) => draft.set('x', fileOf('x', 1)))
    expect([again.size, again.get('x')?.sizeBytes]).toEqual([1, 1])
  })
})
