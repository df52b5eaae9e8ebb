/**
 * A checksum over a log entry of ours: an entry that lost lines, or one flipped bit of a path, is
 * still JSON and would give other rows. It stands in `commitInfo.sluice.checksum` of the first
 * line: CRC-32 of all bytes behind that line.
 */

import { crc32 } from 'node:zlib'
import { SluiceError } from '../../src/model/index.ts'
import type { Action } from './actions.ts'

/** The first action of an entry, with the checksum of the lines that follow; others as they are. */
export function withChecksum(first: Action, rest: Buffer): Action {
  if (first.kind !== 'commitInfo') return first
  const { sluice } = first.content
  const details = typeof sluice === 'object' && sluice !== null ? sluice : {}
  return {
    ...first,
    content: { ...first.content, sluice: { ...details, checksum: crc32(rest) } },
  }
}

/** Throws SLU-TAB-3001 when an entry has a checksum and it is another. */
export function checkChecksum(actions: readonly Action[], bytes: Buffer, path: string): void {
  const [first] = actions
  if (first?.kind !== 'commitInfo') return
  const { sluice } = first.content
  if (typeof sluice !== 'object' || sluice === null || !('checksum' in sluice)) return
  const end = bytes.indexOf('\n')
  const found = end === -1 ? 0 : crc32(bytes.subarray(end + 1))
  if (sluice.checksum === found) return
  throw new SluiceError('SLU-TAB-3001', {
    message: `${path} has lost lines or was changed: its checksum is ${found}`,
    context: { path, found, expected: String(sluice.checksum) },
  })
}
