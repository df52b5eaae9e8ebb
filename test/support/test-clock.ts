/** A clock that tests move: sleeping passes at once and moves the time on. */

import { createHash } from 'node:crypto'
import type { Clock } from '../../src/contracts/index.ts'

/** A clock with a handle to move it. */
export interface TestClock extends Clock {
  advance(ms: number): void
}

/** Starts at `startMs`; UUIDs and random numbers follow from the seed. */
export function createTestClock(startMs = 1_700_000_000_000, seed = 'seed'): TestClock {
  let nowMs = startMs
  let drawn = 0
  const draw = (): Buffer => {
    drawn += 1
    return createHash('sha256').update(`${seed}/${drawn}`).digest()
  }
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs - startMs,
    sleep: async (ms) => {
      nowMs += ms
      await new Promise((resolve) => setImmediate(resolve))
    },
    uuid: () => {
      const bytes = draw()
      bytes[6] = (bytes[6]! & 0x0f) | 0x40
      bytes[8] = (bytes[8]! & 0x3f) | 0x80
      const hex = bytes.toString('hex')
      const cuts = [0, 8, 12, 16, 20]
      return cuts.map((cut, index) => hex.slice(cut, cuts[index + 1] ?? 32)).join('-')
    },
    random: () => draw().readUInt32BE(0) / 2 ** 32,
    advance: (ms) => {
      nowMs += ms
    },
  }
}
