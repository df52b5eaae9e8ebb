/** SQL over key and ordering columns. The same text is used on changes and on stored rows. */

import { identifier } from '../engine/index.ts'
import type { TableColumn } from '../model/index.ts'

/**
 * 128-bit hash of the key: MD5 over an unambiguous encoding (lengths before values), so that
 * ('a','bc') and ('ab','c') differ. NULL when a key column is NULL. UHUGEINT.
 */
export function keyHashSql(
  key: readonly TableColumn[],
  name: (column: TableColumn) => string,
): string {
  const texts = key.map((column) => `${identifier(name(column))}::VARCHAR`)
  const first = texts[0] as string
  const encoded =
    texts.length === 1
      ? first
      : texts.map((text) => `strlen(${text}) || ':' || ${text}`).join(" || ',' || ")
  return `md5_number(${encoded})`
}

/** The ordering of a row as BIGINT: the user's column, else the source position. */
export function orderingSql(
  column: TableColumn | null,
  name: (column: TableColumn) => string,
  positionSql: string,
): string {
  if (column === null) return positionSql
  const value = identifier(name(column))
  switch (column.type) {
    case 'timestamp':
    case 'timestamp_ntz':
      return `coalesce(epoch_us(${value}), -9223372036854775807)`
    case 'date':
      return `coalesce(date_diff('day', DATE '1970-01-01', ${value}), -9223372036854775807)`
    default:
      return `coalesce(${value}::BIGINT, -9223372036854775807)`
  }
}
