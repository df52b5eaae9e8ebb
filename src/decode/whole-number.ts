/** Texts as whole numbers: a cast alone would round 1.5 to 2 and 1e-1 to 0. */

import { literal } from '../engine/index.ts'
import { EXPONENT, withoutExponent } from './decimal-text.ts'
import { ENDS_QUERY, type Refusal } from './refusal.ts'

/**
 * Digits that a double keeps. The JSON reader takes 9007199254740993.0 for a double and prints
 * 9007199254740992.0: of what has more digits and a point nobody knows what it was.
 */
export const PRINTED_DIGITS_MAX = 15

/** Pattern of whole numbers that are written with a point: digits before it, at most so many. */
export function wholeForm(digitsMax: number | null): string {
  return `-?[0-9]${digitsMax === null ? '+' : `{1,${digitsMax}}`}\\.0+`
}

/**
 * The text itself where it is a whole number, `2.0` as `2`; any other is refused. `digitsMax` is
 * for texts that were printed from a double.
 */
export function wholeNumber(
  text: string,
  name: string,
  options: { readonly refusal?: Refusal; readonly digitsMax?: number },
): string {
  const { refusal = ENDS_QUERY, digitsMax = null } = options
  const shown = `'${name.replaceAll("'", "''")}: ' || ${text}[1:40]`
  return `CASE WHEN NOT contains(${text}, '.') AND NOT contains(${text}, 'e')
      AND NOT contains(${text}, 'E') THEN ${text}
    WHEN regexp_full_match(${text}, '${wholeForm(digitsMax)}') THEN split_part(${text}, '.', 1)
    WHEN ${text} IS NOT NULL
    THEN ${refusal(`'a fraction in a whole-number column, ' || ${shown}`)} END`
}

/** A number written out, `1.2e1` as `12.0`, so that `wholeNumber` tells whether it is whole. */
export function wholeText(text: string): string {
  return `list_transform([${text}], lambda written:
    CASE WHEN regexp_full_match(written, ${literal(EXPONENT)})
    THEN ${withoutExponent('written')} || '0' ELSE written END)[1]`
}
