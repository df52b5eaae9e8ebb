/** Which object paths are accepted, and the order they are listed in. */

import { SluiceError } from '../../src/model/index.ts'

/** First segment of names that a store keeps for itself; never listed, never accepted. */
export const RESERVED_NAME = '.sluice-tmp'

/** Refuses what is not a relative, plain, `/`-separated path. Throws SLU-STO-2006. */
export function checkObjectPath(path: string): void {
  const fault = faultOf(path)
  if (fault === null) return
  throw new SluiceError('SLU-STO-2006', {
    message: `the object path ${JSON.stringify(path)} ${fault}`,
    context: { path },
  })
}

/** Byte order of the UTF-8 forms, without encoding them. */
export function compareObjectPaths(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index)
    const b = right.charCodeAt(index)
    if (a !== b) return rank(a) - rank(b)
  }
  return left.length - right.length
}

/** Surrogates stand for code points above every other UTF-16 unit. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}

function faultOf(path: string): string | null {
  if (path === '') return 'is empty'
  if (path.startsWith('/')) return 'is absolute'
  if (path.includes('\0')) return 'holds a NUL character'
  for (const segment of path.split('/')) {
    if (segment === '') return 'has an empty segment'
    if (segment === '.' || segment === '..') return `has the segment "${segment}"`
    if (segment.startsWith(RESERVED_NAME)) return `uses the reserved name ${RESERVED_NAME}`
  }
  return null
}
