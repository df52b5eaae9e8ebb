/** KEY of the command line → one text for each key column. Pure. */

import { SluiceError } from '../model/index.ts'

/**
 * A plain value for a key of one column; `a=1,b=2` or a JSON object by column for any key. A text
 * that begins with the name of the only key column and `=` is read as that column's value.
 * Throws SLU-CLI-8001.
 */
export function parseRowKey(text: string, columns: readonly string[]): ReadonlyMap<string, string> {
  const only = columns.length === 1 ? columns[0] : undefined
  const json = text.startsWith('{') ? parseObject(text) : null
  if (json !== null && (only === undefined || Object.keys(json).join() === only)) {
    return complete(new Map(Object.entries(json).map((entry) => jsonText(entry, columns))), columns)
  }
  if (only !== undefined) {
    const named = text.startsWith(`${only}=`)
    return new Map([[only, named ? text.slice(only.length + 1) : text]])
  }
  return complete(namedParts(text, columns), columns)
}

/** A part begins at the name of a key column and `=`, so that values may hold commas. */
function namedParts(text: string, columns: readonly string[]): ReadonlyMap<string, string> {
  const starts = columns
    .flatMap((name) => {
      if (text.startsWith(`${name}=`)) return [{ name, at: 0, from: name.length + 1 }]
      const at = text.indexOf(`,${name}=`)
      return at === -1 ? [] : [{ name, at, from: at + name.length + 2 }]
    })
    .sort((left, right) => left.at - right.at)
  if (starts[0]?.at !== 0) throw wrong(columns, `"${text}" does not begin with a key column`)
  return new Map(
    starts.map(({ name, from }, index) => [name, text.slice(from, starts[index + 1]?.at)]),
  )
}

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    // Digits beyond what a double holds stay as they are written.
    return JSON.parse(text, keepDigits) as Readonly<Record<string, unknown>>
  } catch {
    return null
  }
}

function keepDigits(_name: string, value: unknown, context?: { readonly source?: string }) {
  return typeof value === 'number' ? (context?.source ?? String(value)) : value
}

function jsonText(
  [name, value]: readonly [string, unknown],
  columns: readonly string[],
): readonly [string, string] {
  if (typeof value === 'string' || typeof value === 'boolean') return [name, String(value)]
  throw wrong(columns, `the value of ${name} is ${value === null ? 'null' : 'no plain value'}`)
}

function complete(
  texts: ReadonlyMap<string, string>,
  columns: readonly string[],
): ReadonlyMap<string, string> {
  const missing = columns.filter((name) => !texts.has(name))
  const unknown = [...texts.keys()].filter((name) => !columns.includes(name))
  if (missing.length > 0) throw wrong(columns, `the key column ${missing.join(', ')} is missing`)
  if (unknown.length > 0) throw wrong(columns, `${unknown.join(', ')} is no key column`)
  return texts
}

function wrong(columns: readonly string[], message: string): SluiceError {
  const named = columns.map((name, index) => `${name}=${index + 1}`).join(',')
  const json = JSON.stringify(Object.fromEntries(columns.map((name, at) => [name, String(at + 1)])))
  return new SluiceError('SLU-CLI-8001', {
    message,
    remedy: `The key is (${columns.join(', ')}): write ${named} or ${json}.`,
  })
}
