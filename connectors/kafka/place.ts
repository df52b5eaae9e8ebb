/** Where in a cluster something was read, for messages; and the errors that begin with it. */

import { type ErrorCode, type ErrorContext, SluiceError } from '../../src/model/index.ts'

/** A partition of a topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** An error about records of a partition: `orders/3 at offset 17: message`. */
export function recordError(
  code: ErrorCode,
  place: TopicPartition & { readonly offset?: number | bigint },
  message: string,
  cause?: unknown,
): SluiceError {
  const { topic, partition, offset } = place
  const at = offset === undefined ? '' : ` at offset ${offset}`
  const context: ErrorContext = {
    topic,
    partition,
    ...(offset === undefined ? {} : { offset: BigInt(offset) }),
  }
  return new SluiceError(code, {
    message: `${topic}/${partition}${at}: ${message}`,
    context,
    cause,
  })
}
