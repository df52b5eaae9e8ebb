/** Texts as whole numbers: a cast alone would round 1.5 to 2 and 1e-1 to 0. */

import { ENDS_QUERY, type Refusal } from './refusal.ts'

/** The text itself where it is a whole number, `2.0` as `2`; any other is refused. */
export function wholeNumber(text: string, name: string, refusal: Refusal = ENDS_QUERY): string {
  const shown = `'${name.replaceAll("'", "''")}: ' || ${text}[1:40]`
  return `CASE WHEN NOT contains(${text}, '.') AND NOT contains(${text}, 'e')
      AND NOT contains(${text}, 'E') THEN ${text}
    WHEN regexp_full_match(${text}, '-?[0-9]+\\.0+') THEN split_part(${text}, '.', 1)
    WHEN ${text} IS NOT NULL
    THEN ${refusal(`'a fraction in a whole-number column, ' || ${shown}`)} END`
}
