/** Texts as decimals: a cast alone would round what has more decimals than the type. */

import { duckType, literal } from '../engine/index.ts'
import type { ColumnType } from '../model/index.ts'

/** A decimal type. */
export type DecimalType = Extract<ColumnType, { readonly kind: 'decimal' }>

/** True for decimal types. */
export function isDecimal(type: ColumnType): type is DecimalType {
  return typeof type !== 'string' && type.kind === 'decimal'
}

/** Texts without exponent that have no more decimals than the type, zeros at the end aside. */
export function decimalForm({ scale }: DecimalType): string {
  return `[-+]?([0-9]+([.][0-9]{0,${scale}}0*)?|[.][0-9]{1,${Math.max(scale, 1)}}0*)`
}

/** The text as a value of the type; ends the query at one that the type would round. */
export function exactDecimal(text: string, type: DecimalType, name: string): string {
  const cast = (plain: string): string => `CAST(${plain} AS ${duckType(type)})`
  const refused = literal(`${name}: no ${duckType(type)} holds exactly: `)
  return `CASE ${exactCases(text, type, cast)}
    WHEN ${text} IS NOT NULL THEN error(${refused} || ${text}[1:60]) END`
}

/** The same; NULL for a text that is refused. */
export function triedDecimal(text: string, type: DecimalType): string {
  const cast = (plain: string): string => `TRY_CAST(${plain} AS ${duckType(type)})`
  return `CASE ${exactCases(text, type, cast)} END`
}

function exactCases(text: string, type: DecimalType, cast: (plain: string) => string): string {
  const held = (plain: string): string =>
    `regexp_full_match(${plain}, ${literal(decimalForm(type))})`
  const shifted = withoutExponent(text)
  return `WHEN ${held(text)} THEN ${cast(text)}
    WHEN regexp_full_match(${text}, ${literal(EXPONENT)}) AND ${held(shifted)}
    THEN ${cast(shifted)}`
}

/** True where `exactDecimal` would refuse a text because of its decimals alone. */
export function hasMoreDecimals(text: string, type: DecimalType): string {
  const plain = `CASE WHEN regexp_full_match(${text}, ${literal(EXPONENT)})
    THEN ${withoutExponent(text)} ELSE ${text} END`
  return `(regexp_full_match(${text}, ${literal(NUMBER)})
    AND NOT regexp_full_match(${plain}, ${literal(decimalForm(type))}))`
}

const NUMBER = '[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]{1,3})?'
const EXPONENT = '[-+]?[0-9]+([.][0-9]*)?[eE][-+]?[0-9]{1,3}'

/**
 * The number of an `EXPONENT` text written out: the engine's own way from an exponent to a decimal
 * takes 0.000000000000000000012e21 for 0.
 */
function withoutExponent(text: string): string {
  const part = (number: number): string =>
    `regexp_extract(${text}, '([-+]?)([0-9]+)[.]?([0-9]*)[eE]([-+]?[0-9]+)', ${number})`
  const digits = `${part(2)} || ${part(3)}`
  const point = `(length(${part(2)}) + TRY_CAST(${part(4)} AS INTEGER))`
  return `(${part(1)} || CASE WHEN ${point} <= 0
    THEN '0.' || repeat('0', -${point}) || ${digits}
    ELSE rpad(${digits}, greatest(${point}, length(${digits}))::INTEGER, '0')[1:${point}]
      || '.' || (${digits})[${point} + 1:] END)`
}
