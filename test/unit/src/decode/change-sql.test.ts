import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { changeSql, type LandedSegment, maskColumn } from '../../../../src/decode/index.ts'
import { createEngine, type Engine, type Session } from '../../../../src/engine/index.ts'
import type { ColumnType, SourceColumn, TableColumn } from '../../../../src/model/index.ts'

let engine: Engine
let session: Session
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-decode-'))
  engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 2, temporaryFolder: folder })
  session = await engine.session()
})

afterAll(async () => {
  await session[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const BACKSLASH = '\\'

async function decode(
  types: Readonly<Record<string, ColumnType>>,
  text: string,
  format: 'copy-text' | 'json-lines' = 'copy-text',
  withMasks = false,
  more: Pick<SourceColumn, 'unfit' | 'isForced' | 'nanoseconds'> = {},
): Promise<unknown[][]> {
  const path = join(folder, 'segment')
  await writeFile(path, text)
  const names = Object.keys(types)
  const segment: LandedSegment = {
    path,
    format,
    schema: {
      stream: 's',
      schemaId: 1,
      key: [],
      columns: names.map((name) => ({
        name,
        type: types[name] as ColumnType,
        sourceType: 'kind',
        nullable: true,
        ...more,
      })),
    },
    firstPosition: 100n,
    recordCount: text.split('\n').length - 1,
    partialCount: 0,
    lineBytesMax: text.length,
  }
  const columns: TableColumn[] = names.map((name, index) => ({
    name,
    physicalName: name,
    fieldId: index + 1,
    type: types[name] as ColumnType,
    nullable: true,
  }))
  const sql = changeSql({
    segment,
    columns,
    places: new Map(columns.map(({ fieldId }, index) => [fieldId, index])),
    withMasks,
    deleteWhen: null,
  })
  const shown = names.map((name) => `"${name}"::VARCHAR`)
  if (withMasks) shown.push(maskColumn(0))
  const rows = await session.query(
    `SELECT __sluice_op, __sluice_position, ${shown.join(', ')} FROM (${sql})`,
  )
  return rows.rows.map((row) => [...row])
}

describe('copy-text lines', () => {
  it('tells NULL, empty text, the escapes and a literal backslash-N apart', async () => {
    const rows = await decode(
      { a: 'string', b: 'string' },
      [
        'i\t5\t\\N\t\\N\t',
        'u\t6\t1\ttab\\tline\\nreturn\\rback\\\\slash\t\\\\N',
        'd\t7\t1\t\\\\\\\\n\t\\\\t',
      ]
        .map((line) => `${line}\n`)
        .join(''),
    )
    expect(rows).toEqual([
      [0, 5n, null, ''],
      [1, 6n, `tab\tline\nreturn\rback${BACKSLASH}slash`, `${BACKSLASH}N`],
      [2, 7n, `${BACKSLASH}${BACKSLASH}n`, `${BACKSLASH}t`],
    ])
  })

  it('marks columns that were not sent, and only those', async () => {
    const rows = await decode(
      {
        id: 'integer',
        a: 'string',
        b: 'binary',
        c: { kind: 'array', element: 'string', containsNull: true },
      },
      'u\t1\t\\N\t7\t\\U\t\\U\t\\U\nu\t1\t\\N\t8\t\\\\U\t\\\\x00ff\t{a}\n',
      'copy-text',
      true,
    )
    expect(rows).toEqual([
      [1, 1n, '7', null, null, null, 7],
      [1, 1n, '8', `${BACKSLASH}U`, '\\x00\\xFF', '[a]', 0],
    ])
  })

  it('reads arrays with quotes, commas, NULLs, brackets and empty elements', async () => {
    const rows = await decode(
      { c: { kind: 'array', element: 'string', containsNull: true } },
      `i\t1\t\\N\t{"a b",c,"d\\\\"e","x,y",NULL,"NULL","",it's,a[b,"\\\\\\\\"}\ni\t2\t\\N\t{}\n`,
    )
    const [first, second] = rows
    expect(first?.[2]).toBe(
      `[a b, c, 'd"e', 'x,y', NULL, 'NULL', '', 'it\\'s', 'a[b', ${BACKSLASH}]`,
    )
    expect(second?.[2]).toBe('[]')
  })

  it('keeps numbers, decimals and times exact', async () => {
    const rows = await decode(
      {
        l: 'long',
        d: { kind: 'decimal', precision: 38, scale: 9 },
        t: 'timestamp',
        n: 'timestamp_ntz',
        f: 'double',
        b: 'boolean',
        day: 'date',
      },
      'i\t1\t\\N\t9223372036854775807\t12345678901234567890.123456789\t' +
        '2024-02-29 23:59:59.123456+00\t' +
        '1999-12-31 00:00:00.000001\tNaN\tt\t0001-01-01\n',
    )
    expect(rows[0]?.slice(2)).toEqual([
      '9223372036854775807',
      '12345678901234567890.123456789',
      '2024-02-29 23:59:59.123456+00',
      '1999-12-31 00:00:00.000001',
      'nan',
      'true',
      '0001-01-01',
    ])
  })

  it('refuses a value that does not fit its type', async () => {
    await expect(decode({ id: 'integer' }, 'i\t1\t\\N\t2147483648\n')).rejects.toMatchObject({
      code: 'SLU-ENG-7002',
    })
  })

  const UNFIT: readonly (readonly [ColumnType, string])[] = [
    ['date', 'infinity'],
    ['date', '-infinity'],
    ['timestamp', 'infinity'],
    ['timestamp', '294276-12-31 23:59:59.999999+00'],
    ['timestamp_ntz', '-infinity'],
    ['timestamp_ntz', '294247-01-10 04:00:54.775807'],
    [{ kind: 'decimal', precision: 10, scale: 2 }, 'NaN'],
    [{ kind: 'array', element: 'integer', containsNull: true }, '{{1,2},{3,4}}'],
    [{ kind: 'array', element: 'integer', containsNull: true }, '[0:1]={1,2}'],
  ]

  it.each(UNFIT)('refuses what a column cannot hold, or stores NULL: %j %s', async (type, text) => {
    const line = `i\t1\t\\N\t${text}\n`
    await expect(decode({ c: type }, line)).rejects.toMatchObject({ code: 'SLU-ENG-7002' })
    const rows = await decode({ c: type }, line, 'copy-text', false, { unfit: 'null' })
    expect(rows).toEqual([[0, 1n, null]])
  })

  it('names column, type and value that cannot be stored', async () => {
    const refused = decode({ until: 'date' }, 'i\t1\t\\N\tinfinity\n')
    await expect(refused).rejects.toThrow('until (kind) cannot be stored as it is: infinity')
  })

  it('makes only the element NULL that an array cannot hold', async () => {
    const type: ColumnType = { kind: 'array', element: 'date', containsNull: true }
    const rows = await decode(
      { c: type },
      'i\t1\t\\N\t{infinity,"0044-03-15 BC",2024-02-29,NULL}\n',
      'copy-text',
      false,
      { unfit: 'null' },
    )
    expect(rows[0]?.[2]).toBe("[NULL, '0044-03-15 (BC)', 2024-02-29, NULL]")
  })

  it('reads years BC', async () => {
    const rows = await decode(
      { d: 'date', n: 'timestamp_ntz', t: 'timestamp' },
      [
        'i\t1\t\\N\t4713-01-01 BC\t4713-01-01 00:00:00 BC\t4713-01-01 00:00:00+00 BC',
        'i\t2\t\\N\t0001-12-31 BC\t0001-12-31 01:02:03.4 BC\t0001-12-31 01:02:03.4+00 BC',
      ]
        .map((line) => `${line}\n`)
        .join(''),
    )
    expect(rows.map((row) => row.slice(2))).toEqual([
      ['4713-01-01 (BC)', '4713-01-01 (BC) 00:00:00', '4713-01-01 (BC) 00:00:00+00'],
      ['0001-12-31 (BC)', '0001-12-31 (BC) 01:02:03.4', '0001-12-31 (BC) 01:02:03.4+00'],
    ])
  })

  it('never rounds to the scale that a user chose', async () => {
    const types = { d: { kind: 'decimal', precision: 9, scale: 2 } } as const
    const line = (value: string): string => `i\t1\t\\N\t${value}\n`
    const chosen = { isForced: true } as const
    for (const [value, stored] of [
      ['1.5', '1.50'],
      ['-7', '-7.00'],
      ['0.1200', '0.12'],
    ] as const) {
      const rows = await decode(types, line(value), 'copy-text', false, chosen)
      expect(rows[0]?.[2]).toBe(stored)
    }
    for (const value of ['0.125', 'NaN', 'Infinity', '12345678.1']) {
      const refused = decode(types, line(value), 'copy-text', false, chosen)
      await expect(refused, value).rejects.toMatchObject({ code: 'SLU-ENG-7002' })
    }
  })

  it('marks decimals that were not sent', async () => {
    const types = { id: 'integer', d: { kind: 'decimal', precision: 38, scale: 2 } } as const
    const rows = await decode(types, 'u\t1\t\\N\t1\t\\U\nu\t1\t\\N\t2\t1.00\n', 'copy-text', true)
    expect(rows).toEqual([
      [1, 1n, '1', null, 1],
      [1, 1n, '2', '1.00', 0],
    ])
  })
})

describe('JSON lines', () => {
  it('numbers lines from the first position and gives NULL for what is missing', async () => {
    const rows = await decode(
      { id: 'long', name: 'string' },
      '{"id":9223372036854775807,"name":"a\\u0000b"}\n{"id":2}\n',
      'json-lines',
    ).catch((error: unknown) => error)
    expect(rows).toEqual([
      [0, 100n, '9223372036854775807', 'a\u0000b'],
      [0, 101n, '2', null],
    ])
  })

  it('takes 2.0 and 1e3 for whole numbers and keeps 64 bits exact', async () => {
    const rows = await decode(
      { id: 'long' },
      '{"id":2.0}\n{"id":1e3}\n{"id":-9223372036854775808}\n{"id":null}\n',
      'json-lines',
    )
    expect(rows.map((row) => row[2])).toEqual(['2', '1000', '-9223372036854775808', null])
  })

  it('refuses to round a fraction or to take true for a number', async () => {
    for (const value of ['1.5', 'true', '"7.5"', '1e300', '{}']) {
      await expect(
        decode({ id: 'long' }, `{"id":${value}}\n`, 'json-lines'),
        value,
      ).rejects.toMatchObject({ code: 'SLU-ENG-7002' })
    }
  })

  it('refuses a mistyped value instead of storing NULL', async () => {
    await expect(decode({ id: 'long' }, '{"id":"many"}\n', 'json-lines')).rejects.toMatchObject({
      code: 'SLU-ENG-7002',
    })
  })

  it.each([
    ['byte', '-128', '127'],
    ['short', '-32768', '32767'],
    ['integer', '-2147483648', '2147483647'],
    ['long', '-9223372036854775808', '9223372036854775807'],
  ] as const)('holds whole numbers of %s exactly, or refuses them', async (type, min, max) => {
    const lines = (...values: readonly string[]) =>
      values.map((value) => `{"id":${value}}\n`).join('')
    const held = [min, max, '-0', '-0.0', '0.0', '7.000', '1e1', '120E-1', `"${max}"`]
    const found = await decode({ id: type }, lines(...held), 'json-lines')
    const expected = [min, max, '0', '0', '0', '7', '10', '12', max]
    expect(found.map(([, , value]) => value)).toEqual(expected)
    const below = (BigInt(min) - 1n).toString()
    const above = (BigInt(max) + 1n).toString()
    // What a double would take for a whole number is refused, too.
    const fractions = ['1.5', '1e-1', '1.0000000000000000001', '1e-400', '-0.1E-320', '0.1e-4000']
    const refused = [below, above, ...fractions, '9223372036854775808.0', '1e19', '1e400', 'true']
    for (const value of refused) {
      const outcome = decode({ id: type }, lines('1', value), 'json-lines')
      await expect(outcome, value).rejects.toMatchObject({ code: 'SLU-ENG-7002' })
    }
  })

  it('keeps every digit of a whole number with a point or an exponent', async () => {
    const values = {
      '9007199254740993.0': '9007199254740993',
      '-9007199254740993e0': '-9007199254740993',
      '922337203685477580.7e1': '9223372036854775807',
      '9007199254740993000000e-6': '9007199254740993',
      '1.000000000000000000': '1',
      '0.0000000000000000e-400': '0',
      '"12"': '12',
      null: null,
    }
    const lines = Object.keys(values).map((value) => `{"x":1.5,"id" :${value},"b":7}\n`)
    const found = await decode({ id: 'long', b: 'byte' }, lines.join(''), 'json-lines')
    expect(found.map((row) => row[2])).toEqual(Object.values(values))
    expect(new Set(found.map((row) => row[3]))).toEqual(new Set(['7']))
  })

  it('refuses a decimal so small that a double takes it for 0', async () => {
    const type = { kind: 'decimal', precision: 10, scale: 2 } as const
    const outcome = decode({ a: type }, '{"a":1e-400}\n', 'json-lines')
    await expect(outcome).rejects.toMatchObject({ code: 'SLU-ENG-7002' })
  })

  it.each(['timestamp', 'timestamp_ntz'] as const)(
    'refuses a %s that is finer than microseconds, or cuts it where the column says so',
    async (type) => {
      const zone = type === 'timestamp' ? 'Z' : ''
      const lines = (...times: readonly string[]) =>
        times.map((time) => `{"at":"2026-11-22T10:00:0${time}${zone}"}\n`).join('')
      const exact = lines('0', '0.5', '0.123456', '0.123456000')
      const micros = async (text: string, more: Pick<SourceColumn, 'nanoseconds'> = {}) => {
        const rows = await decode({ at: type }, text, 'json-lines', false, more)
        return rows.map((row) => String(row[2]).slice(18, 26).replace(/\+00$/, ''))
      }
      expect(await micros(exact)).toEqual(['0', '0.5', '0.123456', '0.123456'])
      for (const fine of ['0.1234561', '0.123456789', '0.000000001']) {
        await expect(micros(lines(fine)), fine).rejects.toMatchObject({ code: 'SLU-ENG-7002' })
      }
      const cut = await micros(lines('0.123456789', '0.999999999'), { nanoseconds: 'cut' })
      expect(cut).toEqual(['0.123456', '0.999999'])
    },
  )

  it('keeps every digit of a decimal, whatever else stands in the line', async () => {
    const type = { kind: 'decimal', precision: 38, scale: 9 } as const
    const values = {
      '12345678901234567890.123456789': '12345678901234567890.123456789',
      '"12345678901234567890.123456789"': '12345678901234567890.123456789',
      '12.50': '12.500000000',
      '1.5e2': '150.000000000',
      '1E-9': '0.000000001',
      '0.00001': '0.000010000',
      '12345678901234567890123456789': '12345678901234567890123456789.000000000',
      '-0.1000000000000000000000': '-0.100000000',
      '0.000000000000000000012e21': '12.000000000',
      null: null,
    }
    const found = await decode(
      { a: type, note: 'string' },
      Object.keys(values)
        .map((value) => `{"note":"\\"a\\":1.5, x","in":{"a":7},"a" : ${value}}\n`)
        .join(''),
      'json-lines',
    )
    expect(found.map((row) => row[2])).toEqual(Object.values(values))
    expect(new Set(found.map((row) => row[3]))).toEqual(new Set(['"a":1.5, x']))
  })

  it('refuses a decimal that its column would round', async () => {
    const type = { kind: 'decimal', precision: 10, scale: 2 } as const
    const values = [
      '12345.678',
      '"12345.678"',
      '1e-3',
      '12345.6700000000000000001',
      '"12345.6700000000000000001"',
      '123456789',
      'true',
      '"nan"',
      '""',
      '{}',
    ]
    for (const value of values) {
      await expect(
        decode({ a: type }, `{"a":1}\n{"a":${value}}\n`, 'json-lines'),
        value,
      ).rejects.toMatchObject({ code: 'SLU-ENG-7002' })
    }
    const unusual = '{"\\u0061":12345.6700000000000000001}\n'
    await expect(decode({ a: type }, unusual, 'json-lines')).rejects.toMatchObject({
      code: 'SLU-ENG-7002',
    })
    expect(await decode({ a: type }, '{"a":12345.670000}\n', 'json-lines')).toHaveLength(1)
  })
})
