/**
 * A set of names of any size in 1.6 KiB, of which only the difference to another set can be told,
 * while that is small: an invertible Bloom lookup table. Pure.
 *
 * Each name is added to one cell of every row; a cell holds how many names were added to it, and
 * their hashes and checks XORed. What two sets share cancels out when one is taken from the other.
 * A cell with one name left tells its hash; taking it out of its other cells uncovers others.
 * Source: Eppstein, Goodrich, Uyeda, Varghese: What's the Difference? (SIGCOMM 2011).
 */

import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { HASH_WORDS, hashText, mix } from './name-hash.ts'

/** Names in which two sets may differ so that it is nearly always told; more are told at times. */
export const DIFFERENCE_MAX = 64

const ROWS = 5
const CELLS_PER_ROW = 26
const CELLS = ROWS * CELLS_PER_ROW
const BYTES = CELLS * 13

/** A set of names. */
export interface NameSketch {
  /** How many names were added to each cell, modulo 256. */
  readonly counts: Uint8Array
  /** Of each cell the low and the high half of the keys, and the checks. */
  readonly low: Uint32Array
  readonly high: Uint32Array
  readonly checks: Uint32Array
}

/** A name's hash of 64 bits, as text. */
export type NameKey = string

/** In what two sets differ. */
export interface NameDifference {
  /** Names that only the first set has. */
  readonly added: ReadonlySet<NameKey>
  /** Names that only the second set has. */
  readonly missing: ReadonlySet<NameKey>
}

/** The sketch of no names. */
export function emptySketch(): NameSketch {
  return {
    counts: new Uint8Array(CELLS),
    low: new Uint32Array(CELLS),
    high: new Uint32Array(CELLS),
    checks: new Uint32Array(CELLS),
  }
}

/** A sketch of the same names, for adding to. */
export function copySketch({ counts, low, high, checks }: NameSketch): NameSketch {
  return { counts: counts.slice(), low: low.slice(), high: high.slice(), checks: checks.slice() }
}

const hash = new Uint32Array(HASH_WORDS)

/** Adds a name, in place. */
export function addName(sketch: NameSketch, name: string): void {
  hashText(name, hash)
  change(sketch, hash[0] as number, hash[1] as number, 1)
}

/** The key that a difference tells of a name. */
export function nameKey(name: string): NameKey {
  hashText(name, hash)
  return keyOf(hash[0] as number, hash[1] as number)
}

/** In what the names of `first` differ from those of `second`; null when that is too much. */
export function differenceOf(first: NameSketch, second: NameSketch): NameDifference | null {
  const left = copySketch(first)
  for (let cell = 0; cell < CELLS; cell++) take(left, second, cell)
  const added = new Set<NameKey>()
  const missing = new Set<NameKey>()
  const open = Array.from({ length: CELLS }, (_, cell) => cell)
  for (let cell = open.pop(); cell !== undefined; cell = open.pop()) {
    const count = left.counts[cell] as number
    const low = left.low[cell] as number
    const high = left.high[cell] as number
    if ((count !== 1 && count !== 255) || left.checks[cell] !== checkOf(low, high)) continue
    const found = count === 1 ? added : missing
    // One that comes a second time is none: what is left is not the difference of two sets.
    if (found.has(keyOf(low, high))) return null
    found.add(keyOf(low, high))
    change(left, low, high, count === 1 ? -1 : 1)
    for (let row = 0; row < ROWS; row++) open.push(cellOf(row, low, high))
  }
  return isEmpty(left) ? { added, missing } : null
}

/** Sketch → text for a cursor; short while there are few names. */
export function sketchToText({ counts, low, high, checks }: NameSketch): string {
  const bytes = Buffer.alloc(BYTES)
  bytes.set(counts)
  for (const [index, words] of [low, high, checks].entries()) {
    const from = CELLS + index * CELLS * 4
    for (const [cell, word] of words.entries()) bytes.writeUInt32LE(word, from + cell * 4)
  }
  return deflateRawSync(bytes).toString('base64url')
}

/** The inverse of `sketchToText`; null for another text. */
export function sketchFromText(text: string): NameSketch | null {
  let bytes: Buffer
  try {
    bytes = inflateRawSync(Buffer.from(text, 'base64url'), { maxOutputLength: BYTES })
  } catch {
    return null
  }
  if (bytes.length !== BYTES) return null
  const words = (index: number): Uint32Array =>
    Uint32Array.from({ length: CELLS }, (_, cell) =>
      bytes.readUInt32LE(CELLS + (index * CELLS + cell) * 4),
    )
  const counts = Uint8Array.from(bytes.subarray(0, CELLS))
  return { counts, low: words(0), high: words(1), checks: words(2) }
}

function take(sketch: NameSketch, other: NameSketch, cell: number): void {
  const { counts, low, high, checks } = sketch
  counts[cell] = (counts[cell] as number) - (other.counts[cell] as number)
  low[cell] = (low[cell] as number) ^ (other.low[cell] as number)
  high[cell] = (high[cell] as number) ^ (other.high[cell] as number)
  checks[cell] = (checks[cell] as number) ^ (other.checks[cell] as number)
}

function change(sketch: NameSketch, low: number, high: number, count: 1 | -1): void {
  const check = checkOf(low, high)
  for (let row = 0; row < ROWS; row++) {
    const cell = cellOf(row, low, high)
    sketch.counts[cell] = (sketch.counts[cell] as number) + count
    sketch.low[cell] = (sketch.low[cell] as number) ^ low
    sketch.high[cell] = (sketch.high[cell] as number) ^ high
    sketch.checks[cell] = (sketch.checks[cell] as number) ^ check
  }
}

/** The cell of a key in a row. */
function cellOf(row: number, low: number, high: number): number {
  const place = mix(low ^ mix(high ^ Math.imul(row + 1, 0x9e3779b9)))
  return row * CELLS_PER_ROW + (place % CELLS_PER_ROW)
}

function checkOf(low: number, high: number): number {
  return mix(Math.imul(low, 0x27d4eb2f) ^ mix(high))
}

function keyOf(low: number, high: number): NameKey {
  return `${low.toString(16).padStart(8, '0')}${high.toString(16).padStart(8, '0')}`
}

function isEmpty({ counts, low, high, checks }: NameSketch): boolean {
  return [counts, low, high, checks].every((words) => words.every((word) => word === 0))
}
