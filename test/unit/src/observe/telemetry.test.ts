import { expect, test } from 'vitest'
import type { Clock } from '../../../../src/contracts/index.ts'
import { createTelemetry, type TelemetryOptions } from '../../../../src/observe/index.ts'

const clock: Clock = {
  nowMs: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  monotonicMs: () => 0,
  sleep: () => Promise.resolve(),
  uuid: () => '',
  random: () => 0,
}

function telemetryInto(lines: string[], options: Partial<TelemetryOptions> = {}) {
  const stream = { write: (text: string) => lines.push(text) }
  return createTelemetry({ level: 'info', format: 'json', stream, clock, ...options })
}

test('writes one JSON object a line with 64-bit numbers exact', () => {
  const lines: string[] = []
  telemetryInto(lines).log('info', 'committed', { version: 2n ** 62n, rows: 3, gone: undefined })
  expect(lines).toEqual([
    '{"time":"2026-01-02T03:04:05.678Z","level":"info","message":"committed",' +
      '"version":"4611686018427387904","rows":3}\n',
  ])
})

test('does not let a field replace time, level or message', () => {
  const lines: string[] = []
  telemetryInto(lines).log('warn', 'seen', { level: 'x', message: 'y' })
  const line: unknown = JSON.parse(lines[0] ?? '')
  expect(line).toMatchObject({
    level: 'warn',
    message: 'seen',
    field_level: 'x',
    field_message: 'y',
  })
})

test('drops lines below the level', () => {
  const lines: string[] = []
  const telemetry = telemetryInto(lines, { level: 'warn' })
  telemetry.log('info', 'quiet')
  telemetry.log('error', 'loud')
  telemetryInto(lines, { level: 'silent' }).log('error', 'nothing')
  expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual(['loud'])
})

test('writes a line for people that control characters cannot break', () => {
  const lines: string[] = []
  const telemetry = telemetryInto(lines, { format: 'text' })
  telemetry.log('warn', 'slot\nlost \u001b[2J', { slot: 'a b', lagMs: 12 })
  expect(lines).toEqual(['03:04:05.678 WARN  slot lost  [2J slot="a b" lagMs=12\n'])
})
