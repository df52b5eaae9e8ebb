/**
 * Decimals as Debezium and Kafka Connect write them: base64 of a whole number, big-endian and in
 * two's complement, to be divided by a power of ten. As SQL, exact to the last digit.
 */

import { duckType } from '../engine/index.ts'
import type { ColumnType } from '../model/index.ts'
import { bound } from './bound.ts'
import { isDecimal } from './decimal-text.ts'

/** Digits of a decimal whose number fits eight bytes. */
const SHORT_DIGITS_MAX = 18
const SHORT_BYTES = 8
const LONG_BYTES = 16
const PRECISION_MAX = 38

/** The decimal, or its text where `type` is a string. */
export function unscaledValue(base64: string, scale: number, type: ColumnType): string {
  if (!isDecimal(type)) return scaledText(numberText(base64), String(scale))
  const bytes = type.precision <= SHORT_DIGITS_MAX ? SHORT_BYTES : LONG_BYTES
  const number = wholeNumberOf(base64, bytes)
  const whole = `CAST(${number} AS DECIMAL(${type.precision},0))`
  if (scale === 0) return whole
  if (type.precision + scale + 1 > PRECISION_MAX) {
    return `CAST(${scaledText(`${number}::VARCHAR`, String(scale))} AS ${duckType(type)})`
  }
  const unit = `CAST('0.${'0'.repeat(scale - 1)}1' AS DECIMAL(${scale + 1},${scale}))`
  return `CAST(${whole} * ${unit} AS ${duckType(type)})`
}

/** The text of a number whose scale stands beside it. */
export function variableValue(struct: string): string {
  const scale = `${struct}."scale"::INTEGER`
  return `CASE WHEN ${struct}."value" IS NOT NULL
    THEN ${scaledText(numberText(`${struct}."value"`), scale)} END`
}

/** The first six bits of a base64 text begin with a one. */
const isNegative = (base64: string): string =>
  `(${base64}[1] BETWEEN 'g' AND 'z' OR ${base64}[1] <= '9')`

/** BIGINT or HUGEINT; a number of more bytes ends the query. */
function wholeNumberOf(base64: string, bytes: number): string {
  const blob = `from_base64(${base64})`
  const fill = `CASE WHEN ${isNegative(base64)} THEN '\\xFF'::BLOB ELSE '\\x00'::BLOB END`
  const type = bytes === SHORT_BYTES ? 'BIGINT' : 'HUGEINT'
  const bits = `CAST(repeat(${fill}, ${bytes} - octet_length(${blob})) || ${blob} AS BIT)`
  return `CAST(${bits} AS ${type})`
}

/** Text of a number of any length. */
function numberText(base64: string): string {
  const blob = `from_base64(${base64})`
  return `CASE WHEN octet_length(${blob}) <= ${LONG_BYTES}
    THEN ${wholeNumberOf(base64, LONG_BYTES)}::VARCHAR ELSE ${longText(base64)} END`
}

/**
 * Byte by byte: times 256 is eight times twice. The bytes of a negative number are those of
 * -1 - number, inverted.
 */
function longText(base64: string): string {
  const parts = { digits: `hex(from_base64(${base64}))`, minus: isNegative(base64) }
  return bound(parts, ({ digits, minus }) => {
    const byte = `('0x' || substr(${digits}, i + 1, 2))::INTEGER`
    const plain = `CASE WHEN ${minus} THEN 255 - ${byte} ELSE ${byte} END`
    const bytes = `list_transform(range(0, length(${digits}), 2), lambda i: (${plain})::BIGNUM)`
    const sum = `list_reduce(list_prepend(0::BIGNUM, ${bytes}), lambda high, low:
      list_reduce([${'high, '.repeat(8)}high], lambda half, _: half + half) + low)`
    const signed = `CASE WHEN ${minus} THEN ${sum} + 1::BIGNUM ELSE ${sum} END`
    return `CASE WHEN ${minus} THEN '-' ELSE '' END || (${signed})::VARCHAR`
  })
}

/** The number with its point `scale` digits from the right; a negative scale adds zeros. */
function scaledText(number: string, scale: string): string {
  return bound({ n: number, s: `(${scale})::BIGINT` }, ({ n, s }) => {
    const digits = `ltrim(${n}, '-')`
    const wide = `(repeat('0', greatest(0, ${s} + 1 - length(${digits}))) || ${digits})`
    return `CASE WHEN ${s} = 0 OR ${n} = '0' AND ${s} < 0 THEN ${n}
      WHEN ${s} < 0 THEN ${n} || repeat('0', -${s})
      ELSE CASE WHEN starts_with(${n}, '-') THEN '-' ELSE '' END
        || left(${wide}, -${s}) || '.' || right(${wide}, ${s}) END`
  })
}
