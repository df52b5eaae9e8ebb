/** A store that fails as told: before or after it did what it was asked. */

import type { ObjectStore } from '../../../src/contracts/index.ts'
import { SluiceError } from '../../../src/model/index.ts'

/**
 * `lost`: nothing happens, the caller gets an error; `applied`: it happens, the caller gets one
 * too.
 */
export type Fault = 'lost' | 'applied'

/** A store over `inner` that asks before every call whether, and how, it is to fail. */
export function createFaultyStore(
  inner: ObjectStore,
  faultOf: (method: string, path: string) => Fault | null,
): ObjectStore {
  const guarded = async <T>(method: string, path: string, deed: () => Promise<T>): Promise<T> => {
    const fault = faultOf(method, path)
    if (fault !== 'lost') {
      const value = await deed()
      if (fault === null) return value
    }
    throw new SluiceError('SLU-STO-2002', { message: `${method} ${path}: no answer` })
  }
  return {
    url: inner.url,
    get: (path) => guarded('get', path, () => inner.get(path)),
    getRange: (path, offset, length) =>
      guarded('getRange', path, () => inner.getRange(path, offset, length)),
    head: (path) => guarded('head', path, () => inner.head(path)),
    put: (path, bytes) => guarded('put', path, () => inner.put(path, bytes)),
    putIfAbsent: (path, bytes) =>
      guarded('putIfAbsent', path, () => inner.putIfAbsent(path, bytes)),
    putFile: (path, localPath) => guarded('putFile', path, () => inner.putFile(path, localPath)),
    list: (prefix, startAfter) => inner.list(prefix, startAfter),
    delete: (path) => guarded('delete', path, () => inner.delete(path)),
    readUrl: (path) => inner.readUrl(path),
    [Symbol.asyncDispose]: async () => {},
  }
}
