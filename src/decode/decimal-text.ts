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
  const cast = (plain: string): string => castDecimal(plain, type, 'CAST')
  const refused = literal(`${name}: no ${duckType(type)} holds exactly: `)
  const refusal = `error(${refused} || ${text}[1:60])`
  return `CASE ${exactCases(text, type, { cast, refusal })}
    WHEN ${text} IS NOT NULL THEN ${refusal} END`
}

/** The same; NULL for a text that is refused. */
export function triedDecimal(text: string, type: DecimalType): string {
  const cast = (plain: string): string => castDecimal(plain, type, 'TRY_CAST')
  return `CASE ${exactCases(text, type, { cast, refusal: 'NULL' })} END`
}

function exactCases(
  text: string,
  type: DecimalType,
  { cast, refusal }: { readonly cast: (plain: string) => string; readonly refusal: string },
): string {
  const held = (plain: string): string =>
    `regexp_full_match(${plain}, ${literal(decimalForm(type))})`
  // A lambda, so that what is written out is written out once.
  return `WHEN ${held(text)} THEN ${cast(text)}
    WHEN regexp_full_match(${text}, ${literal(EXPONENT)})
    THEN list_transform([${withoutExponent(text)}], lambda plain:
      CASE WHEN ${held('plain')} THEN ${cast('plain')} ELSE ${refusal} END)[1]`
}

/** Digits of any number that 64 bits hold. */
const WORD_DIGITS = 18

/**
 * A text of `decimalForm` as a value of the type. The engine's own way to a decimal of more than 64
 * bits takes 65 µs for one of 27 digits: here words of 18 digits are put together, which takes
 * less than a microsecond. What the words do not reach goes the engine's way.
 */
export function castDecimal(text: string, type: DecimalType, verb: 'CAST' | 'TRY_CAST'): string {
  const { precision, scale } = type
  const target = duckType(type)
  const whole = `${verb}(${text} AS ${target})`
  if (precision <= WORD_DIGITS || scale > WORD_DIGITS) return whole
  const digits = `('0' || split_part(ltrim(${text}, '+-'), '.', 1))`
  const short = `${verb}(${digits}::BIGINT AS ${target})`
  const long = `${verb}(${digits}[:-${WORD_DIGITS + 1}]::BIGINT::DECIMAL(18,0)
      * 1${'0'.repeat(WORD_DIGITS)}::DECIMAL(19,0)
      + ${digits}[-${WORD_DIGITS}:]::BIGINT::DECIMAL(18,0) AS ${target})`
  const integer = `CASE WHEN length(${digits}) <= ${WORD_DIGITS} THEN ${short} ELSE ${long} END`
  const value = scale === 0 ? integer : `(${integer}) + ${fractionOf(text, scale)}`
  return `CASE WHEN length(${digits}) > ${2 * WORD_DIGITS} THEN ${whole}
    WHEN starts_with(${text}, '-') THEN ${verb}(-(${value}) AS ${target})
    ELSE ${verb}(${value} AS ${target}) END`
}

/** What follows the point, without its sign; zeros beyond the scale are no part of it. */
function fractionOf(text: string, scale: number): string {
  const digits = `rpad(split_part(${text}, '.', 2), ${scale}, '0')[1:${scale}]`
  const one = `0.${'0'.repeat(scale - 1)}1::DECIMAL(${scale},${scale})`
  return `${digits}::BIGINT::DECIMAL(18,0) * ${one}`
}

/** True where `exactDecimal` would refuse a text because of its decimals alone. */
export function hasMoreDecimals(text: string, type: DecimalType): string {
  const plain = `CASE WHEN regexp_full_match(${text}, ${literal(EXPONENT)})
    THEN ${withoutExponent(text)} ELSE ${text} END`
  return `(regexp_full_match(${text}, ${literal(NUMBER)})
    AND NOT regexp_full_match(${plain}, ${literal(decimalForm(type))}))`
}

const NUMBER = '[-+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]{1,3})?'
/** Numbers written with an exponent that can be written out. */
export const EXPONENT = '[-+]?[0-9]+([.][0-9]*)?[eE][-+]?[0-9]{1,3}'

/**
 * The number of an `EXPONENT` text written out: the engine's own way from an exponent to a decimal
 * takes 0.000000000000000000012e21 for 0.
 */
export function withoutExponent(text: string): string {
  const parts = `regexp_extract(${text}, '([-+]?)([0-9]+)[.]?([0-9]*)[eE]([-+]?[0-9]+)',
    ['sign', 'whole', 'fraction', 'exponent'])`
  const digits = '(part.whole || part.fraction)'
  const point = '(length(part.whole) + TRY_CAST(part.exponent AS INTEGER))'
  return `list_transform([${parts}], lambda part: part.sign || CASE WHEN ${point} <= 0
    THEN '0.' || repeat('0', -${point}) || ${digits}
    ELSE rpad(${digits}, greatest(${point}, length(${digits}))::INTEGER, '0')[1:${point}]
      || '.' || ${digits}[${point} + 1:] END)[1]`
}
