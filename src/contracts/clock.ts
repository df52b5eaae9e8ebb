/** Seam: time, sleep and randomness; the only way to any of them. */

/** Wall clock, waiting and random numbers. Nothing of safety may depend on the time it tells. */
export interface Clock {
  /** Wall clock, epoch milliseconds. */
  nowMs(): number
  /** Monotonic milliseconds for measuring durations. */
  monotonicMs(): number
  /** Resolves after `ms`, or at once when the signal aborts (it never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** A random UUID, version 4, canonical form. */
  uuid(): string
  /** A number in [0, 1) for jitter. */
  random(): number
}
