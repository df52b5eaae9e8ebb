import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type RowHistory, type RowImage, rowHistory } from '../../../../src/read/index.ts'
import { engineForTests } from '../../../support/engine.ts'
import { createPlainTable } from '../../../support/read/plain-table.ts'
import { play, type Row, type Step, steps } from '../../../support/read/played-table.ts'
import { schemaOf } from '../../../support/read/schemas.ts'

const world = engineForTests()

const schema = schemaOf({ id: 'integer', value: 'integer' } as const, { key: ['id'] })

const imageText = (image: RowImage | null): string | null =>
  image === null ? null : `${image.values.join()}@${image.position}`
const rowText = (row: Row | undefined): string | null =>
  row === undefined ? null : `${row.id},${row.value ?? ''}@${row.position}`

/** Every version in which the row is another one than before, newest first. */
function eventsOf(states: readonly (readonly Row[])[], id: number): readonly object[] {
  const texts = states.map((rows) => rowText(rows.find((row) => row.id === id)))
  return texts
    .flatMap((after, version) => {
      const before = texts[version - 1] ?? null
      return before === after ? [] : [{ version: BigInt(version), before, after }]
    })
    .toReversed()
}

const told = ({ events }: RowHistory): readonly object[] =>
  events.map(({ version, before, after }) => ({
    version,
    before: imageText(before),
    after: imageText(after),
  }))

async function check(list: readonly Step[]): Promise<void> {
  const table = createPlainTable(world.engine, mkdtempSync(join(world.folder, 'run-')), schema)
  const states = await play(table, list)
  for (const id of [0, 3, 6]) {
    const key = new Map([['id', String(id)]])
    const expected = eventsOf(states, id)
    const whole = await rowHistory({ engine: world.engine, table, key, limit: 1000, since: null })
    expect(told(whole)).toEqual(expected)
    expect(whole.end).toBe('beginning')
    expect(whole.live.map(imageText)).toEqual(
      states.at(-1)?.flatMap((row) => (row.id === id ? [rowText(row)] : [])),
    )
    const newest = await rowHistory({ engine: world.engine, table, key, limit: 1, since: null })
    expect(told(newest)).toEqual(expected.slice(0, 1))
  }
}

test('the history of a key is every version in which its row changed', async () => {
  await fc.assert(
    fc.asyncProperty(steps, (list) => check(list)),
    { numRuns: 25 },
  )
})
