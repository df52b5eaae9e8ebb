/** The start-up test that a store honours conditional writes. */

import type { Clock, ObjectStore } from '../../src/contracts/index.ts'
import { SluiceError } from '../../src/model/index.ts'

/**
 * Lets two writers race for a fresh path and a third come later: exactly one may win. Proves
 * that the store is writable and knows the condition; a race it gets wrong only now and then is
 * beyond a probe.
 * Throws SLU-STO-2004 when the store ignores the condition, and what the store throws when not
 * writable.
 */
export async function probeConditionalWrites(store: ObjectStore, clock: Clock): Promise<void> {
  const path = `_sluice/probe/${clock.uuid()}`
  const bytes = [0, 1, 2].map((writer) => Buffer.from(`writer ${writer}\n`))
  try {
    const raced = await Promise.all([
      store.putIfAbsent(path, bytes[0]!),
      store.putIfAbsent(path, bytes[1]!),
    ])
    const late = await store.putIfAbsent(path, bytes[2]!)
    const kept = await store.get(path)
    check([...raced, late], bytes, kept, store.url)
  } finally {
    await store.delete(path)
  }
}

function check(
  outcomes: readonly ('created' | 'exists')[],
  bytes: readonly Buffer[],
  kept: Buffer | null,
  url: string,
): void {
  const winners = outcomes.flatMap((outcome, writer) => (outcome === 'created' ? [writer] : []))
  const winner = winners[0]
  const holds =
    winners.length === 1 && winner !== undefined && kept?.equals(bytes[winner]!) === true
  if (holds) return
  throw new SluiceError('SLU-STO-2004', {
    message: `${winners.length} of 3 writers created one and the same object in ${url}`,
    context: { url, winners: winners.length },
  })
}
