/** Named places in the journey of a batch where a test may end the process. */

import type { ObjectStore } from '../contracts/index.ts'

/** Every failpoint of a healthy batch, in the order it passes them. */
export const FAILPOINTS = [
  'recovered',
  'block-landed',
  'batch-sealed',
  'decoded',
  'merged',
  'file-written',
  'before-object-put',
  'after-object-put',
  'staged',
  'part-staged',
  'before-commit',
  'before-conditional-put',
  'after-conditional-put',
  'committed',
  'before-floor',
  'after-floor',
  'before-acknowledge',
  'acknowledged',
] as const

/** Those that are passed only with rejected records, before the commit of their batch. */
export const DEAD_LETTER_FAILPOINTS = ['before-dead-letters', 'dead-letters-committed'] as const

/** Name of a failpoint. */
export type FailpointName = (typeof FAILPOINTS)[number] | (typeof DEAD_LETTER_FAILPOINTS)[number]

/** Called at each failpoint; production passes `noFailpoints`. */
export interface Failpoints {
  hit(name: FailpointName): void
}

/** Does nothing at any failpoint. */
export const noFailpoints: Failpoints = { hit: () => undefined }

/** Calls `act` when the named failpoint is passed for the `occurrence`-th time (from 1). */
export function failAt(name: FailpointName, occurrence: number, act: () => void): Failpoints {
  let left = occurrence
  return {
    hit: (passed) => {
      if (passed === name && --left === 0) act()
    },
  }
}

/** The store with failpoints around the writes that make things durable. */
export function withStoreFailpoints(store: ObjectStore, failpoints: Failpoints): ObjectStore {
  return {
    url: store.url,
    get: (path) => store.get(path),
    getRange: (path, offset, length) => store.getRange(path, offset, length),
    head: (path) => store.head(path),
    put: (path, bytes) => around('object', () => store.put(path, bytes)),
    putIfAbsent: (path, bytes) => around('conditional', () => store.putIfAbsent(path, bytes)),
    putFile: (path, localPath) => around('object', () => store.putFile(path, localPath)),
    list: (prefix, startAfter) => store.list(prefix, startAfter),
    delete: (path) => store.delete(path),
    readUrl: (path) => store.readUrl(path),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }

  async function around<Result>(
    kind: 'object' | 'conditional',
    write: () => Promise<Result>,
  ): Promise<Result> {
    failpoints.hit(`before-${kind}-put`)
    const result = await write()
    failpoints.hit(`after-${kind}-put`)
    return result
  }
}
