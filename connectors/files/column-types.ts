/** Column types as people write them, and as the first lines of a file suggest them. */

import { type ColumnType, SluiceError, type SourceColumn } from '../../src/model/index.ts'

const TYPE_NAMES: Readonly<Record<string, ColumnType>> = {
  bigint: 'long',
  long: 'long',
  int: 'integer',
  integer: 'integer',
  smallint: 'short',
  short: 'short',
  tinyint: 'byte',
  byte: 'byte',
  double: 'double',
  float: 'float',
  real: 'float',
  string: 'string',
  varchar: 'string',
  text: 'string',
  boolean: 'boolean',
  bool: 'boolean',
  date: 'date',
  timestamp: 'timestamp',
  timestamptz: 'timestamp',
  timestamp_ntz: 'timestamp_ntz',
}

const DECIMAL_DIGITS_MAX = 38
const LONG_MIN = -(2n ** 63n)
const LONG_MAX = 2n ** 63n - 1n

/** `bigint`, `Decimal(10, 2)` → type; null when there is no such type. */
export function parseColumnType(text: string): ColumnType | null {
  const name = text.trim().toLowerCase()
  const known = Object.hasOwn(TYPE_NAMES, name) ? TYPE_NAMES[name] : undefined
  if (known !== undefined) return known
  const match = /^(?:decimal|numeric)\s*\(\s*(\d{1,2})\s*(?:,\s*(\d{1,2})\s*)?\)$/.exec(name)
  if (match === null) return null
  const precision = Number(match[1])
  const scale = Number(match[2] ?? 0)
  if (precision < 1 || precision > DECIMAL_DIGITS_MAX || scale > precision) return null
  return { kind: 'decimal', precision, scale }
}

/** True for what a `bigint` column can hold. */
export function fitsLong(value: bigint): boolean {
  return value >= LONG_MIN && value <= LONG_MAX
}

/** Type → the name people write; the inverse of `parseColumnType` for the types it knows. */
export function printColumnType(type: ColumnType): string {
  if (type === 'long') return 'bigint'
  if (type === 'short') return 'smallint'
  if (type === 'byte') return 'tinyint'
  if (typeof type === 'string') return type
  if (type.kind === 'decimal') return `decimal(${type.precision},${type.scale})`
  return type.kind
}

/** What was seen in one place of the sampled records. */
type Seen = 'null' | 'boolean' | 'integer' | 'number' | 'text'

/**
 * Columns of the sampled lines in the order of their first appearance. All are nullable: lines not
 * sampled may lack them. Integers become `bigint`, a mix with fractions `double`; strings, objects,
 * arrays and other mixes become `string` (objects and arrays as JSON text). Throws SLU-SRC-1402.
 */
export function inferColumns(lines: readonly string[], fileName: string): readonly SourceColumn[] {
  const columns = new Map<string, Seen>()
  for (const [index, line] of lines.entries()) {
    for (const [name, seen] of classifyLine(line, `${fileName}:${index + 1}`)) {
      columns.set(name, combine(columns.get(name) ?? 'null', seen))
    }
  }
  if (columns.size === 0) {
    throw new SluiceError('SLU-SRC-1402', {
      message: `${fileName} has no record that names a column.`,
    })
  }
  return [...columns].map(([name, seen]) => {
    const type = typeOf(seen)
    return { name, type, sourceType: printColumnType(type), nullable: true }
  })
}

function typeOf(seen: Seen): ColumnType {
  switch (seen) {
    case 'boolean':
      return 'boolean'
    case 'integer':
      return 'long'
    case 'number':
      return 'double'
    case 'null':
    case 'text':
      return 'string'
    default: {
      const never: never = seen
      return never
    }
  }
}

function combine(left: Seen, right: Seen): Seen {
  if (left === right || right === 'null') return left
  if (left === 'null') return right
  const bothNumbers =
    (left === 'integer' || left === 'number') && (right === 'integer' || right === 'number')
  return bothNumbers ? 'number' : 'text'
}

function classifyLine(line: string, place: string): readonly (readonly [string, Seen])[] {
  let record: unknown
  try {
    // Numbers are kept as their text: past 2^53 their value would already be another one.
    record = JSON.parse(line, keepNumberText as (key: string, value: unknown) => unknown)
  } catch (error) {
    throw new SluiceError('SLU-SRC-1407', { message: `${place} is not valid JSON.`, cause: error })
  }
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new SluiceError('SLU-SRC-1407', { message: `${place} is not a JSON object.` })
  }
  return Object.entries(record).map(([name, value]) => [name, classify(value, name, place)])
}

class NumberText {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

function keepNumberText(
  _key: string,
  value: unknown,
  context: { readonly source?: string },
): unknown {
  return typeof value === 'number' ? new NumberText(context.source ?? String(value)) : value
}

function classify(value: unknown, name: string, place: string): Seen {
  if (value === null) return 'null'
  if (typeof value === 'boolean') return 'boolean'
  if (!(value instanceof NumberText)) return 'text'
  if (!/^-?\d+$/.test(value.text)) return 'number'
  const integer = BigInt(value.text)
  if (fitsLong(integer)) return 'integer'
  throw new SluiceError('SLU-SRC-1402', {
    message: `${place}: column "${name}" holds an integer beyond 64 bits.`,
    remedy: `Declare it and the other columns: ${JSON.stringify(name)}: decimal(38,0), or double.`,
  })
}
