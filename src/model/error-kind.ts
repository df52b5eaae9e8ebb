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
