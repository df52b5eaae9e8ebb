/** SQL text from parts: the only quoting in the house. */

/** A quoted identifier: `"na""me"`. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A literal of a string, number, bigint, boolean or NULL. */
export function literal(value: string | number | bigint | boolean | null): string {
  if (value === null) return 'NULL'
  if (typeof value === 'string') return `'${value.replaceAll("'", "''")}'`
  return String(value)
}

/** A literal of one local file's path, whatever characters it has: readers would see patterns. */
export function pathLiteral(path: string): string {
  return literal(path.replaceAll(/[*?[]/g, '[$&]'))
}

/** A bracketed list of literals: `['a', 'b']`. */
export function list(values: readonly (string | number | bigint)[]): string {
  return `[${values.map(literal).join(', ')}]`
}
