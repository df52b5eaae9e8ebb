/**
 * Type widening (PROTOCOL.md, "Type Widening"): which types a column may have grown from. Files
 * written before the change hold the old type; the scan casts them.
 */

import { type ColumnType, SluiceError } from '../../src/model/index.ts'

/** Member of a field's metadata: a list of `{fromType, toType, fieldPath?}`, oldest first. */
const TYPE_CHANGES = 'delta.typeChanges'

/** Whole-number types and the digits that hold all their values. */
const DIGITS: Readonly<Record<string, number>> = { byte: 3, short: 5, integer: 10, long: 20 }
const WHOLE_NUMBERS = Object.keys(DIGITS)

/**
 * Refuses a field that was changed in a way that a cast could round or reorder: the protocol asks
 * readers to fail then. Throws SLU-TAB-3010 naming the column and the change.
 */
export function checkTypeChanges(
  metadata: Readonly<Record<string, unknown>>,
  column: string,
  parse: (json: unknown) => ColumnType,
): void {
  const changes = metadata[TYPE_CHANGES]
  if (changes === undefined || changes === null) return
  for (const change of Array.isArray(changes) ? changes : [changes]) {
    const { fromType, toType } = (change ?? {}) as { fromType?: unknown; toType?: unknown }
    if (isWidening(parse(fromType), parse(toType))) continue
    throw new SluiceError('SLU-TAB-3010', {
      message: `column ${column} was changed from ${fromType} to ${toType}, which is no widening`,
      context: { column, fromType: String(fromType), toType: String(toType) },
    })
  }
}

/** True when the protocol knows the change and a cast keeps every value exactly. */
export function isWidening(from: ColumnType, to: ColumnType): boolean {
  if (typeof from === 'string' && from in DIGITS) return isWiderThanWhole(from, to)
  if (from === 'float') return to === 'double'
  if (from === 'date') return to === 'timestamp_ntz'
  const [narrow, wide] = [decimalOf(from), decimalOf(to)]
  if (narrow === null || wide === null) return false
  return wide.scale >= narrow.scale && wide.whole >= narrow.whole
}

function isWiderThanWhole(from: string, to: ColumnType): boolean {
  if (to === 'double') return from !== 'long'
  const decimal = decimalOf(to)
  // Delta takes a decimal for the small types only where any INT would fit.
  if (decimal !== null) return decimal.whole >= Math.max(DIGITS[from]!, DIGITS.integer!)
  return WHOLE_NUMBERS.indexOf(String(to)) > WHOLE_NUMBERS.indexOf(from)
}

function decimalOf(type: ColumnType): { readonly whole: number; readonly scale: number } | null {
  if (typeof type === 'string' || type.kind !== 'decimal') return null
  return { whole: type.precision - type.scale, scale: type.scale }
}
