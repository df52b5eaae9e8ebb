import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DifferentRow, versionDifference } from '../../../../src/read/index.ts'
import { engineForTests } from '../../../support/engine.ts'
import { createPlainTable } from '../../../support/read/plain-table.ts'
import { play, type Row, type Step, steps } from '../../../support/read/played-table.ts'
import { schemaOf } from '../../../support/read/schemas.ts'

const world = engineForTests()

const columns = { id: 'integer', value: 'integer' } as const
const text = (cells: readonly unknown[] | null): string =>
  cells === null ? '' : `${cells[0]}=${cells[1] ?? ''}`
const told = ({ kind, before, after }: DifferentRow): string =>
  `${kind} ${text(before)} ${text(after)}`

/** By key: what is in both, in one, or in both with other values. */
function byKey(from: readonly Row[], to: readonly Row[]): readonly string[] {
  const ids = [...new Set([...from, ...to].map(({ id }) => id))]
  return ids.flatMap((id) => {
    const [before, after] = [from, to].map((rows) => {
      const row = rows.find((candidate) => candidate.id === id)
      return row === undefined ? '' : text([row.id, row.value])
    })
    if (before === after) return []
    return `${before === '' ? 'insert' : after === '' ? 'delete' : 'update'} ${before} ${after}`
  })
}

/** As bags of rows. */
function byRow(from: readonly Row[], to: readonly Row[]): readonly string[] {
  const left = from.map(({ id, value }) => text([id, value]))
  const right = to.map(({ id, value }) => text([id, value]))
  const without = (some: readonly string[], others: readonly string[]): readonly string[] => {
    const rest = [...others]
    return some.filter((row) => {
      const at = rest.indexOf(row)
      if (at !== -1) rest.splice(at, 1)
      return at === -1
    })
  }
  return [
    ...without(right, left).map((row) => `insert  ${row}`),
    ...without(left, right).map((row) => `delete ${row} `),
  ]
}

async function check(key: readonly string[], list: readonly Step[]): Promise<void> {
  const run = mkdtempSync(join(world.folder, 'run-'))
  const table = createPlainTable(world.engine, run, schemaOf(columns, { key }))
  const states = await play(table, list)
  const last = states.length - 1
  const pairs: readonly (readonly [number, number])[] = [
    [0, last],
    [last, 0],
    [Math.floor(last / 2), last],
    [last, Math.floor(last / 2)],
    [last, last],
  ]
  for (const [a, b] of pairs) {
    const from = await table.snapshot({ kind: 'version', version: BigInt(a) })
    const to = await table.snapshot({ kind: 'version', version: BigInt(b) })
    const found = await versionDifference({ engine: world.engine, table, from, to, rowsMax: 1000 })
    const model = key.length > 0 ? byKey : byRow
    const expected = model(states[a] ?? [], states[b] ?? [])
    expect(found.rows.map(told).sort()).toEqual([...expected].sort())
    const count = (kind: string): bigint =>
      BigInt(expected.filter((line) => line.startsWith(kind)).length)
    expect(found).toMatchObject({
      inserted: count('insert'),
      updated: count('update'),
      deleted: count('delete'),
    })
  }
}

test('is what has become of each key, in both directions', async () => {
  await fc.assert(
    fc.asyncProperty(steps, (list) => check(['id'], list)),
    { numRuns: 25 },
  )
})

test('is the bag of rows that came and went where there is no key', async () => {
  await fc.assert(
    fc.asyncProperty(steps, (list) => check([], list)),
    { numRuns: 10 },
  )
})
