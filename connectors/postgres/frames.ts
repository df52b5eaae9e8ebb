/**
 * Splits what a socket delivers into messages of the frontend/backend protocol, across chunk
 * borders.
 *
 * A message: type:1, length:4 (itself included, the type not), body.
 * Source: PostgreSQL 18 documentation, "Message Formats".
 */

import { SluiceError } from '../../src/model/index.ts'

/**
 * Takes one message: its type and where its body stands. The bytes are valid during the call only.
 */
export type FrameHandler = (type: number, bytes: Buffer, start: number, end: number) => void

const HEADER_BYTES = 5
/** PostgreSQL's own limit of a message. */
const FRAME_BYTES_MAX = 0x3fffffff

/** Feeds whole messages to the handler; what is left of a chunk waits for the next one. */
export class FrameSplitter {
  readonly #handle: FrameHandler
  /** The beginning of a message that is not whole yet: `#carry[0, #carried)`. */
  #carry = Buffer.allocUnsafeSlow(64 * 1024)
  #carried = 0

  constructor(handle: FrameHandler) {
    this.#handle = handle
  }

  /** Takes the next chunk. Throws SLU-SRC-1220 when it cannot be the protocol. */
  push(chunk: Buffer): void {
    let at = 0
    if (this.#carried > 0) {
      at = this.#completeCarried(chunk)
      if (this.#carried > 0) return
    }
    const size = chunk.length
    while (at + HEADER_BYTES <= size) {
      const end = at + 1 + frameLength(chunk, at)
      if (end > size) break
      this.#handle(chunk[at]!, chunk, at + HEADER_BYTES, end)
      at = end
    }
    if (at < size) this.#keep(chunk, at, size)
  }

  /** Completes the carried message from the chunk; returns how much of the chunk that took. */
  #completeCarried(chunk: Buffer): number {
    let at = 0
    if (this.#carried < HEADER_BYTES) {
      at = Math.min(HEADER_BYTES - this.#carried, chunk.length)
      this.#keep(chunk, 0, at)
      if (this.#carried < HEADER_BYTES) return at
    }
    const whole = 1 + frameLength(this.#carry, 0)
    const taken = Math.min(whole - this.#carried, chunk.length - at)
    this.#keep(chunk, at, at + taken)
    if (this.#carried === whole) {
      this.#carried = 0
      this.#handle(this.#carry[0]!, this.#carry, HEADER_BYTES, whole)
    }
    return at + taken
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const needed = this.#carried + end - start
    if (needed > this.#carry.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#carry.length * 2))
      this.#carry.copy(grown, 0, 0, this.#carried)
      this.#carry = grown
    }
    chunk.copy(this.#carry, this.#carried, start, end)
    this.#carried = needed
  }
}

function frameLength(bytes: Buffer, at: number): number {
  const length =
    (bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!
  if (length < 4 || length > FRAME_BYTES_MAX) {
    throw new SluiceError('SLU-SRC-1220', { message: `a protocol message of ${length} bytes` })
  }
  return length
}

/** Fields of an ErrorResponse or NoticeResponse body. */
export interface ServerMessage {
  readonly severity: string
  /** SQLSTATE. */
  readonly code: string
  readonly message: string
  readonly detail: string
  readonly hint: string
}

/** Reads an ErrorResponse body: repeated type:1 str, ended by NUL. */
export function readServerMessage(bytes: Buffer, start: number, end: number): ServerMessage {
  const fields = new Map<string, string>()
  let at = start
  while (at < end && bytes[at] !== 0) {
    const stop = bytes.indexOf(0, at + 1)
    if (stop < 0 || stop >= end) break
    fields.set(String.fromCharCode(bytes[at]!), bytes.toString('utf8', at + 1, stop))
    at = stop + 1
  }
  const field = (name: string): string => fields.get(name) ?? ''
  return {
    severity: field('V') || field('S'),
    code: field('C'),
    message: field('M'),
    detail: field('D'),
    hint: field('H'),
  }
}
