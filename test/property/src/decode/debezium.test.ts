/**
 * Values of every type, written as Debezium writes them, are the same values in the change
 * relation.
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { changeSql } from '../../../../src/decode/index.ts'
import {
  type ConnectSchema,
  connectValue,
  type DebeziumValue,
  parseConnectType,
  UNAVAILABLE_VALUE,
} from '../../../../src/model/index.ts'
import { engineForTests } from '../../../support/engine.ts'

const test = engineForTests()

/** A value as JSON text, and as the text that the engine prints for the right one. */
interface Sample {
  readonly json: string
  readonly text: string | null
}

/** A type, with and without a schema, and values of it. */
interface TypeCase {
  readonly schema: ConnectSchema
  /** As `types` of the configuration names it. */
  readonly name: string
  readonly samples: fc.Arbitrary<Sample>
}

const int = (bits: bigint): fc.Arbitrary<bigint> =>
  fc.bigInt({ min: -(2n ** (bits - 1n)), max: 2n ** (bits - 1n) - 1n })
const whole = (type: string, bits: bigint): TypeCase => ({
  schema: { type },
  name: type,
  samples: int(bits).map((value) => ({ json: `${value}`, text: `${value}` })),
})
const number = (type: string, name: string, samples: fc.Arbitrary<Sample>): TypeCase => {
  return { schema: { type, name }, name: name.split('.').at(-1) as string, samples }
}

/** Bytes of a number, big-endian and in two's complement, as few as there may be. */
function bytesOf(value: bigint): string {
  let size = 1
  while (BigInt.asIntN(size * 8, value) !== value) size++
  const hex = BigInt.asUintN(size * 8, value)
    .toString(16)
    .padStart(size * 2, '0')
  return Buffer.from(hex, 'hex').toString('base64')
}

function decimalText(unscaled: bigint, scale: number): string {
  if (scale <= 0) return `${unscaled * 10n ** BigInt(-scale)}`
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0')
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

function decimal(precision: number, scale: number): TypeCase {
  const limit = 10n ** BigInt(precision) - 1n
  const parameters = { scale: `${scale}`, 'connect.decimal.precision': `${precision}` }
  return {
    schema: { type: 'bytes', name: 'org.apache.kafka.connect.data.Decimal', parameters },
    name: `Decimal(${precision},${scale})`,
    samples: fc.bigInt({ min: -limit, max: limit }).map((unscaled) => {
      // The engine prints no zero before the point where there can be no digit.
      const text = decimalText(unscaled, scale).replace(precision === scale ? '0.' : '.', '.')
      return { json: `"${bytesOf(unscaled)}"`, text }
    }),
  }
}

const anyNumber = fc.oneof(int(8n), int(64n), int(127n), int(128n), int(400n))

const VARIABLE: TypeCase = {
  schema: { type: 'struct', name: 'io.debezium.data.VariableScaleDecimal' },
  name: 'VariableScaleDecimal',
  samples: fc.tuple(anyNumber, fc.integer({ min: -5, max: 60 })).map(([unscaled, scale]) => {
    const json = JSON.stringify({ scale, value: bytesOf(unscaled) })
    return { json, text: decimalText(unscaled, scale) }
  }),
}

/** Days of the years 1 to 9999, and time as counts since the epoch. */
const DAY_MIN = -719_162n
const DAY_MAX = 2_932_896n
const pad = (value: bigint, size: number): string => value.toString().padStart(size, '0')

function dayText(days: bigint): string {
  return new Date(Number(days) * 86_400_000).toISOString().replace(/^\+00|T.*$/g, '')
}

function clockText(count: bigint, digits: number): string {
  const perSecond = 10n ** BigInt(digits)
  const absolute = count < 0n ? -count : count
  const seconds = absolute / perSecond
  const rest = pad(absolute % perSecond, digits).replace(/0+$/, '')
  const clock = [seconds / 3600n, (seconds / 60n) % 60n, seconds % 60n].map((n) => pad(n, 2))
  return `${count < 0n ? '-' : ''}${clock.join(':')}${rest === '' ? '' : `.${rest}`}`
}

function timestamps(name: string, digits: number, step: bigint): TypeCase {
  const perDay = 86_400n * 10n ** BigInt(digits)
  const [min, max] = digits === 9 ? [-100_000n, 100_000n] : [DAY_MIN, DAY_MAX]
  const time = fc.tuple(fc.bigInt({ min, max }), fc.bigInt({ min: 0n, max: perDay / step - 1n }))
  return number(
    'int64',
    name,
    time.map(([day, part]) => ({
      json: `${day * perDay + part * step}`,
      text: `${dayText(day)} ${clockText(part * step, digits)}`,
    })),
  )
}

const times = (type: string, name: string, digits: number, hours: bigint): TypeCase => {
  const limit = hours * 3600n * 10n ** BigInt(digits)
  const counts = fc.bigInt({ min: -limit, max: limit })
  return number(
    type,
    name,
    counts.map((count) => ({ json: `${count}`, text: clockText(count, digits) })),
  )
}

const isoTime = fc
  .tuple(fc.bigInt({ min: DAY_MIN, max: DAY_MAX }), fc.bigInt({ min: 0n, max: 86_399_999_999n }))
  .map(([day, micros]) => [dayText(day), clockText(micros, 6)] as const)

const iso = (name: string, json: (day: string, clock: string) => string, suffix: string) =>
  number(
    'string',
    name,
    isoTime.map(([day, clock]) => {
      const isDate = name.endsWith('Date')
      return { json: `"${json(day, clock)}"`, text: isDate ? day : `${day} ${clock}${suffix}` }
    }),
  )

// Only what is text in every encoding: a lone surrogate is no JSON.
const words = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', 'null', '\\', '"', '\n'))
const TEXT: TypeCase = {
  schema: { type: 'string' },
  name: 'string',
  samples: words
    .filter((text) => text.isWellFormed() && !text.includes('\0'))
    .map((text) => ({ json: JSON.stringify(text), text })),
}
const BYTES: TypeCase = {
  schema: { type: 'bytes' },
  name: 'bytes',
  samples: fc.uint8Array({ maxLength: 12 }).map((bytes) => ({
    json: `"${Buffer.from(bytes).toString('base64')}"`,
    text: Buffer.from(bytes).toString('hex').toUpperCase(),
  })),
}

const CASES: readonly TypeCase[] = [
  whole('int8', 8n),
  whole('int16', 16n),
  whole('int32', 32n),
  whole('int64', 64n),
  {
    schema: { type: 'boolean' },
    name: 'boolean',
    samples: fc.boolean().map((value) => ({ json: `${value}`, text: `${value}` })),
  },
  TEXT,
  BYTES,
  decimal(5, 0),
  decimal(10, 2),
  decimal(18, 18),
  decimal(20, 5),
  decimal(38, 0),
  decimal(38, 10),
  decimal(38, 38),
  VARIABLE,
  number(
    'int32',
    'io.debezium.time.Date',
    fc.bigInt({ min: DAY_MIN, max: DAY_MAX }).map((d) => ({ json: `${d}`, text: dayText(d) })),
  ),
  times('int32', 'io.debezium.time.Time', 3, 24n),
  times('int64', 'io.debezium.time.MicroTime', 6, 839n),
  times('int64', 'io.debezium.time.NanoTime', 9, 24n),
  timestamps('io.debezium.time.Timestamp', 3, 1n),
  timestamps('io.debezium.time.MicroTimestamp', 6, 1n),
  timestamps('io.debezium.time.NanoTimestamp', 9, 1000n),
  iso('io.debezium.time.ZonedTimestamp', (day, clock) => `${day}T${clock}Z`, '+00'),
  iso('io.debezium.time.IsoTimestamp', (day, clock) => `${day}T${clock}Z`, ''),
  iso('io.debezium.time.IsoDate', (day) => `${day}Z`, ''),
]

const nullable = (samples: fc.Arbitrary<Sample>): fc.Arbitrary<Sample> =>
  fc.oneof({ weight: 9, arbitrary: samples }, fc.constant({ json: 'null', text: null }))

interface Row {
  readonly op: 'c' | 'u' | 'd'
  readonly samples: readonly Sample[]
  readonly lists: readonly (readonly Sample[])[]
}

const row: fc.Arbitrary<Row> = fc.record({
  op: fc.constantFrom('c', 'u', 'd'),
  samples: fc.tuple(...CASES.map(({ samples }) => nullable(samples))),
  lists: fc.tuple(...CASES.map(({ samples }) => fc.array(nullable(samples), { maxLength: 3 }))),
})

function lineOf({ op, samples, lists }: Row, id: number): string {
  const members = [
    `"id":${id}`,
    ...samples.map(({ json }, at) => `"c${at}":${json}`),
    ...lists.map((list, at) => `"l${at}":[${list.map(({ json }) => json).join(',')}]`),
  ]
  const [before, after] = op === 'd' ? [`{${members[0]}}`, 'null'] : ['null', `{${members}}`]
  return `{"before":${before},"after":${after},"source":{"lsn":${id}},"op":"${op}"}\n`
}

const valueIn = ({ schema }: TypeCase): DebeziumValue => connectValue(schema) as DebeziumValue

async function decode(rows: readonly Row[]) {
  const id: DebeziumValue = { type: 'long', written: { kind: 'plain' } }
  const values = new Map([['id', id]])
  for (const [at, type] of CASES.entries()) {
    const element = valueIn(type)
    values.set(`c${at}`, element)
    values.set(`l${at}`, {
      type: { kind: 'array', element: element.type, containsNull: true },
      written: { kind: 'list', element },
    })
  }
  const path = join(test.folder, 'landed')
  writeFileSync(path, rows.map(lineOf).join(''))
  const columns = [...values].map(([name, { type }], at) => {
    return { name, physicalName: name, fieldId: at + 1, type, nullable: true, sourceType: '' }
  })
  const sql = changeSql({
    segment: {
      path,
      format: 'debezium-json',
      debezium: { rows: 'envelope', values, unavailable: UNAVAILABLE_VALUE },
      schema: { stream: 's', schemaId: 1, key: [], columns },
      firstPosition: 5n,
      recordCount: rows.length,
      partialCount: 0,
      lineBytesMax: 1_000_000,
    },
    columns,
    places: new Map(columns.map(({ fieldId }, at) => [fieldId, at])),
    withMasks: false,
    deleteWhen: null,
    identifying: { key: ['id'], ordering: null },
  })
  const shown = CASES.map((type, at) => {
    const print = (value: string): string =>
      valueIn(type).type === 'binary' ? `hex(${value})` : `${value}::VARCHAR`
    return `${print(`c${at}`)}, list_transform(l${at}, lambda e: ${print('e')})`
  })
  await using session = await test.engine.session()
  await session.run("SET TimeZone = 'UTC'")
  const found = await session.query(
    `SELECT __sluice_op, __sluice_position::INTEGER, id, ${shown.join(', ')} FROM (${sql})`,
  )
  return found.rows
}

const OPS = { c: 0, u: 1, d: 2 }

describe('values of Debezium', () => {
  it.each(CASES)('mean the same in a schema and in the configuration: $name', (type) => {
    expect(parseConnectType(type.name)).toEqual(valueIn(type))
  })

  it('are exact, in columns and in lists', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 60 }), async (rows) => {
        const found = await decode(rows)
        const expected = rows.map(({ op, samples, lists }, at) => [
          OPS[op],
          at + 5,
          BigInt(at),
          ...samples.flatMap(({ text }, index) =>
            op === 'd' ? [null, null] : [text, lists[index]?.map((sample) => sample.text)],
          ),
        ])
        expect(found.map((cells) => cells.map(plain))).toEqual(expected)
      }),
      { numRuns: 12 },
    )
  })

  /** Lists come with a wrapper of the engine's. */
  const plain = (cell: unknown): unknown =>
    typeof cell === 'object' && cell !== null && 'items' in cell ? cell.items : cell
})
