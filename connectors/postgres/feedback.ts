/**
 * Standby status updates: what Postgres may forget.
 *
 * Status: 'r', written LSN:8, flushed LSN:8, applied LSN:8, micros since 2000:8, reply wanted:1.
 * Keepalive (from the server): 'k', end of WAL:8, micros since 2000:8, reply wanted:1.
 * Source: PostgreSQL 18 documentation, "Streaming Replication Protocol".
 */

import type { SourcePosition } from '../../src/model/index.ts'

const STATUS_BYTES = 34
/** Milliseconds from 1970-01-01 to 2000-01-01. */
const POSTGRES_EPOCH_MS = 946_684_800_000

/**
 * Keeps the flushed position. Invariants: (1) it never decreases; (2) it never passes what was
 * acknowledged; (3) it never passes what this session has handed over, whatever is acknowledged.
 */
export class Feedback {
  #flushed: SourcePosition
  #yielded: SourcePosition
  #acknowledged: SourcePosition

  /**
   * `start` is what the slot has confirmed already: everything before is durable in every table.
   */
  constructor(start: SourcePosition) {
    this.#flushed = start
    this.#yielded = start
    this.#acknowledged = start
  }

  get flushed(): SourcePosition {
    return this.#flushed
  }

  /** A block up to that position was handed over. */
  noteYielded(position: SourcePosition): void {
    if (position > this.#yielded) this.#yielded = position
    this.#settle()
  }

  /** Everything before the position is durable. Returns true when the flushed position moved. */
  acknowledge(position: SourcePosition): boolean {
    if (position > this.#acknowledged) this.#acknowledged = position
    return this.#settle()
  }

  #settle(): boolean {
    const allowed = this.#acknowledged < this.#yielded ? this.#acknowledged : this.#yielded
    if (allowed <= this.#flushed) return false
    this.#flushed = allowed
    return true
  }
}

/** A status message. */
export function encodeStatus(flushed: SourcePosition, nowMs: number, replyWanted: boolean): Buffer {
  const message = Buffer.alloc(STATUS_BYTES)
  message[0] = 0x72
  message.writeBigUInt64BE(flushed, 1)
  message.writeBigUInt64BE(flushed, 9)
  message.writeBigUInt64BE(flushed, 17)
  message.writeBigInt64BE(BigInt(Math.floor(nowMs - POSTGRES_EPOCH_MS)) * 1000n, 25)
  message[33] = replyWanted ? 1 : 0
  return message
}

/** How often to send: as set, but at most a quarter of what the server tolerates (0: no limit). */
export function statusInterval(configuredMs: number, walSenderTimeoutMs: number): number {
  if (walSenderTimeoutMs <= 0) return configuredMs
  return Math.max(50, Math.min(configuredMs, Math.floor(walSenderTimeoutMs / 4)))
}
