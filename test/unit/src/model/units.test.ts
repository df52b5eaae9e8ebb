import { expect, test } from 'vitest'
import {
  formatDurationMs,
  formatSizeBytes,
  parseDurationMs,
  parseSizeBytes,
} from '../../../../src/model/index.ts'

test('reads durations with their unit', () => {
  expect(['250ms', '10s', '1.5m', '24h', '7d', ' 2 s '].map(parseDurationMs)).toEqual([
    250, 10_000, 90_000, 86_400_000, 604_800_000, 2000,
  ])
})

test('reads sizes with binary and decimal units', () => {
  expect(['512B', '64KiB', '128MiB', '1GB', '1.5GiB'].map(parseSizeBytes)).toEqual([
    512, 65_536, 134_217_728, 1_000_000_000, 1_610_612_736,
  ])
})

test('refuses what has no unit, a wrong one, or is no exact number', () => {
  for (const text of ['', '10', 's', '-1s', '1e3s', '10 sec', '10S', '999999999999999d', 'NaNs']) {
    expect(parseDurationMs(text), text).toBeNull()
  }
  for (const text of ['10', '10mb', '1 Mi', '-1MiB', '999999999999TiB']) {
    expect(parseSizeBytes(text), text).toBeNull()
  }
})

test('prints durations in the two largest units', () => {
  expect(
    [0, 850, 4200, 59_940, 59_960, 185_000, 7_800_000, 442_800_000].map(formatDurationMs),
  ).toEqual(['0ms', '850ms', '4.2s', '59.9s', '1m 00s', '3m 05s', '2h 10m', '5d 3h'])
})

test('prints sizes with three digits', () => {
  expect([0, 999, 1024, 222_208, 1_572_864, 5 * 1024 ** 5].map(formatSizeBytes)).toEqual([
    '0 B',
    '999 B',
    '1.00 KiB',
    '217 KiB',
    '1.50 MiB',
    '5.00 PiB',
  ])
})
