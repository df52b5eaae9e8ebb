/**
 * Any batch split of any stream of changes gives the same table as applying the changes one by one.
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createRowLocations,
  NO_FILE,
  type RowLocations,
  TOMBSTONE_FILE,
} from '../../../../src/contracts/index.ts'
import { FROM_OLD_ROW, KeyGroups, planMerge } from '../../../../src/merge/index.ts'

/** A change of the model: `text` undefined means "not sent". */
interface Change {
  readonly op: 'insert' | 'update' | 'delete' | 'move' | 'truncate' | 'none' | 'copied'
  readonly key: number
  readonly from: number
  readonly value: number
  readonly text: string | undefined
  readonly ordering: number
}

interface Row {
  readonly value: number
  readonly text: string
}

/**
 * Applies consistent changes one by one; inconsistent ones (update of nothing) become inserts or
 * nothing.
 */
function consistent(raw: readonly Change[]): Change[] {
  const keys = new Set<number>()
  const changes: Change[] = []
  for (const change of raw) {
    if (change.op === 'none') {
      changes.push(change)
      continue
    }
    if (change.op === 'truncate') keys.clear()
    else if (change.op === 'move') {
      if (!keys.has(change.from) || keys.has(change.key)) continue
      keys.delete(change.from)
      keys.add(change.key)
    } else if (change.op === 'delete') {
      if (!keys.delete(change.key)) continue
    } else if (keys.has(change.key)) {
      changes.push({ ...change, op: 'update' })
      continue
    } else {
      keys.add(change.key)
      changes.push({ ...change, op: 'insert', text: change.text ?? `t${change.value}` })
      continue
    }
    changes.push(change)
  }
  return changes
}

function fold(changes: readonly Change[]): Map<number, Row> {
  const rows = new Map<number, Row>()
  for (const { op, key, from, value, text } of changes) {
    if (op === 'none') continue
    if (op === 'truncate') rows.clear()
    else if (op === 'delete') rows.delete(key)
    else {
      const base = op === 'move' ? rows.get(from) : rows.get(key)
      if (op === 'move') rows.delete(from)
      rows.set(key, { value, text: text ?? (base as Row).text })
    }
  }
  return rows
}

/**
 * A table made of files, as the plans leave it: what the ingest room does, without engine and
 * storage.
 */
class ModelTable {
  readonly files: { rows: (Row & { key: number })[]; deleted: Set<number> }[] = []
  readonly index = new Map<number, { file: number; row: number; ordering: bigint }>()
  private readonly groups = new KeyGroups()

  apply(changes: readonly Change[], isCopying = false, copyIsStale = false): void {
    // A move lands as the delete of the old key and the line after it, at times with a record of no
    // row between them, whose key looks like another's.
    const lines = changes.flatMap((change) => {
      if (change.op !== 'move') return [change]
      const deletion = { ...change, op: 'delete' as const, key: change.from }
      const aside = { ...change, op: 'none' as const }
      return change.value % 2 === 0 ? [deletion, change] : [deletion, aside, aside, change]
    })
    const count = lines.length
    const hashes = new Uint32Array(count * 4)
    const ops = new Uint8Array(count)
    const masks = new Uint32Array(count)
    const orderings = new BigInt64Array(count)
    const codes = { insert: 0, update: 1, delete: 2, move: 3, truncate: 4, none: 5, copied: 6 }
    for (const [at, line] of lines.entries()) {
      if (line.op !== 'truncate') hashes.set([line.key, 7, 0, line.key * 31], at * 4)
      ops[at] = codes[line.op]
      orderings[at] = BigInt(line.ordering)
      if (line.text === undefined && (line.op === 'update' || line.op === 'move')) masks[at] = 1
    }
    this.groups.group(hashes, count)
    const old = this.lookUp()
    const plan = planMerge(
      { count, ops, orderings, masks: [masks], partialColumnCount: 1 },
      this.groups,
      old,
      { byOrdering: false, mayLack: isCopying, copyIsStale },
    )
    expect(plan.applied + plan.superseded + plan.filtered).toBe(count)
    expect(plan.filtered).toBe(lines.filter(({ op }) => op === 'none').length)
    const texts = lines.map((line) => line.text)
    for (const patch of plan.patches) {
      for (const [at, target] of patch.targets.entries()) {
        const source = patch.sources[at] as number
        const file = this.files[patch.oldFiles[at] as number] as { rows: Row[] }
        texts[target] =
          source === FROM_OLD_ROW
            ? (file.rows[patch.oldRows[at] as number] as Row).text
            : texts[source]
      }
    }
    if (plan.truncates) {
      this.index.clear()
      for (const file of this.files) file.deleted = new Set(file.rows.keys())
    } else {
      for (const [at, file] of plan.deleteFiles.entries()) {
        const { deleted } = this.files[file] as { deleted: Set<number> }
        const row = plan.deleteRows[at] as number
        expect(deleted.has(row)).toBe(false)
        deleted.add(row)
      }
    }
    for (const group of plan.goneGroups) {
      const key = this.groups.groupHashes[group * 4] as number
      if (isCopying) this.index.set(key, { file: TOMBSTONE_FILE, row: 0, ordering: 0n })
      else this.index.delete(key)
    }
    for (const group of plan.forgottenGroups) {
      this.index.delete(this.groups.groupHashes[group * 4] as number)
    }
    const rows = [...plan.keep].map((row) => {
      const { key, value } = lines[row] as Change
      return { key, value, text: texts[row] as string }
    })
    for (const [row, { key }] of rows.entries()) {
      this.index.set(key, { file: this.files.length, row, ordering: 0n })
    }
    this.files.push({ rows, deleted: new Set() })
  }

  private lookUp(): RowLocations {
    const old = createRowLocations(this.groups.groupCount)
    for (let group = 0; group < this.groups.groupCount; group++) {
      const found = this.index.get(this.groups.groupHashes[group * 4] as number)
      old.files[group] = found?.file ?? NO_FILE
      old.rows[group] = found?.row ?? 0
      old.orderings[group] = found?.ordering ?? 0n
    }
    return old
  }

  state(): Map<number, Row> {
    const state = new Map<number, Row>()
    for (const file of this.files) {
      for (const [at, { key, value, text }] of file.rows.entries()) {
        if (file.deleted.has(at)) continue
        expect(state.has(key)).toBe(false)
        state.set(key, { value, text })
      }
    }
    return state
  }
}

const change: fc.Arbitrary<Change> = fc.record({
  op: fc.constantFrom('insert', 'update', 'update', 'delete', 'move', 'truncate', 'none'),
  key: fc.integer({ min: 1, max: 6 }),
  from: fc.integer({ min: 1, max: 6 }),
  value: fc.nat(),
  text: fc.option(fc.string(), { nil: undefined, freq: 1 }),
  ordering: fc.constant(0),
})

describe('planMerge', () => {
  it('gives the same table as applying the changes one by one, whatever the batches', () => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 80 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 20 }),
        (raw, sizes) => {
          const changes = consistent(raw)
          const table = new ModelTable()
          let from = 0
          for (let batch = 0; from < changes.length; batch++) {
            const size = sizes[batch % sizes.length] as number
            table.apply(changes.slice(from, from + size))
            from += size
            expect(table.state()).toEqual(fold(changes.slice(0, from)))
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})

/** Cuts a list into pieces of the sizes, again and again. */
function pieces<Item>(items: readonly Item[], sizes: readonly number[]): Item[][] {
  const found: Item[][] = []
  let from = 0
  for (let number = 0; from < items.length; number++) {
    const size = sizes[number % sizes.length] as number
    found.push(items.slice(from, from + size))
    from += size
  }
  return found
}

/** Keys whose rows a change needs that leaves its text out. */
const lacking = ({ op, key, from, text }: Change): readonly number[] =>
  text !== undefined || (op !== 'update' && op !== 'move') ? [] : [op === 'move' ? from : key]

describe('planMerge of a copy beside the stream', () => {
  it('makes the fold of the copied rows and the changes, however they come', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 })
    const count = fc.integer({ min: 0, max: 60 })
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 20, maxLength: 80 }),
        ...([count, count, sizes, sizes, fc.array(fc.boolean(), { minLength: 60 })] as const),
        (raw, unseen, known, batchSizes, chunkSizes, turns) => {
          const changes = consistent(raw)
          const begin = Math.min(unseen, changes.length)
          const snapshot = Math.min(begin + known, changes.length)
          const copied = (key: number, { value, text }: Row): Change => ({
            ...{ op: 'copied', key, from: key, value, text, ordering: 0 },
          })
          const atSnapshot = fold(changes.slice(0, snapshot))
          // The rows that later changes need come before them, in the same batch.
          const later = pieces(changes.slice(snapshot), batchSizes).map((batch) => {
            const rows = batch.flatMap(lacking).flatMap((key) => {
              const row = atSnapshot.get(key)
              return row === undefined ? [] : [copied(key, row)]
            })
            return { batch, lines: [...rows, ...batch] }
          })
          const chunks = pieces([...atSnapshot], chunkSizes)
          const table = new ModelTable()
          // The first batch holds changes of before the snapshot, and the first of after it.
          const first = changes.slice(begin, snapshot)
          const joined = later.shift() ?? { batch: [], lines: [] }
          const [last = [], ...others] = pieces(first, batchSizes).toReversed()
          for (const batch of others.toReversed()) table.apply(batch, true)
          table.apply([...last, ...joined.lines], true)
          let at = snapshot + joined.batch.length
          let truncated = joined.batch.some(({ op }) => op === 'truncate')
          for (let turn = 0; later.length + chunks.length > 0; turn++) {
            const isChunk = chunks.length > 0 && (later.length === 0 || turns[turn % turns.length])
            if (isChunk) {
              const rows = (chunks.shift() ?? []).map(([key, row]) => copied(key, row))
              table.apply(rows, true, truncated)
            } else {
              const next = later.shift() ?? { batch: [], lines: [] }
              truncated ||= next.batch.some(({ op }) => op === 'truncate')
              table.apply(next.lines, true, truncated)
              at += next.batch.length
            }
            const now = fold(changes.slice(0, at))
            for (const [key, row] of table.state()) expect(row, `row ${key}`).toEqual(now.get(key))
          }
          expect(table.state()).toEqual(fold(changes))
        },
      ),
      { numRuns: 3000 },
    )
  })
})

describe('planMerge by ordering', () => {
  it('keeps the highest ordering of a key and lets nothing late bring back a deleted one', () => {
    const groups = new KeyGroups()
    const hashes = new Uint32Array([1, 0, 0, 1, 1, 0, 0, 1, 2, 0, 0, 2, 3, 0, 0, 3])
    groups.group(hashes, 4)
    const old = createRowLocations(3)
    old.files.set([NO_FILE, TOMBSTONE_FILE, 5])
    old.rows.set([0, 0, 9])
    old.orderings.set([0n, 50n, 50n])
    const plan = planMerge(
      {
        count: 4,
        ops: new Uint8Array(4),
        orderings: new BigInt64Array([20n, 10n, 49n, 50n]),
        masks: [],
        partialColumnCount: 0,
      },
      groups,
      old,
      { byOrdering: true, mayLack: false, copyIsStale: false },
    )
    expect([...plan.keep]).toEqual([0, 3])
    expect([...plan.deleteFiles]).toEqual([5])
    expect([...plan.deleteRows]).toEqual([9])
    expect(plan).toMatchObject({ applied: 2, superseded: 2, inserted: 1, updated: 1, deleted: 0 })
  })

  it('drops a change whose missing value is nowhere, while a copy is not complete', () => {
    const groups = new KeyGroups()
    // Key 1 has a row, key 2 has none, key 3 has a whole change before.
    const hashes = new Uint32Array([1, 0, 0, 1, 2, 0, 0, 2, 3, 0, 0, 3, 3, 0, 0, 3])
    groups.group(hashes, 4)
    const old = createRowLocations(3)
    old.files.set([5, NO_FILE, NO_FILE])
    const changes = {
      count: 4,
      ops: new Uint8Array([1, 1, 0, 1]),
      orderings: new BigInt64Array(4),
      masks: [new Uint32Array([1, 1, 0, 1])],
      partialColumnCount: 1,
    }
    const rules = { byOrdering: false, mayLack: true, copyIsStale: false }
    const plan = planMerge(changes, groups, old, rules)
    expect([...plan.keep]).toEqual([0, 3])
    expect(plan).toMatchObject({ applied: 2, superseded: 2, inserted: 1, updated: 1 })
    expect(() => planMerge(changes, groups, old, { ...rules, mayLack: false })).toThrow(
      expect.objectContaining({ code: 'SLU-ING-4004' }),
    )
  })
})
