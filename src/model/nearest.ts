/** "Did you mean": the known name nearest to a mistyped one. */

/**
 * The nearest name by edit distance when it is near enough (a third of the length, at least 2);
 * else null.
 */
export function nearestName(typed: string, known: readonly string[]): string | null {
  let best: string | null = null
  let bestDistance = Number.POSITIVE_INFINITY
  for (const name of known) {
    const distance = editDistance(normalise(typed), normalise(name))
    if (distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  return bestDistance <= Math.max(2, Math.floor(typed.length / 3)) ? best : null
}

/** `did you mean "x"?` or the list of known names. */
export function suggestName(typed: string, known: readonly string[]): string {
  const nearest = nearestName(typed, known)
  if (nearest !== null) return `did you mean "${nearest}"?`
  return known.length === 0 ? 'remove it' : `known here: ${known.toSorted().join(', ')}`
}

function normalise(name: string): string {
  return name.toLowerCase().replaceAll(/[_-]/g, '')
}

/** Edits to turn one text into the other: insert, delete, replace, swap of neighbours. */
function editDistance(left: string, right: string): number {
  const rows = left.length + 1
  const columns = right.length + 1
  const cells = new Uint16Array(rows * columns)
  const at = (row: number, column: number): number => cells[row * columns + column] ?? 0
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let cost = Math.max(row, column)
      if (row > 0 && column > 0) {
        const same = left[row - 1] === right[column - 1]
        cost = Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + (same ? 0 : 1),
        )
        const swapped =
          row > 1 &&
          column > 1 &&
          left[row - 1] === right[column - 2] &&
          left[row - 2] === right[column - 1]
        if (swapped) cost = Math.min(cost, at(row - 2, column - 2) + 1)
      }
      cells[row * columns + column] = cost
    }
  }
  return at(left.length, right.length)
}
