/** Looks whether data files are what the log says of them before anything reads their rows. */

import type { ObjectStore } from '../../src/contracts/index.ts'
import { type DataFile, SluiceError } from '../../src/model/index.ts'
import type { TablePaths } from './table-paths.ts'

/** Enough to hide a store's latency, few enough for its connections. */
const LOOKS_AT_ONCE = 16
/** Files that were found right; a file never changes, so each is looked at once. */
const REMEMBERED_MAX = 100_000

/** Checks data files of one table. */
export interface FileCheck {
  /**
   * Throws SLU-STO-2005 for a file that is gone, SLU-STO-2008 for one of another size. Files
   * outside the store are not looked at.
   */
  check(files: Iterable<DataFile>): Promise<void>
}

/** A check that remembers what it has seen. */
export function createFileCheck(store: ObjectStore, paths: TablePaths): FileCheck {
  const seen = new Set<string>()
  const look = async (file: DataFile): Promise<void> => {
    if (seen.has(file.path) || !paths.holds(file.path)) return
    const found = await store.head(paths.object(file.path))
    const context = { path: file.path, table: paths.root, sizeBytes: file.sizeBytes }
    if (found === null) {
      const message = `the data file ${file.path} of table ${paths.root} does not exist`
      throw new SluiceError('SLU-STO-2005', { message, context })
    }
    if (found.sizeBytes !== file.sizeBytes) {
      throw new SluiceError('SLU-STO-2008', {
        message:
          `the data file ${file.path} of table ${paths.root} has ${found.sizeBytes} bytes, ` +
          `not the ${file.sizeBytes} that the log says`,
        context,
      })
    }
    if (seen.size >= REMEMBERED_MAX) seen.clear()
    seen.add(file.path)
  }
  return {
    async check(files) {
      const rest = files[Symbol.iterator]()
      const work = async (): Promise<void> => {
        for (let next = rest.next(); !next.done; next = rest.next()) await look(next.value)
      }
      await Promise.all(Array.from({ length: LOOKS_AT_ONCE }, work))
    },
  }
}
