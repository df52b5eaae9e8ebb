/**
 * What the exit code of a command says. Scripts build on it: a number never changes its meaning.
 */

import type { ErrorCode, ErrorKind, SluiceError } from '../model/index.ts'

/** Name → number. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  auth: 4,
  conflict: 5,
  gap: 6,
  unreachable: 7,
  partial: 8,
  timeout: 9,
  differences: 10,
  corrupt: 65,
  config: 78,
  interrupted: 130,
  terminated: 143,
} as const

/** Exit codes with their meaning, as help and docs print them. */
export const EXIT_MEANINGS: readonly (readonly [number, string])[] = [
  [EXIT.ok, 'done'],
  [EXIT.failure, 'failed; the error says why'],
  [EXIT.usage, 'the command line or the SQL statement is wrong'],
  [EXIT.notFound, 'no such table, pipeline, version, row or code'],
  [EXIT.auth, 'refused: user, password or permission'],
  [EXIT.conflict, 'another instance or writer has taken over (fenced)'],
  [EXIT.gap, 'the source or the log has a gap: stopped rather than skip changes'],
  [EXIT.unreachable, 'the source or the store cannot be reached'],
  [EXIT.partial, 'some pipelines failed, the others are done'],
  [EXIT.timeout, 'took longer than allowed'],
  [EXIT.differences, 'differences found (verify, check, diff --exit-code)'],
  [EXIT.corrupt, 'data that cannot be read'],
  [EXIT.config, 'the configuration is not valid'],
  [EXIT.interrupted, 'ended by Ctrl-C (SIGINT)'],
  [EXIT.terminated, 'ended by SIGTERM'],
]

const BY_KIND: Readonly<Record<ErrorKind, number>> = {
  transient: EXIT.unreachable,
  conflict: EXIT.conflict,
  fenced: EXIT.conflict,
  'invalid-config': EXIT.config,
  'bad-data': EXIT.corrupt,
  gap: EXIT.gap,
  unsupported: EXIT.failure,
  corrupt: EXIT.corrupt,
  bug: EXIT.failure,
}

/** Where the code says more than the kind. */
const BY_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  'SLU-CFG-1005': EXIT.config,
  'SLU-SRC-1201': EXIT.auth,
  'SLU-SRC-1204': EXIT.auth,
  'SLU-STO-2001': EXIT.auth,
  'SLU-STO-2007': EXIT.auth,
  'SLU-TAB-3003': EXIT.notFound,
  'SLU-SQL-6001': EXIT.usage,
  'SLU-SQL-6002': EXIT.notFound,
  'SLU-SQL-6003': EXIT.usage,
  'SLU-SQL-6004': EXIT.failure,
  'SLU-SQL-6005': EXIT.timeout,
  'SLU-SQL-6006': EXIT.usage,
  'SLU-SQL-6007': EXIT.usage,
  'SLU-CLI-8001': EXIT.usage,
  'SLU-CLI-8002': EXIT.notFound,
  'SLU-CLI-8003': EXIT.notFound,
  'SLU-CLI-8004': EXIT.notFound,
  'SLU-CLI-8005': EXIT.notFound,
  'SLU-CLI-8006': EXIT.failure,
  'SLU-CLI-8007': EXIT.timeout,
  'SLU-CLI-8010': EXIT.failure,
  'SLU-CLI-8011': EXIT.failure,
  'SLU-CLI-8008': EXIT.notFound,
  'SLU-CLI-8009': EXIT.usage,
}

/** The exit code for an error that ends a command. */
export function exitCodeOf(error: SluiceError): number {
  return BY_CODE[error.code] ?? BY_KIND[error.kind]
}
