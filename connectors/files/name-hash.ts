/** Hashes of names: not secret, and the same for ever: cursors keep what they add up to. */

/** Numbers of 32 bits of a hash. */
export const HASH_WORDS = 4

const WORD_SEEDS = Uint32Array.of(0x9e3779b9, 0x243f6a88, 0xb7e15162, 0xdeadbeef)
const WORD_FACTORS = Uint32Array.of(0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f, 0x165667b1)

/** 128 bits of a text, into `target`. */
export function hashText(text: string, target: Uint32Array): void {
  for (let word = 0; word < HASH_WORDS; word++) {
    const factor = WORD_FACTORS[word] as number
    let hash = (WORD_SEEDS[word] as number) ^ text.length
    for (let index = 0; index < text.length; index++) {
      hash = Math.imul(hash ^ text.charCodeAt(index), factor)
      hash ^= hash >>> 15
    }
    target[word] = mix(hash)
  }
}

/** Spreads what differs in some bits of a number of 32 bits over all of them. */
export function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/**
 * A sum of hashes: equal for equal sets, whatever the order in which they were added, and different
 * for different ones but for one case in 2^128.
 */
export type HashSum = Uint32Array

/** The sum of nothing. */
export function emptySum(): HashSum {
  return new Uint32Array(HASH_WORDS)
}

const scratch = new Uint32Array(HASH_WORDS)

/** Adds a text's hash to a sum, in place. */
export function addText(sum: HashSum, text: string): void {
  hashText(text, scratch)
  addSum(sum, scratch)
}

/** Adds a sum to another one, in place. */
export function addSum(sum: HashSum, other: HashSum): void {
  for (let word = 0; word < HASH_WORDS; word++) {
    sum[word] = (sum[word] as number) + (other[word] as number)
  }
}

/** True when both are of the same set. */
export function sameSum(left: HashSum, right: HashSum): boolean {
  return left.every((word, index) => word === right[index])
}

/** Sum → text for a cursor. */
export function sumToText(sum: HashSum): string {
  const bytes = Buffer.alloc(HASH_WORDS * 4)
  for (const [word, value] of sum.entries()) bytes.writeUInt32LE(value, word * 4)
  return bytes.toString('base64url')
}

/** The inverse of `sumToText`; null for another text. */
export function sumFromText(text: string): HashSum | null {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length !== HASH_WORDS * 4) return null
  return Uint32Array.from({ length: HASH_WORDS }, (_, word) => bytes.readUInt32LE(word * 4))
}
