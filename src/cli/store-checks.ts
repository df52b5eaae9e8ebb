/** What `doctor` tries in the store beyond the conditional write of `check`. */

import type { Runtime } from '../compose.ts'
import { type Finding, failure, fine } from './checks.ts'

/** Writes, lists, reads and deletes an object: each must be seen by the next at once. */
export async function listingFinding({ store, clock }: Runtime): Promise<Finding> {
  const folder = `_sluice/probe/${clock.uuid()}`
  const path = `${folder}/object`
  const bytes = Buffer.from('written by sluice doctor\n')
  try {
    await store.put(path, bytes)
    const listed = await count(store.list(`${folder}/`))
    const isRead = (await store.get(path))?.equals(bytes) === true
    await store.delete(path)
    const left = await count(store.list(`${folder}/`))
    const seen = `written, listed, read and deleted; each step is seen by the next`
    if (listed === 1 && isRead && left === 0) return fine('store', 'listing', seen)
    return {
      subject: 'store',
      name: 'listing',
      status: 'fail',
      seen: `of one object ${listed} were listed, ${left} after it was deleted`,
      remedy: 'The store answers from an old state. Use one that lists consistently: a local disk.',
    }
  } catch (error) {
    return failure('store', 'listing', error)
  }
}

async function count(entries: AsyncIterable<unknown>): Promise<number> {
  let found = 0
  for await (const _ of entries) found++
  return found
}
