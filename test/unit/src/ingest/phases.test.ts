import { describe, expect, it } from 'vitest'
import { decideOnError, endsGoodLife } from '../../../../src/ingest/error-policy.ts'
import { errorEvent, nextPhase, type PHASES } from '../../../../src/ingest/phases.ts'
import { ERROR_CODES, type ErrorCode, SluiceError } from '../../../../src/model/index.ts'

const codes = Object.keys(ERROR_CODES) as ErrorCode[]

describe('phases', () => {
  it('leaves every state by an error that stops it, and no ended state by a block', () => {
    for (const state of [
      'created',
      'copying',
      'catching_up',
      'running',
      'idle',
      'retrying',
    ] as const) {
      expect(nextPhase(state, 'gap-error')).toBe('blocked_gap')
      expect(nextPhase(state, 'fatal-error')).toBe('failed')
      expect(nextPhase(state, 'transient-error')).toBe('retrying')
    }
    for (const state of [
      'blocked_gap',
      'blocked_schema',
      'blocked_error',
      'failed',
      'stopped',
    ] as const) {
      expect(nextPhase(state, 'stream-block')).toBe(state)
      expect(nextPhase(state, 'start')).toBe('catching_up')
    }
  })

  it('goes from copying over catching up to running, and idle when nothing comes', () => {
    const path = [
      'start',
      'copy-block',
      'stream-block',
      'caught-up',
      'quiet',
      'stream-block',
    ] as const
    const states = path.map(
      (
        (state) => (event) =>
          (state = nextPhase(state, event))
      )('created' as keyof typeof PHASES),
    )
    expect(states).toEqual(['catching_up', 'copying', 'catching_up', 'running', 'idle', 'running'])
  })

  it('knows an event for every error code', () => {
    for (const code of codes) {
      expect(errorEvent(new SluiceError(code, { message: 'x' }))).toMatch(/-error$/)
    }
  })
})

describe('decideOnError', () => {
  it('starts over after what passes by itself, with growing and bounded waits', () => {
    const error = new SluiceError('SLU-STO-2002', { message: 'x' })
    const delays = [1, 2, 3, 50].map((attempt) => {
      const decision = decideOnError(error, attempt, 0, 0.5)
      return decision.kind === 'restart' ? decision.delayMs : null
    })
    expect(delays).toEqual([250, 500, 1000, 10_000])
  })

  it('stops when nothing has moved for a quarter of an hour', () => {
    const error = new SluiceError('SLU-STO-2002', { message: 'x' })
    expect(decideOnError(error, 90, 15 * 60_000 + 1, 0.5)).toEqual({ kind: 'stop' })
  })

  it('stops at once after everything a second try cannot mend', () => {
    for (const code of codes) {
      const { kind } = ERROR_CODES[code]
      if (kind === 'transient' || kind === 'conflict') continue
      expect(decideOnError(new SluiceError(code, { message: 'x' }), 1, 0, 0)).toEqual({
        kind: 'stop',
      })
    }
  })
})

describe('endsGoodLife', () => {
  it('believes a life that read for a minute until its source failed, and no other', () => {
    const away = new SluiceError('SLU-SRC-1200', { message: 'away' })
    const full = new SluiceError('SLU-STO-2001', { message: 'full' })
    expect(endsGoodLife(away, 60_000)).toBe(true)
    expect(endsGoodLife(away, 59_999)).toBe(false)
    expect(endsGoodLife(away, Number.NEGATIVE_INFINITY)).toBe(false)
    expect(endsGoodLife(full, 3_600_000)).toBe(false)
  })
})
