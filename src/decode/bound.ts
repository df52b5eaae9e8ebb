/** Values that an expression needs more than once, computed once. */

/**
 * An expression over named values; each is computed once for a row, and stands once in the text,
 * which would grow without bound where expressions stand in expressions.
 */
export function bound<Name extends string>(
  values: Readonly<Record<Name, string>>,
  use: (names: Readonly<Record<Name, string>>) => string,
): string {
  const names = Object.keys(values) as Name[]
  const parts = names.map((name) => `${name} := ${values[name]}`)
  const fields = names.map((name) => [name, `bound.${name}`] as const)
  const used = use(Object.fromEntries(fields) as Record<Name, string>)
  return `list_transform([struct_pack(${parts.join(', ')})], lambda bound: ${used})[1]`
}
