/** What the broker, the network or the client library says → our codes; never by message text. */

import { findErrorBy, protocolErrorsCodesById, ResponseError } from '@platformatic/kafka'
import { type ErrorCode, type ErrorContext, SluiceError } from '../../src/model/index.ts'

/** Numbers of the protocol that are dealt with one by one. */
export const PROTOCOL = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
} as const

/** Name in the protocol → code; every other number may pass by itself. */
const BY_NAME: Readonly<Record<string, ErrorCode>> = {
  TOPIC_AUTHORIZATION_FAILED: 'SLU-SRC-1502',
  CLUSTER_AUTHORIZATION_FAILED: 'SLU-SRC-1502',
  SASL_AUTHENTICATION_FAILED: 'SLU-SRC-1501',
  UNSUPPORTED_SASL_MECHANISM: 'SLU-SRC-1501',
  ILLEGAL_SASL_STATE: 'SLU-SRC-1501',
  UNSUPPORTED_VERSION: 'SLU-SRC-1510',
  UNKNOWN_TOPIC_OR_PARTITION: 'SLU-SRC-1503',
  UNKNOWN_TOPIC_ID: 'SLU-SRC-1503',
  INVALID_TOPIC_EXCEPTION: 'SLU-SRC-1503',
}

/** How far down a chain of causes is looked. */
const CAUSES_MAX = 8
/** Codes of Node for certificates and handshakes that cannot be agreed on. */
const TLS_CODE = /^(ERR_SSL|ERR_TLS|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_|EPROTO$)/

/** The error behind an error number that a broker sent. */
export function protocolError(
  number: number,
  action: string,
  context: ErrorContext = {},
): SluiceError {
  const name = nameOf(number)
  return new SluiceError(BY_NAME[name] ?? 'SLU-SRC-1509', {
    message: `${action}: the broker answered ${name}`,
    context: { ...context, protocolError: name },
  })
}

/** Wraps whatever the client library or the network threw; `action` says what was being done. */
export function kafkaError(error: unknown, action: string, context?: ErrorContext): SluiceError {
  if (error instanceof SluiceError) return error
  const causes = causesOf(error)
  for (const cause of causes) {
    const answered = protocolNumberOf(cause)
    if (answered !== null) return protocolError(answered, action, context)
  }
  return new SluiceError(codeOf(causes), {
    message: `${action}: ${causes.map(messageOf).join(': ')}`,
    ...(context === undefined ? {} : { context }),
    cause: error,
  })
}

/** The answer that the library threw because some part of it is an error; null for other errors. */
export function answerOf(error: unknown): unknown {
  return error instanceof ResponseError ? error.response : null
}

function nameOf(number: number): string {
  const names: Readonly<Record<number, string | undefined>> = protocolErrorsCodesById
  return names[number] ?? `error ${number}`
}

function codeOf(causes: readonly Error[]): ErrorCode {
  for (const cause of causes) {
    const code = String((cause as { readonly code?: unknown }).code ?? '')
    if (code === 'PLT_KFK_AUTHENTICATION') return 'SLU-SRC-1501'
    if (code === 'PLT_KFK_USER' || TLS_CODE.test(code)) return 'SLU-SRC-1518'
    if (code === 'PLT_KFK_UNSUPPORTED_API') return 'SLU-SRC-1510'
  }
  return 'SLU-SRC-1500'
}

function causesOf(error: unknown): readonly Error[] {
  const causes: Error[] = []
  for (let at = error; at instanceof Error && causes.length < CAUSES_MAX; ) {
    causes.push(at)
    at = at.cause ?? (at instanceof AggregateError ? at.errors[0] : undefined)
  }
  return causes
}

function protocolNumberOf(error: Error): number | null {
  const found = findErrorBy(error, 'code', 'PLT_KFK_PROTOCOL')
  const number: unknown = found?.apiCode
  return typeof number === 'number' ? number : null
}

function messageOf(error: Error): string {
  const code = String((error as { readonly code?: unknown }).code ?? '')
  return error.message === '' ? code : error.message
}
