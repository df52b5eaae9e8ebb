/** Names of data files as small numbers, for the key index to store. */

import { FILE_ORDINAL_MAX } from '../contracts/index.ts'
import { assert } from '../model/index.ts'

/**
 * Path ↔ ordinal. Ordinals are given once and never reused, so that a location that still names a
 * forgotten file can be told from one that names a living file.
 */
export interface FileOrdinals {
  /** Number of files that have an ordinal and are not forgotten. */
  readonly fileCount: number
  /** The file's ordinal; gives it one when it has none. */
  ordinalOf(path: string): number
  /** The file's ordinal; null when it has none. */
  find(path: string): number | null
  /** The file's path; null when the ordinal was never given or its file is forgotten. */
  pathOf(ordinal: number): string | null
  /** Forgets a file that left the table; a file of the same path would get a new ordinal. */
  forget(path: string): void
}

/** Makes an empty table of ordinals. */
export function createFileOrdinals(): FileOrdinals {
  const ordinals = new Map<string, number>()
  const paths = new Map<number, string>()
  let next = 0
  return {
    get fileCount() {
      return ordinals.size
    },
    ordinalOf(path) {
      const known = ordinals.get(path)
      if (known !== undefined) return known
      const ordinal = next++
      assert(ordinal <= FILE_ORDINAL_MAX, 'SLU-BUG-9001', 'The file ordinals are used up.', {
        reserved: FILE_ORDINAL_MAX + 1,
      })
      ordinals.set(path, ordinal)
      paths.set(ordinal, path)
      return ordinal
    },
    find: (path) => ordinals.get(path) ?? null,
    pathOf: (ordinal) => paths.get(ordinal) ?? null,
    forget(path) {
      const ordinal = ordinals.get(path)
      if (ordinal === undefined) return
      ordinals.delete(path)
      paths.delete(ordinal)
    },
  }
}
