/** JSON as commands print it: 64-bit numbers as strings, one document, `schemaVersion` first. */

/**
 * Version of all JSON documents of the command line; grows when a field changes its meaning or
 * goes.
 */
export const JSON_SCHEMA_VERSION = 1

/** A document of a command, as text with a line end. */
export function documentText(kind: string, content: object): string {
  return `${jsonText({ schemaVersion: JSON_SCHEMA_VERSION, kind, ...content }, 2)}\n`
}

/** JSON of a value that may hold bigints (as strings), maps (as objects) and bytes (as hex). */
export function jsonText(value: unknown, indent = 0): string {
  return JSON.stringify(value, replaceSpecial, indent)
}

function replaceSpecial(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Map) return Object.fromEntries(value)
  return value
}
