/** Lives of a `PlainTable` with the columns `id` and `value`, as fast-check makes them up. */

import fc from 'fast-check'
import type { PlainTable } from './plain-table.ts'

/** A row of the played table. */
export interface Row {
  readonly id: number
  readonly value: number | null
  readonly position: number
}

interface Place {
  readonly path: string
  readonly index: number
}

/** What a commit does, as chosen by fast-check. */
export type Step =
  | {
      readonly kind: 'write'
      readonly upserts: readonly (readonly [number, number | null])[]
      readonly deletes: readonly number[]
    }
  | { readonly kind: 'compact' }
  | { readonly kind: 'replace'; readonly ids: readonly number[] }

const id = fc.integer({ min: 0, max: 6 })
/** Lives of a table. */
export const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('write' as const),
        upserts: fc.uniqueArray(fc.tuple(id, fc.option(fc.integer({ min: 0, max: 2 }))), {
          selector: ([key]) => key,
          maxLength: 4,
        }),
        deletes: fc.uniqueArray(id, { maxLength: 3 }),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'compact' as const }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('replace' as const), ids: fc.uniqueArray(id) }),
    },
  ),
  { minLength: 1, maxLength: 8 },
)

function rowsSql(rows: readonly Row[]): string {
  return rows
    .map(
      ({ id: key, value, position }) =>
        `SELECT ${key} AS id, ${value ?? 'NULL'}::INTEGER AS value,
        0 AS _sluice_split, ${position}::BIGINT AS _sluice_position`,
    )
    .join(' UNION ALL ')
}

/** Plays the steps on a table and keeps the rows of every version. */
export async function play(
  table: PlainTable,
  list: readonly Step[],
): Promise<readonly (readonly Row[])[]> {
  const states: (readonly Row[])[] = [[]]
  let live = new Map<number, { readonly row: Row; readonly place: Place }>()
  let position = 0
  let fileCount = 0
  const settle = (rows: readonly Row[], onto: Map<number, { row: Row; place: Place }>): void => {
    if (rows.length === 0) return
    const path = `part-${fileCount++}.parquet`
    for (const [index, row] of rows.entries()) onto.set(row.id, { row, place: { path, index } })
  }
  for (const step of list) {
    const next = new Map(live)
    if (step.kind === 'write') {
      const deletes = new Map<string, number[]>()
      const gone = [...step.deletes, ...step.upserts.map(([key]) => key)]
      for (const key of new Set(gone)) {
        const place = next.get(key)?.place
        if (place !== undefined) {
          deletes.set(place.path, [...(deletes.get(place.path) ?? []), place.index])
        }
        next.delete(key)
      }
      const rows = step.upserts.map(([key, value]) => ({ id: key, value, position: position++ }))
      settle(rows, next)
      await table.apply({ deletes, add: rows.length === 0 ? [] : [{ sql: rowsSql(rows) }] })
    } else {
      const old = [...next.values()].map(({ row }) => row)
      next.clear()
      const rows =
        step.kind === 'compact'
          ? old
          : step.ids.map((key) => ({ id: key, value: 9, position: position++ }))
      settle(rows, next)
      const remove = [...(await table.latest()).files()].map(({ path }) => path)
      await table.apply({ remove, add: rows.length === 0 ? [] : [{ sql: rowsSql(rows) }] })
    }
    live = next
    states.push([...live.values()].map(({ row }) => row))
  }
  return states
}
