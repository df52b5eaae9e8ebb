/**
 * The one error type of the house: what the catcher must do (`kind`) and what happened (`code`).
 */

import { ERROR_CODES, type ErrorCode } from './error-codes.ts'
import type { ErrorKind } from './error-kind.ts'

/** Facts that help to understand an error; never secrets, never record values. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | bigint | null>>

/** What `SluiceError` is built from. */
export interface ErrorDetails {
  /** What happened this time, in one sentence, without the code. */
  readonly message: string
  readonly context?: ErrorContext
  /** Overrides the remedy of the catalogue with a more precise one (exact commands). */
  readonly remedy?: string
  readonly cause?: unknown
}

/** An error with a stable code. `kind`, meaning and default remedy come from `error-codes.ts`. */
export class SluiceError extends Error {
  readonly code: ErrorCode
  readonly kind: ErrorKind
  readonly context: ErrorContext
  readonly remedy: string

  constructor(code: ErrorCode, details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'SluiceError'
    this.code = code
    this.kind = ERROR_CODES[code].kind
    this.context = details.context ?? {}
    this.remedy = details.remedy ?? ERROR_CODES[code].remedy
  }
}

/**
 * Throws `SluiceError(code)` when `condition` is false: for what must hold on both sides of a seam.
 */
export function assert(
  condition: boolean,
  code: ErrorCode,
  message: string,
  context?: ErrorContext,
): asserts condition {
  if (!condition) throw new SluiceError(code, context ? { message, context } : { message })
}

/** True for a `SluiceError`, of the given code when one is given. */
export function isSluiceError(error: unknown, code?: ErrorCode): error is SluiceError {
  return error instanceof SluiceError && (code === undefined || error.code === code)
}

/** Wraps a foreign error once, at a seam; a `SluiceError` passes through unchanged. */
export function wrapError(error: unknown, code: ErrorCode, message: string): SluiceError {
  if (error instanceof SluiceError) return error
  const detail = error instanceof Error ? error.message : String(error)
  return new SluiceError(code, { message: `${message}: ${detail}`, cause: error })
}
