/**
 * Remembered deletes as an object: per delete 24 bytes little-endian: the key hash's 16 bytes, the
 * ordering's 8. The commit names the object; it is read again when the key index is rebuilt.
 */

import {
  createRowLocations,
  type KeyIndex,
  NO_FILE,
  type Table,
  TOMBSTONE_FILE,
} from '../contracts/index.ts'
import { assert, type JsonObject, microsFromMs, type TimelineEntry } from '../model/index.ts'

const ENTRY_BYTES = 24

/** Parallel hashes (four u32 each) and orderings → bytes. */
export function encodeTombstones(hashes: Uint32Array, orderings: BigInt64Array): Uint8Array {
  const bytes = new Uint8Array(orderings.length * ENTRY_BYTES)
  const words = new Uint32Array(bytes.buffer)
  const halves = new Uint32Array(orderings.buffer, orderings.byteOffset, orderings.length * 2)
  for (let at = 0; at < orderings.length; at++) {
    words.set(hashes.subarray(at * 4, at * 4 + 4), at * 6)
    words.set(halves.subarray(at * 2, at * 2 + 2), at * 6 + 4)
  }
  return bytes
}

/** The inverse of `encodeTombstones`. Throws SLU-TAB-3005 when the length is wrong. */
export function decodeTombstones(bytes: Uint8Array): {
  readonly hashes: Uint32Array
  readonly orderings: BigInt64Array
} {
  assert(bytes.byteLength % ENTRY_BYTES === 0, 'SLU-TAB-3005', 'a tombstone object is cut short')
  const count = bytes.byteLength / ENTRY_BYTES
  const words = new Uint32Array(bytes.slice().buffer)
  const hashes = new Uint32Array(count * 4)
  const orderings = new BigInt64Array(count)
  const halves = new Uint32Array(orderings.buffer)
  for (let at = 0; at < count; at++) {
    hashes.set(words.subarray(at * 6, at * 6 + 4), at * 4)
    halves.set(words.subarray(at * 6 + 4, at * 6 + 6), at * 2)
  }
  return { hashes, orderings }
}

const TIMELINE_PAGE = 200

/** Puts the deletes of the last `ttlMs` into the index, except those of keys that live again. */
export async function restoreTombstones(
  table: Table,
  index: KeyIndex,
  nowMs: number,
  ttlMs: number,
): Promise<void> {
  const oldest = microsFromMs(nowMs - ttlMs)
  let before: bigint | undefined
  for (;;) {
    const page: readonly TimelineEntry[] = await table.timeline({
      limit: TIMELINE_PAGE,
      ...(before === undefined ? {} : { beforeVersionExclusive: before }),
    })
    for (const entry of page) {
      if (entry.timestampMicros < oldest) return
      if (entry.operation === 'truncate') return
      const paths = tombstonePaths(entry.commitInfo)
      for (const path of paths) await restoreObject(table, index, path)
    }
    const last = page.at(-1)
    if (last === undefined || page.length < TIMELINE_PAGE) return
    before = last.version
  }
}

/** Details of a commit that name its tombstone objects; nothing when it has none. */
export function tombstoneDetails(paths: readonly string[]): JsonObject {
  return paths.length === 0 ? {} : { tombstones: [...paths] }
}

/** The inverse of `tombstoneDetails`; a single path may stand for a list of one. */
function tombstonePaths(commitInfo: JsonObject): readonly string[] {
  const { tombstones } = (commitInfo.sluice ?? {}) as { tombstones?: string | readonly string[] }
  return typeof tombstones === 'string' ? [tombstones] : (tombstones ?? [])
}

async function restoreObject(table: Table, index: KeyIndex, path: string): Promise<void> {
  const bytes = await table.readBytes(path)
  assert(bytes !== null, 'SLU-STO-2005', `the tombstones ${path} are gone`)
  const { hashes, orderings } = decodeTombstones(bytes)
  const found = createRowLocations(orderings.length)
  await index.lookup(hashes, orderings.length, found)
  const wanted: number[] = []
  for (let at = 0; at < orderings.length; at++) {
    // A live row came after its key's delete; of two tombstones the higher ordering counts.
    const file = found.files[at] as number
    const isNewer = (found.orderings[at] as bigint) < (orderings[at] as bigint)
    if (file === NO_FILE || (file === TOMBSTONE_FILE && isNewer)) wanted.push(at)
  }
  const chosen = new Uint32Array(wanted.length * 4)
  const locations = createRowLocations(wanted.length)
  locations.files.fill(TOMBSTONE_FILE)
  for (const [to, at] of wanted.entries()) {
    chosen.set(hashes.subarray(at * 4, at * 4 + 4), to * 4)
    locations.orderings[to] = orderings[at] as bigint
  }
  await index.put(chosen, wanted.length, locations)
}
