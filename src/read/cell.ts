/** Values of a result, exact: nothing wider than a double ever passes through one. */

/**
 * A value of a result.
 * Shape: BOOLEAN boolean · integers up to 32 bits, FLOAT and DOUBLE number · wider integers bigint
 * · DECIMAL text · TIMESTAMP WITH TIME ZONE ISO-8601 text in UTC with `Z`, TIMESTAMP without, DATE
 * `YYYY-MM-DD` (`infinity` and years outside 0001..9999 as DuckDB prints them) · BLOB `\x` and
 * hexadecimal digits · LIST and ARRAY arrays · STRUCT objects · MAP arrays of `{key, value}` ·
 * everything else DuckDB's text.
 */
export type SqlCell =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly SqlCell[]
  | { readonly [name: string]: SqlCell }

/** What this file needs of DuckDB's type objects. */
export interface TypeShape {
  toString(): string
  readonly valueType?: TypeShape
  readonly keyType?: TypeShape
  readonly entryNames?: readonly string[]
  readonly entryTypes?: readonly TypeShape[]
}

/** Turns a value as DuckDB hands it out into a cell. */
export type CellReader = (value: unknown) => SqlCell

/** Reader for the values of one column. */
export function cellReader(type: TypeShape): CellReader {
  const read = readerOf(type)
  return (value) => (value === null || value === undefined ? null : read(value))
}

/**
 * A cell as JSON text. Integers beyond 2^53 and DECIMAL become strings, NaN and infinities too:
 * every reader of the JSON gets the exact value.
 */
export function cellJson(cell: SqlCell): string {
  return JSON.stringify(plainCell(cell))
}

/** A cell made of what JSON can hold; see `cellJson`. */
export function plainCell(cell: SqlCell): unknown {
  if (typeof cell === 'bigint') {
    const isSafe =
      cell >= BigInt(Number.MIN_SAFE_INTEGER) && cell <= BigInt(Number.MAX_SAFE_INTEGER)
    return isSafe ? Number(cell) : cell.toString()
  }
  if (typeof cell === 'number') return Number.isFinite(cell) ? cell : String(cell)
  if (Array.isArray(cell)) return (cell as readonly SqlCell[]).map(plainCell)
  if (typeof cell === 'object' && cell !== null) {
    const members = Object.entries(cell as { readonly [name: string]: SqlCell })
    return Object.fromEntries(members.map(([name, value]) => [name, plainCell(value)]))
  }
  return cell
}

function readerOf(type: TypeShape): CellReader {
  const name = type.toString()
  if (type.keyType !== undefined && type.valueType !== undefined) {
    return mapReader(type.keyType, type.valueType)
  }
  if (type.valueType !== undefined) return listReader(type.valueType)
  if (name.startsWith('STRUCT(')) return structReader(type)
  switch (name) {
    case 'TIMESTAMP WITH TIME ZONE':
      return (value) => isoText(value, 'Z')
    case 'TIMESTAMP':
      return (value) => isoText(value, '')
    case 'BLOB':
      return (value) => `\\x${Buffer.from((value as { bytes: Uint8Array }).bytes).toString('hex')}`
    default:
      return plainReader
  }
}

/**
 * Numbers, bigints, booleans and texts as they are; objects (DECIMAL, DATE, UUID, …) as their text.
 */
const plainReader: CellReader = (value) => {
  const isPlain = ['number', 'bigint', 'boolean', 'string'].includes(typeof value)
  return isPlain ? (value as number | bigint | boolean | string) : String(value)
}

function listReader(item: TypeShape): CellReader {
  const read = cellReader(item)
  return (value) => (value as { items: readonly unknown[] }).items.map(read)
}

function structReader(type: TypeShape): CellReader {
  const names = type.entryNames ?? []
  const readers = (type.entryTypes ?? []).map(cellReader)
  return (value) => {
    const { entries } = value as { entries: Readonly<Record<string, unknown>> }
    return Object.fromEntries(
      names.map((name, index) => [name, (readers[index] as CellReader)(entries[name])]),
    )
  }
}

function mapReader(keyType: TypeShape, valueType: TypeShape): CellReader {
  const readKey = cellReader(keyType)
  const readValue = cellReader(valueType)
  return (value) =>
    (value as { entries: readonly { key: unknown; value: unknown }[] }).entries.map((entry) => ({
      key: readKey(entry.key),
      value: readValue(entry.value),
    }))
}

const MICROS_PER_MS = 1000n
/** Years 0001 to 9999, the range ISO-8601 text covers without agreement. */
const MICROS_MIN = -62_135_596_800_000_000n
const MICROS_MAX = 253_402_300_799_999_999n

/**
 * Epoch micros → `2026-01-31T12:00:00.123456Z`; fraction digits only as far as they are not zero.
 */
function isoText(value: unknown, zone: string): string {
  const { micros } = value as { micros: bigint }
  if (micros < MICROS_MIN || micros > MICROS_MAX) return String(value)
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const wholeMs = Number((micros - fraction) / MICROS_PER_MS)
  const digits = fraction === 0n ? '' : `.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`
  return `${new Date(wholeMs).toISOString().slice(0, 19)}${digits}${zone}`
}
