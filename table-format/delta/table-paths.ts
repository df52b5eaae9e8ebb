/** Paths within a table ↔ paths within the store that holds it. */

import type { ObjectStore } from '../../src/contracts/index.ts'
import { SluiceError } from '../../src/model/index.ts'
import { isAbsolutePath } from './log-path.ts'

/** Where the objects of one table are. */
export interface TablePaths {
  readonly root: string
  /**
   * Path in the store of an object of the table. Throws SLU-STO-2006 for what lies outside the
   * store.
   */
  object(path: string): string
  /** True for an object inside the store. */
  holds(path: string): boolean
  /** Path in the table of an object of the store. */
  within(objectPath: string): string
  /** What DuckDB reads a data file by, wherever it lies. */
  readUrl(path: string): string
}

/** Paths of the table at `root`, which is relative to the store; empty is the store's own root. */
export function tablePaths(store: ObjectStore, root: string): TablePaths {
  const prefix = root === '' ? '' : `${root}/`
  const storeRoots = rootForms(store.url)
  const inStore = (path: string): string | null => {
    if (!isAbsolutePath(path)) return prefix + path
    const found = storeRoots.find((form) => path.startsWith(form))
    return found === undefined ? null : path.slice(found.length)
  }
  return {
    root,
    object: (path) => {
      const object = inStore(path)
      if (object !== null) return object
      throw new SluiceError('SLU-STO-2006', {
        message: `the object ${path} lies outside the store ${store.url}`,
        context: { path, store: store.url },
      })
    },
    holds: (path) => inStore(path) !== null,
    within: (objectPath) => objectPath.slice(prefix.length),
    readUrl: (path) => {
      const object = inStore(path)
      return object === null ? path : store.readUrl(object)
    },
  }
}

/** The ways an absolute path may begin when it lies in the store. */
function rootForms(url: string): readonly string[] {
  const plain = url.startsWith('file://') ? decodeURIComponent(url.slice(7)) : url
  return [`${plain.replace(/\/+$/, '')}/`]
}
