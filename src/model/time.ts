/** Time as the house stores it: epoch microseconds UTC in a bigint. */

/** Epoch milliseconds → epoch microseconds. */
export function microsFromMs(ms: number): bigint {
  return BigInt(Math.floor(ms)) * 1000n
}

/** Epoch microseconds → epoch milliseconds, rounded towards minus infinity. */
export function msFromMicros(micros: bigint): number {
  const floored = micros >= 0n ? micros / 1000n : (micros - 999n) / 1000n
  return Number(floored)
}

/** Epoch microseconds → ISO-8601 with six fraction digits and `Z`, for years 0001..9999. */
export function isoFromMicros(micros: bigint): string {
  const ms = msFromMicros(micros)
  const fraction = (((micros % 1_000_000n) + 1_000_000n) % 1_000_000n).toString().padStart(6, '0')
  return `${new Date(ms).toISOString().slice(0, 19)}.${fraction}Z`
}
