/** SQL over key and ordering columns. The same text is used on changes and on stored rows. */

import { identifier } from '../engine/index.ts'
import { isWholeNumber, type TableColumn } from '../model/index.ts'

/**
 * How a key becomes the 128 bits that the index knows it by.
 * - `number`: the value of a single whole-number column itself; no two keys share it and it costs
 *   nothing.
 * - `digest`: MD5 over an unambiguous encoding (lengths before values), so that ('a','bc') and
 *   ('ab','c') differ.
 */
export type KeyEncoding = 'number' | 'digest'

/**
 * The encoding of a key. Tombstones are stored as digests, so tables that keep them use digests
 * throughout.
 */
export function keyEncoding(key: readonly TableColumn[], keepsTombstones: boolean): KeyEncoding {
  const [first, ...others] = key
  const isNumber = first !== undefined && others.length === 0 && isWholeNumber(first.type)
  return isNumber && !keepsTombstones ? 'number' : 'digest'
}

/** The encoded key: BIGINT for `number`, UHUGEINT for `digest`; 0 when a key column is NULL. */
export function keySql(
  key: readonly TableColumn[],
  encoding: KeyEncoding,
  name: (column: TableColumn) => string,
): string {
  const names = key.map((column) => identifier(name(column)))
  if (encoding === 'number') return `coalesce(${names[0]}::BIGINT, 0)`
  const texts = names.map((column) => `${column}::VARCHAR`)
  const encoded =
    texts.length === 1
      ? (texts[0] as string)
      : texts.map((text) => `strlen(${text}) || ':' || ${text}`).join(" || ',' || ")
  return `coalesce(md5_number(${encoded}), 0::UHUGEINT)`
}

/** True where a key column is NULL. */
export function keyIsNullSql(
  key: readonly TableColumn[],
  name: (column: TableColumn) => string,
): string {
  return key.map((column) => `${identifier(name(column))} IS NULL`).join(' OR ')
}

/**
 * Copies encoded keys, as a query yields them, to `into` from key number `at` on: four u32 a key.
 */
export function setKeys(
  into: Uint32Array,
  at: number,
  keys: BigInt64Array | Uint32Array,
  count: number,
): void {
  if (keys instanceof Uint32Array) {
    into.set(keys, at * 4)
    return
  }
  const halves = new Uint32Array(keys.buffer, keys.byteOffset, count * 2)
  for (let key = 0, to = at * 4; key < count; key++, to += 4) {
    into[to] = halves[key * 2] as number
    into[to + 1] = halves[key * 2 + 1] as number
    into[to + 2] = 0
    into[to + 3] = 0
  }
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
