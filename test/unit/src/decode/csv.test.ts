import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { changeSql } from '../../../../src/decode/index.ts'
import { createEngine, type Engine, type Session } from '../../../../src/engine/index.ts'
import type { ColumnType } from '../../../../src/model/index.ts'

let engine: Engine
let session: Session
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-decode-csv-'))
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 2, temporaryFolder: folder })
  session = await engine.session()
})
afterAll(async () => {
  await session[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

/** Decodes records; the fields are the columns `c0`, `c1`, … unless `fields` says otherwise. */
async function decode(
  types: readonly ColumnType[],
  text: string,
  { fields, delimiter = ',', nullTexts = [''], isDelete = null as string | null } = {} as {
    fields?: readonly (string | null)[]
    delimiter?: string
    nullTexts?: readonly string[]
    isDelete?: string | null
  },
): Promise<unknown[][]> {
  const path = join(folder, 'segment')
  await writeFile(path, text)
  const columns = types.map((type, index) => {
    const name = `c${index}`
    return { name, physicalName: name, fieldId: index + 1, type, nullable: true }
  })
  const schema = {
    stream: 's',
    schemaId: 1,
    key: [],
    columns: columns.map((column) => ({ ...column, sourceType: 'kind' })),
  }
  const names = columns.map(({ name }) => name)
  const sql = changeSql({
    segment: {
      path,
      format: 'csv',
      csv: { delimiter, quote: '"', nullTexts, fields: fields ?? names },
      schema,
      firstPosition: 7n,
      recordCount: 0,
      partialCount: 0,
      lineBytesMax: text.length,
    },
    columns,
    places: new Map(columns.map(({ fieldId }, index) => [fieldId, index])),
    withMasks: false,
    deleteWhen: isDelete === null ? null : { column: 'c0', equals: isDelete },
  })
  const shown = names.map((name) => `${name}::VARCHAR`).join(', ')
  const result = await session.query(
    `SELECT __sluice_op, __sluice_position::INTEGER, ${shown} FROM (${sql})`,
  )
  return result.rows.map((row) => [...row])
}

const one = async (type: ColumnType, text: string) => (await decode([type], text))[0]?.[2]
const money = { kind: 'decimal', precision: 30, scale: 2 } as const

describe('CSV records', () => {
  it('are numbered, and tell NULL from empty text', async () => {
    expect(await decode(['string', 'string'], 'a,""\n,"b\n,""c"""\n')).toEqual([
      [0, 7, 'a', ''],
      [0, 8, null, 'b\n,"c"'],
    ])
    expect(
      await decode(['string', 'string'], 'NULL|"NULL"\n|x\n', {
        nullTexts: ['NULL', '-'],
        delimiter: '|',
      }),
    ).toEqual([
      [0, 7, null, 'NULL'],
      [0, 8, '', 'x'],
    ])
  })

  it('are read by the names of their fields, in any order, with some left out', async () => {
    const fields = ['c2', null, 'c0']
    expect(await decode(['integer', 'string', 'string'], 'x,y,5\n', { fields })).toEqual([
      [0, 7, '5', null, 'x'],
    ])
  })

  it('delete where a column says so', async () => {
    expect(await decode(['string'], 'put\ndel\n', { isDelete: 'del' })).toEqual([
      [0, 7, 'put'],
      [2, 8, 'del'],
    ])
  })

  it.each([
    ['long', '9223372036854775807', '9223372036854775807'],
    ['long', '-007', '-7'],
    ['integer', '2.0', '2'],
    [money, '1234567890123456789012345678.90', '1234567890123456789012345678.90'],
    [money, '+1.5', '1.50'],
    [money, '1.2300', '1.23'],
    ['double', '1e3', '1000.0'],
    ['boolean', 'TRUE', 'true'],
    ['date', '2026-11-22', '2026-11-22'],
    ['timestamp', '2026-11-22T10:00:00.123456+02:00', '2026-11-22 08:00:00.123456+00'],
    ['timestamp', '2026-11-22 10:00:00Z', '2026-11-22 10:00:00+00'],
    ['timestamp', '2026-11-22', '2026-11-22 00:00:00+00'],
    ['timestamp_ntz', '2026-11-22 10:00', '2026-11-22 10:00:00'],
    ['timestamp_ntz', '2026-11-22 10:00:00.123456000', '2026-11-22 10:00:00.123456'],
    ['string', ' a "b ', ' a "b '],
  ] as const)('hold %j as %s exactly', async (type, text, shown) => {
    expect(await one(type, `"${text.replaceAll('"', '""')}"\n`)).toBe(shown)
  })

  it.each([
    ['long', '1.5'],
    ['long', '1e-1'],
    ['long', '9223372036854775808'],
    ['byte', '128'],
    ['integer', 'x'],
    ['integer', '""'],
    [money, '1.005'],
    [money, '1e-3'],
    [money, 'NaN'],
    ['double', 'x'],
    ['boolean', 'maybe'],
    ['date', '2026-02-30'],
    ['date', '2026-11-22 10:00:00'],
    ['date', 'infinity'],
    ['timestamp', '2026-11-22 10:00:00.1234567'],
    ['timestamp', 'infinity'],
    ['timestamp_ntz', '2026-11-22T10:00:00Z'],
    ['timestamp_ntz', '2026-11-22T10:00:00+02'],
  ] as const)('never round, cut or misread: %j refuses %s', async (type, text) => {
    const decoding = one(type, `${text}\n`)
    await expect(decoding).rejects.toMatchObject({ code: 'SLU-ENG-7002' })
  })
})
