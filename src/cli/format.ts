/** Values as people read them: counts, ages, times, types. */

import {
  type ColumnType,
  formatDurationMs,
  formatSizeBytes,
  isoFromMicros,
} from '../model/index.ts'

/** Stands for what is not known. */
export const UNKNOWN = '–'

/** 1234567 → `1,234,567`; null is unknown. */
export function countText(value: number | bigint | null): string {
  if (value === null) return UNKNOWN
  return value.toString().replaceAll(/\B(?=(\d{3})+(?!\d))/g, ',')
}

/** Bytes with a binary unit; null is unknown. */
export function sizeText(bytes: number | null): string {
  return bytes === null ? UNKNOWN : formatSizeBytes(bytes)
}

/** Milliseconds as a duration; null is unknown. */
export function durationText(ms: number | null): string {
  return ms === null ? UNKNOWN : formatDurationMs(ms)
}

/** How long ago; null is unknown. */
export function agoText(thenMs: number | null, nowMs: number): string {
  return thenMs === null ? UNKNOWN : `${formatDurationMs(Math.max(0, nowMs - thenMs))} ago`
}

/** Epoch micros → `2026-01-31 12:00:00.123Z`. */
export function timeText(micros: bigint | null): string {
  if (micros === null) return UNKNOWN
  return `${isoFromMicros(micros).slice(0, 23).replace('T', ' ')}Z`
}

/** Epoch micros → ISO-8601 with microseconds, as JSON documents have it; null stays null. */
export function timeJson(micros: bigint | null): string | null {
  return micros === null ? null : isoFromMicros(micros)
}

/** A position; Postgres writes its own as two hexadecimal halves. */
export function positionText(position: bigint | null, sourceType: string | null): string {
  if (position === null) return UNKNOWN
  if (sourceType !== 'postgres') return countText(position)
  const high = (position >> 32n).toString(16).toUpperCase()
  const low = (position & 0xffff_ffffn).toString(16).toUpperCase()
  return `${high}/${low}`
}

/** A column type as SQL people write it: `decimal(10,2)`, `array<string>`. */
export function typeText(type: ColumnType): string {
  if (typeof type === 'string') return type
  switch (type.kind) {
    case 'decimal':
      return `decimal(${type.precision},${type.scale})`
    case 'array':
      return `array<${typeText(type.element)}>`
    case 'map':
      return `map<${typeText(type.key)},${typeText(type.value)}>`
    case 'struct':
      return `struct<${type.fields.map(({ name, type }) => `${name}:${typeText(type)}`).join(',')}>`
    default: {
      const never: never = type
      return never
    }
  }
}
