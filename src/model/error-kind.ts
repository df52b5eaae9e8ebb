/** What to do about an error, as one word. */

/** What a catcher does about an error; see docs/principles.md. */
export type ErrorKind =
  | 'transient'
  | 'conflict'
  | 'fenced'
  | 'invalid-config'
  | 'bad-data'
  | 'gap'
  | 'unsupported'
  | 'corrupt'
  | 'bug'

/** What is known of an error code. */
export interface ErrorCodeEntry {
  readonly kind: ErrorKind
  /** What the code means, in one sentence. */
  readonly meaning: string
  /** What is at stake and what to run or set. */
  readonly remedy: string
}

/** Checks the entries and keeps their names as a type. */
export function defineCodes<T extends Readonly<Record<string, ErrorCodeEntry>>>(codes: T): T {
  return codes
}
