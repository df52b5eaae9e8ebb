/** What becomes of a table column's type when its source column gets another one. Pure. */

import type { ColumnType } from './schema.ts'

/**
 * - `same`: nothing to do.
 * - `fits`: every value of the new type has an equal value in the table's type, and the change
 *   itself cannot have altered stored values.
 * - `widens`: so it is once the table's type has become `type`, which Delta can read old files as.
 * - `incompatible`: anything else.
 */
export type TypeChange =
  | { readonly kind: 'same' }
  | { readonly kind: 'fits' }
  | { readonly kind: 'widens'; readonly type: ColumnType }
  | { readonly kind: 'incompatible' }

interface DecimalType {
  readonly kind: 'decimal'
  readonly precision: number
  readonly scale: number
}

const WHOLE_NUMBERS: readonly ColumnType[] = ['byte', 'short', 'integer', 'long']
/** Digits before the point that Delta asks of a decimal which whole numbers become. */
const WHOLE_DIGITS: ReadonlyMap<ColumnType, number> = new Map([
  ['byte', 10],
  ['short', 10],
  ['integer', 10],
  ['long', 20],
])
const PRECISION_MAX = 38

/**
 * Compares the table's type with the one the source has now.
 * Source: Delta protocol, "Type Widening", for the changes that old files can be read through.
 */
export function compareTypes(stored: ColumnType, source: ColumnType): TypeChange {
  if (sameType(stored, source)) return { kind: 'same' }
  const storedRank = WHOLE_NUMBERS.indexOf(stored)
  const sourceRank = WHOLE_NUMBERS.indexOf(source)
  if (storedRank >= 0 && sourceRank >= 0) {
    return sourceRank < storedRank ? { kind: 'fits' } : { kind: 'widens', type: source }
  }
  const widened = widenedType(stored, source)
  if (widened === null) return { kind: 'incompatible' }
  return sameType(widened, stored) ? { kind: 'fits' } : { kind: 'widens', type: widened }
}

/** True when both are one type; nested types included, ids of their members not. */
export function sameType(left: ColumnType, right: ColumnType): boolean {
  return left === right || JSON.stringify(left, omitIds) === JSON.stringify(right, omitIds)
}

function omitIds(key: string, value: unknown): unknown {
  return key === 'fieldId' || key === 'physicalName' ? undefined : value
}

/** True for the four types of whole numbers. */
export function isWholeNumber(type: ColumnType): boolean {
  return WHOLE_NUMBERS.includes(type)
}

/** The type that holds the values of both, where Delta allows it and nothing is rounded. */
function widenedType(stored: ColumnType, source: ColumnType): ColumnType | null {
  if (source === 'double') {
    return stored === 'float' || (stored !== 'long' && isWholeNumber(stored)) ? 'double' : null
  }
  if (source === 'timestamp_ntz') return stored === 'date' ? 'timestamp_ntz' : null
  if (!isDecimal(source)) return null
  const wholeDigits = WHOLE_DIGITS.get(stored)
  if (wholeDigits !== undefined) return decimal(wholeDigits, 0, source)
  if (!isDecimal(stored)) return null
  // A smaller scale rounds the stored values, which no record tells.
  if (source.scale < stored.scale) return null
  return decimal(stored.precision - stored.scale, stored.scale, source)
}

function decimal(wholeDigits: number, scale: number, source: DecimalType): ColumnType | null {
  const digits = Math.max(wholeDigits, source.precision - source.scale)
  const wanted = Math.max(scale, source.scale)
  const precision = digits + wanted
  return precision > PRECISION_MAX ? null : { kind: 'decimal', precision, scale: wanted }
}

function isDecimal(type: ColumnType): type is DecimalType {
  return typeof type !== 'string' && type.kind === 'decimal'
}
