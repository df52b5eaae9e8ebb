/** Which table column takes the values of which column of a stream. Pure. */

import type { StreamSchema, TableColumn } from '../model/index.ts'

/**
 * The table column of each column of the stream, in the stream's order; null where the table has
 * none. A column is found by its number in the source, else by its name there. A column without a
 * number may come back to one that was gone; one whose number is unknown may not.
 */
export function matchColumns(
  columns: readonly TableColumn[],
  stream: StreamSchema,
): readonly (TableColumn | null)[] {
  const byId = new Map<number, TableColumn>()
  const byName = new Map<string, TableColumn>()
  const goneByName = new Map<string, TableColumn>()
  for (const column of columns) {
    const { origin } = column
    if (typeof origin?.id === 'number') byId.set(origin.id, column)
    const names = origin?.isGone === true ? goneByName : byName
    names.set(origin?.name ?? column.name, column)
  }
  return stream.columns.map(({ id, name }) => {
    const sameId = typeof id === 'number' ? byId.get(id) : undefined
    if (sameId !== undefined) return sameId
    const sameName = byName.get(name)
    const isOther = typeof id === 'number' && typeof sameName?.origin?.id === 'number'
    if (sameName !== undefined && !isOther) return sameName
    return (id === undefined ? goneByName.get(name) : undefined) ?? null
  })
}

/** Field id of each table column that the stream has → the column's place in the stream. */
export function columnPlaces(
  matched: readonly (TableColumn | null)[],
): ReadonlyMap<number, number> {
  const places = new Map<number, number>()
  for (const [place, column] of matched.entries()) {
    if (column !== null) places.set(column.fieldId, place)
  }
  return places
}
