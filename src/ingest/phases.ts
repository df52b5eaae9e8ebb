/** The life of a pipeline as one complete table: what each event makes of each state. No I/O. */

import type { PipelineState } from '../contracts/index.ts'
import type { SluiceError } from '../model/index.ts'

/** What can happen to a pipeline. */
export type PhaseEvent =
  | 'start'
  | 'copy-block'
  | 'stream-block'
  | 'caught-up'
  | 'quiet'
  | 'drain'
  | 'drained'
  | 'transient-error'
  | 'gap-error'
  | 'schema-error'
  | 'data-error'
  | 'fatal-error'

type Row = Readonly<Record<PhaseEvent, PipelineState>>

const ends = (state: PipelineState): Row => ({
  start: 'catching_up',
  'copy-block': state,
  'stream-block': state,
  'caught-up': state,
  quiet: state,
  drain: state,
  drained: state,
  'transient-error': state,
  'gap-error': state,
  'schema-error': state,
  'data-error': state,
  'fatal-error': state,
})

const errors = {
  'transient-error': 'retrying',
  'gap-error': 'blocked_gap',
  'schema-error': 'blocked_schema',
  'data-error': 'blocked_error',
  'fatal-error': 'failed',
} as const

const alive = (state: PipelineState): Row => ({
  start: state,
  'copy-block': 'copying',
  'stream-block': state,
  'caught-up': 'running',
  quiet: 'idle',
  drain: 'draining',
  drained: 'stopped',
  ...errors,
})

/**
 * States × events. Complete by type: a new state or event does not compile until its row or column
 * is here.
 */
export const PHASES: Readonly<Record<PipelineState, Row>> = {
  created: { ...alive('created'), start: 'catching_up', quiet: 'created' },
  copying: { ...alive('copying'), 'stream-block': 'catching_up' },
  catching_up: alive('catching_up'),
  running: { ...alive('running'), 'caught-up': 'running' },
  idle: { ...alive('idle'), 'stream-block': 'running', 'caught-up': 'idle' },
  draining: {
    ...ends('draining'),
    start: 'draining',
    drained: 'stopped',
    ...errors,
    'transient-error': 'stopped',
  },
  retrying: { ...alive('retrying'), start: 'catching_up', 'stream-block': 'catching_up' },
  blocked_gap: ends('blocked_gap'),
  blocked_schema: ends('blocked_schema'),
  blocked_error: ends('blocked_error'),
  failed: ends('failed'),
  stopped: ends('stopped'),
}

/** The state after an event. */
export function nextPhase(state: PipelineState, event: PhaseEvent): PipelineState {
  return PHASES[state][event]
}

/** The event that an error is. Codes of the schema room-wide share the kind `unsupported`. */
export function errorEvent(error: SluiceError): PhaseEvent {
  switch (error.kind) {
    case 'transient':
    case 'conflict':
      return 'transient-error'
    case 'gap':
      return 'gap-error'
    case 'unsupported':
      return 'schema-error'
    case 'bad-data':
    case 'corrupt':
      return 'data-error'
    case 'fenced':
    case 'invalid-config':
    case 'bug':
      return 'fatal-error'
    default: {
      const never: never = error.kind
      return never
    }
  }
}
