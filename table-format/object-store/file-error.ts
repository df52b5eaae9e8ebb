/** Errors of the file system → the store's codes. */

import { type ErrorCode, SluiceError } from '../../src/model/index.ts'

const NOT_WRITABLE = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EISDIR',
  'EEXIST',
  'ENAMETOOLONG',
  'ELOOP',
])
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** The system's code of an error: `ENOENT`; null for anything else. */
export function systemCode(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null
  return typeof error.code === 'string' ? error.code : null
}

/** True when the error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** Wraps a failed write. */
export function writeError(error: unknown, path: string): SluiceError {
  return fileError(error, path, 'write', 'SLU-STO-2001')
}

/** Wraps a failed read. */
export function readError(error: unknown, path: string): SluiceError {
  return fileError(error, path, 'read', 'SLU-STO-2007')
}

function fileError(
  error: unknown,
  path: string,
  deed: 'read' | 'write',
  denied: ErrorCode,
): SluiceError {
  if (error instanceof SluiceError) return error
  const system = systemCode(error)
  const code = codeOf(system, denied)
  const detail = error instanceof Error ? error.message : String(error)
  return new SluiceError(code, {
    message: `cannot ${deed} ${path}: ${detail}`,
    context: { path, system: system ?? 'unknown' },
    cause: error,
  })
}

function codeOf(system: string | null, denied: ErrorCode): ErrorCode {
  if (system !== null && NOT_WRITABLE.has(system)) return denied
  if (system !== null && FULL.has(system)) return 'SLU-STO-2003'
  return 'SLU-STO-2002'
}
