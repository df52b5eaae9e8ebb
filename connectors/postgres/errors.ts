/**
 * Errors of the server and the network → our codes, by SQLSTATE and errno, never by message text.
 */

import { type ErrorCode, type ErrorContext, SluiceError } from '../../src/model/index.ts'
import type { ServerMessage } from './frames.ts'

/** SQLSTATE → code; a class (two characters) stands for all its members without an entry. */
const BY_STATE: Readonly<Record<string, ErrorCode>> = {
  '08': 'SLU-SRC-1200',
  '28': 'SLU-SRC-1201',
  '3D': 'SLU-SRC-1202',
  '42501': 'SLU-SRC-1204',
  '42704': 'SLU-SRC-1205',
  '42P01': 'SLU-SRC-1206',
  '53': 'SLU-SRC-1208',
  '53400': 'SLU-SRC-1207',
  '55000': 'SLU-SRC-1203',
  '55006': 'SLU-SRC-1215',
  '57P': 'SLU-SRC-1200',
  '57P04': 'SLU-SRC-1202',
}

/** Five characters, and never without a digit: `EPIPE` is a word of the network. */
const SQL_STATE = /^(?=.*\d)[0-9A-Z]{5}$/

/** Wraps whatever `pg`, the socket or the server threw; `action` says what was being done. */
export function postgresError(error: unknown, action: string, context?: ErrorContext): SluiceError {
  if (error instanceof SluiceError) return error
  const code = readProperty(error, 'code')
  const message = error instanceof Error ? error.message : String(error)
  const state = SQL_STATE.test(code) ? code : ''
  return new SluiceError(codeFor(state, 'SLU-SRC-1200'), {
    message: `${action}: ${message || code}`,
    context: { ...context, ...(state === '' ? {} : { sqlState: state }) },
    cause: error,
  })
}

/** Wraps an ErrorResponse that came on a connection we read ourselves. */
export function serverError(found: ServerMessage, action: string): SluiceError {
  const parts = [found.message, found.detail, found.hint].filter((part) => part !== '')
  return new SluiceError(codeFor(found.code, 'SLU-SRC-1209'), {
    message: `${action}: ${parts.join('; ')}`,
    context: { sqlState: found.code },
  })
}

/** The SQLSTATE that an error of `pg` or of ours carries; empty when there is none. */
export function sqlStateOf(error: unknown): string {
  if (error instanceof SluiceError) return String(error.context.sqlState ?? '')
  return readProperty(error, 'code')
}

/** The code that the runtime or the server gave an error; empty when there is none. */
export function errorCodeOf(error: unknown): string {
  return readProperty(error, 'code')
}

/** A state without rule is the server's word (1209); no state at all is the network's. */
function codeFor(state: string, without: ErrorCode): ErrorCode {
  if (state === '') return without
  const found = BY_STATE[state] ?? BY_STATE[state.slice(0, 3)] ?? BY_STATE[state.slice(0, 2)]
  return found ?? 'SLU-SRC-1209'
}

function readProperty(error: unknown, name: string): string {
  if (typeof error !== 'object' || error === null || !(name in error)) return ''
  const value = (error as Readonly<Record<string, unknown>>)[name]
  return typeof value === 'string' ? value : ''
}
