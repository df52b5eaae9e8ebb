/** Durations as table properties say them. */

const UNIT_MS: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
}

/**
 * Milliseconds of Delta's interval text, such as `interval 1 week 2 days`; null when it is none.
 */
export function parseInterval(text: string): number | null {
  const parts = [...text.matchAll(/(\d+)\s+(millisecond|second|minute|hour|day|week)s?\b/gi)]
  if (parts.length === 0) return null
  return parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * UNIT_MS[unit!.toLowerCase()]!,
    0,
  )
}
