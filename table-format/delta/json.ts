/**
 * JSON without loss of numbers. A log holds 64-bit integers and decimals that a JavaScript number
 * cannot; they pass through here as bigint, as text, or verbatim, never rounded.
 */

import type { JsonObject, JsonValue } from '../../src/model/index.ts'

/** JSON as read from a log: integers beyond 2^53 are bigint. */
export type LogJson = string | number | bigint | boolean | null | readonly LogJson[] | LogObject
/** An object of a log. */
export interface LogObject {
  readonly [key: string]: LogJson | undefined
}

/** A number that is written as the text it holds. */
type RawNumber = object
type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

/** `JSON` as Node 24 has it; the compiler's library does not know these two yet. */
const json = JSON as unknown as {
  rawJSON(text: string): RawNumber
  parse(text: string, reviver?: Reviver): unknown
}

/**
 * Anything shorter is below 2^53 and exact: the quick way out for nearly every line. Digits are
 * looked at only where a number may begin; a line is mostly digits.
 */
const LONG_NUMBER = /(?:^|[:,[])\s*-?\d{16}/

/** Parses; integers beyond 2^53 become bigint. Throws `SyntaxError`. */
export function parseLogJson(text: string): LogJson {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text) as LogJson
  return json.parse(text, (_key, value, context) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
    const { source } = context
    return source !== undefined && isInteger(source) ? BigInt(source) : value
  }) as LogJson
}

/**
 * Parses into plain JSON; numbers that a JavaScript number cannot hold exactly become their text.
 */
export function parsePlainJson(text: string): JsonValue {
  return json.parse(text, (_key, value, context) => {
    if (typeof value !== 'number') return value
    return isExact(value, context.source) ? value : context.source
  }) as JsonValue
}

/** Parses an object as `parsePlainJson` does; null when it is something else or not JSON. */
export function parsePlainObject(text: string): JsonObject | null {
  try {
    const value = parsePlainJson(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** Sets one member of an object given as JSON text; every number keeps its text. */
export function withMember(text: string, key: string, value: JsonValue): string {
  const parsed = json.parse(text, (_key, member, context) =>
    typeof member === 'number' && context.source !== undefined
      ? json.rawJSON(context.source)
      : member,
  ) as Record<string, unknown>
  return JSON.stringify({ ...parsed, [key]: value })
}

/** A 64-bit integer for `printJson`: a number where that is exact, else its digits verbatim. */
export function integer(value: bigint): number | RawNumber {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : json.rawJSON(value.toString())
}

/** Prints. A replacer for 64-bit numbers would cost more than all the rest: see `integer`. */
export function printJson(value: object): string {
  return JSON.stringify(value)
}

/** A number of any size or scale from its text, for `printJson`; null when it is no number. */
export function rawNumber(text: string): RawNumber | null {
  return /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) ? json.rawJSON(text) : null
}

function isInteger(source: string): boolean {
  return /^-?\d+$/.test(source)
}

/** True when printing the number gives back what was read, or a spelling of the same value. */
function isExact(value: number, source: string | undefined): boolean {
  if (source === undefined || Number.isSafeInteger(value)) return true
  if (isInteger(source)) return false
  const digits = source
    .replace(/[eE].*$/, '')
    .replace(/[-.]/g, '')
    .replace(/^0+/, '')
  return digits.length <= 15 || String(value) === source
}
