import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type DecimalType,
  exactDecimal,
  triedDecimal,
} from '../../../../src/decode/decimal-text.ts'
import { createEngine, type Engine, literal, type Session } from '../../../../src/engine/index.ts'

let folder: string
let engine: Engine
let session: Session
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-decimals-'))
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder: folder })
  session = await engine.session()
})
afterAll(async () => {
  await session[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const TYPES: readonly DecimalType[] = (
  [
    [38, 9],
    [38, 0],
    [38, 18],
    [38, 19],
    [38, 38],
    [37, 1],
    [28, 10],
    [20, 2],
    [19, 19],
    [19, 18],
    [19, 0],
    [18, 2],
    [9, 9],
    [1, 0],
  ] as const
).map(([precision, scale]) => ({ kind: 'decimal', precision, scale }))

/** The number as the type prints it; null when it does not hold it exactly. */
function printed(text: string, { precision, scale }: DecimalType): string | null {
  const [mantissa = '', exponent = '0'] = text.split(/e/i)
  const [whole = '', fraction = ''] = mantissa.replace(/^[-+]/, '').split('.')
  const shift = Number(exponent) - fraction.length + scale
  const digits = whole + fraction
  const kept = shift >= 0 ? digits + '0'.repeat(shift) : `0${digits}`.slice(0, shift)
  const lost = shift >= 0 ? '' : digits.slice(shift)
  if (/[1-9]/.test(lost)) return null
  const unscaled = BigInt(kept === '' ? '0' : kept)
  if (unscaled >= 10n ** BigInt(precision)) return null
  const padded = unscaled.toString().padStart(scale + 1, '0')
  const sign = mantissa.startsWith('-') && unscaled > 0n ? '-' : ''
  const point = scale === 0 ? '' : `.${padded.slice(-scale)}`
  return `${sign}${scale === 0 ? padded : padded.slice(0, -scale)}${point}`
}

async function found(type: DecimalType, texts: readonly string[]) {
  const list = texts.map((text) => literal(text)).join(', ')
  const { rows } = await session.query(
    `SELECT (${triedDecimal('text', type)})::VARCHAR FROM (SELECT unnest([${list}]) AS text)`,
  )
  return rows.map(([value]) =>
    typeof value === 'string' ? value.replace(/^(-?)\./, '$10.') : null,
  )
}

const digits = (maxLength: number) => fc.stringMatching(new RegExp(`^[0-9]{1,${maxLength}}$`))
const number = fc
  .record({
    sign: fc.constantFrom('', '-', '+'),
    whole: digits(40),
    fraction: fc.option(digits(24)),
    zeros: fc.nat(3),
    exponent: fc.option(fc.integer({ min: -30, max: 30 }), { freq: 3 }),
  })
  .map(({ sign, whole, fraction, zeros, exponent }) => {
    const point = fraction === null ? '' : `.${fraction}${'0'.repeat(zeros)}`
    return `${sign}${whole}${point}${exponent === null ? '' : `e${exponent}`}`
  })

describe('decimals from texts', () => {
  it('are the number, or none', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(number, { minLength: 20, maxLength: 40 }), async (texts) => {
        for (const type of TYPES) {
          const expected = texts.map((text) => printed(text, type))
          expect(await found(type, texts), JSON.stringify(type)).toEqual(expected)
        }
      }),
      { numRuns: 10 },
    )
  })

  it.each(TYPES)('are exact at the edges of %j, and refused beyond', async (type) => {
    const { precision, scale } = type
    const nines = '9'.repeat(precision)
    const largest = scale === 0 ? nines : `${nines.slice(0, -scale) || '0'}.${nines.slice(-scale)}`
    const beyond = `1${'0'.repeat(precision - scale)}`
    const smallest = `1e-${scale}`
    const within = [
      largest,
      `-${largest}`,
      `${largest}${scale === 0 ? '.' : ''}000`,
      smallest,
      `-${smallest}`,
      '0',
      '-0.0',
    ]
    const texts = [...within, beyond, `-${beyond}`, `${largest}1e-1`, `1e-${scale + 1}`, '1e400']
    const expected = texts.map((text) => printed(text, type))
    expect(expected.slice(0, within.length)).not.toContain(null)
    expect(await found(type, texts)).toEqual(expected)
    for (const text of [beyond, `1e-${scale + 1}`, 'nan', '1,5', '']) {
      const value = exactDecimal('text', type, 'price')
      const sql = `SELECT ${value} FROM (SELECT ${literal(text)} AS text)`
      await expect(session.query(sql), text).rejects.toMatchObject({ code: 'SLU-ENG-7002' })
    }
  })
})
