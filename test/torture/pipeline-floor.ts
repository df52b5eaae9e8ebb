/** The floor of a pipeline as it stands in the store, read without the product. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** The smallest floor of all splits; null before the first entry. */
export function newestFloor(storeFolder: string, pipeline: string): bigint | null {
  const folder = path.join(storeFolder, '_sluice', pipeline)
  if (!existsSync(folder)) return null
  const newest = readdirSync(folder)
    .filter((name) => /^\d{20}\.json$/.test(name))
    .toSorted()
    .at(-1)
  if (newest === undefined) return null
  const entry = JSON.parse(readFileSync(path.join(folder, newest), 'utf8')) as {
    floors?: Record<string, string>
  }
  const floors = Object.values(entry.floors ?? {}).map(BigInt)
  return floors.reduce<bigint | null>((least, floor) => {
    return least === null || floor < least ? floor : least
  }, null)
}
