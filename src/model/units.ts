/**
 * Durations and sizes as people write them: `10s`, `128MiB`. Pure; used by settings and by reports.
 */

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

const SIZE_UNITS_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
}

/** `10s`, `1.5m`, `250ms` → whole milliseconds; null when it is no duration. A unit is required. */
export function parseDurationMs(text: string): number | null {
  return parseWithUnit(text, DURATION_UNITS_MS)
}

/** `128MiB`, `1GB`, `512B` → whole bytes; null when it is no size. A unit is required. */
export function parseSizeBytes(text: string): number | null {
  return parseWithUnit(text, SIZE_UNITS_BYTES)
}

/** Milliseconds → the two largest units: `850ms`, `4.2s`, `3m 05s`, `2h 10m`, `5d 3h`. */
export function formatDurationMs(ms: number): string {
  if (ms < 0) return `-${formatDurationMs(-ms)}`
  if (ms < 999.5) return `${Math.round(ms)}ms`
  const seconds = ms / 1000
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`
  const total = Math.round(seconds)
  if (total < 3600) return `${Math.floor(total / 60)}m ${twoDigits(total % 60)}s`
  const minutes = Math.floor(total / 60)
  if (minutes < 1440) return `${Math.floor(minutes / 60)}h ${twoDigits(minutes % 60)}m`
  return `${Math.floor(minutes / 1440)}d ${Math.floor((minutes % 1440) / 60)}h`
}

/** Bytes → three significant digits with a binary unit: `0 B`, `1.50 MiB`, `217 KiB`. */
export function formatSizeBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes
  let unit = 0
  while (Math.abs(value) >= 999.5 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  if (unit === 0) return `${Math.round(value)} B`
  const digits = Math.abs(value) >= 99.95 ? 0 : Math.abs(value) >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${units[unit]}`
}

function parseWithUnit(text: string, units: Readonly<Record<string, number>>): number | null {
  const match = /^(\d{1,15}(?:\.\d{1,9})?) ?([A-Za-z]{1,3})$/.exec(text.trim())
  const factor = match?.[2] === undefined ? undefined : units[match[2]]
  if (match === null || factor === undefined) return null
  const value = Math.round(Number(match[1]) * factor)
  return Number.isSafeInteger(value) ? value : null
}

function twoDigits(value: number): string {
  return value.toString().padStart(2, '0')
}
