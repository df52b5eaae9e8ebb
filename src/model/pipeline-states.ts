/** What pipelines do, as one list. */

/** One list of states everywhere: CLI, API, metrics, logs. */
export const PIPELINE_STATES = [
  'created',
  'copying',
  'catching_up',
  'running',
  'idle',
  'draining',
  'retrying',
  'blocked_gap',
  'blocked_schema',
  'blocked_error',
  'failed',
  'stopped',
] as const
